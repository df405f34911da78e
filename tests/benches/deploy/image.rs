//! From the start of `rhone deploy --image`, a process of its own, to the first answer of the image through the edge: asked for,
//! pulled from a registry, unpacked, started, judged, routed.

use super::{by_hand, deploys};
use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::logs::Mask;
use rhone_tests::{edge, figure::Printer, images, platform::Platform, program, registry::Registry, story::Tenant};
use std::time::Instant;

pub(crate) async fn measure(print: &Printer, platform: &Platform, tenant: &Tenant) {
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
        let image = format!("{name}@{digest}");
        let begun = Instant::now();
        let words = ["deploy", "--image", &image, "--environment", &tenant.preview.id];
        let first = async {
            edge::serves(&tenant.edge, &tenant.preview.host, &version).await;
            begun.elapsed()
        };
        let (ended, took) = tokio::join!(platform.rhone(&words), first);
        assert!(ended.status.success(), "{}", program::text(&ended.stderr));
        samples.push(took);
    }
    print.distribution("`rhone deploy --image` started to its first answer through the edge", samples.clone(), None);
    by_hand::started(print, &samples).await;
}
