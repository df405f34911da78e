//! An image that exists, by its digest: pulled from a real registry, packed as it is, run in a root of its own, promoted
//! without a build. The trap avoided: a tag, which means something else tomorrow.

use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::logs::Mask;
use rhone_tests::{
    edge,
    graphql::unique,
    images,
    platform::Platform,
    registry::Registry,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_promoted_by_its_digest_without_a_build() {
    let Some(registry) = Registry::start() else { return };
    let room = tempfile::tempdir().expect("a folder");
    let layout = images::counter(room.path(), "imaged");
    let (log, _lines) = Log::channel(64, Mask::default());
    let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
    let name = registry.name("acme/counter");
    let digest = push(&layout, &name, None, &open, &log).await.expect("pushed");
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let input = json!({ "environmentId": tenant.preview.id, "image": name, "imageDigest": digest.to_string(),
        "idempotencyKey": unique("image") });
    let made = tenant.client.done("deploymentImport", "__typename", input).await;
    let id = text(&made["operation"]["id"]);
    let query = "query($id: ID!) { operation(id: $id) { stage ended failure { code message } deploy { image \
        built { plan sandbox digest } promotion { id } } } }";
    let look = async || {
        let found = tenant.client.data(query, json!({ "id": id })).await["operation"].clone();
        (found["ended"] == true).then_some(found)
    };
    let found = until("the image is deployed", PATIENCE * 3, look).await;
    assert_eq!(found["stage"], "PREVIEW_READY", "{found:#}");
    assert_eq!(found["deploy"]["image"], json!(format!("{name}@{digest}")));
    assert_eq!(found["deploy"]["built"]["plan"], "image");
    assert_eq!(found["deploy"]["built"]["sandbox"], json!(null), "nothing had to be built");
    tenant.succeeds(&text(&found["deploy"]["promotion"]["id"])).await;
    edge::serves(&tenant.edge, &tenant.preview.host, "imaged").await;

    let unknown = format!("sha256:{}", "ab".repeat(32));
    let input = json!({ "environmentId": tenant.preview.id, "image": name, "imageDigest": unknown });
    let made = tenant.client.done("deploymentImport", "__typename", input).await;
    let id = text(&made["operation"]["id"]);
    let look = async || {
        let found = tenant.client.data(query, json!({ "id": id })).await["operation"].clone();
        (found["ended"] == true).then_some(found)
    };
    let found = until("an image that is not there has an end", PATIENCE * 3, look).await;
    assert_eq!(found["failure"]["code"], "IMAGE_NOT_FOUND", "{found:#}");
}
