//! From the wish to deploy an image that exists, by its digest, to its first answer through the edge: pulled from a registry,
//! unpacked, started, judged, routed.

use super::{deploys, ends};
use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::logs::Mask;
use rhone_tests::{
    edge,
    figure::Printer,
    graphql::unique,
    images,
    registry::Registry,
    story::{Tenant, text},
};
use serde_json::json;
use std::time::Instant;

pub(crate) async fn measure(print: &Printer, tenant: &Tenant) {
    let Some(registry) = Registry::start() else {
        eprintln!("not measured: images, for docker-registry is not installed");
        return;
    };
    let name = registry.name("acme/counter");
    let (log, _lines) = Log::channel(64, Mask::default());
    let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
    let mut samples = Vec::new();
    for number in 0..deploys() {
        let (room, version) = (tempfile::tempdir().expect("a folder"), format!("image-{number}"));
        let digest = push(&images::counter(room.path(), &version), &name, None, &open, &log).await.expect("pushed");
        let begun = Instant::now();
        let input = json!({ "environmentId": tenant.preview.id, "image": name, "imageDigest": digest.to_string(),
            "idempotencyKey": unique("image") });
        let made = tenant.client.done("deploymentImport", "__typename", input).await;
        edge::serves(&tenant.edge, &tenant.preview.host, &version).await;
        samples.push(begun.elapsed());
        let ended = ends(tenant, &text(&made["operation"]["id"])).await;
        tenant.succeeds(&text(&ended["deploy"]["promotion"]["id"])).await;
    }
    print.distribution("an image by its digest: asked for to its first answer through the edge", samples, None);
}
