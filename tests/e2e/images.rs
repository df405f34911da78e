//! An image that exists, by its digest: pulled from a real registry, packed as it is, run in a root of its own, promoted
//! without a build. The trap avoided: a tag, which means something else tomorrow.

use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_image::layout::{RunConfig, write};
use rhone_tests::{
    edge,
    graphql::unique,
    platform::Platform,
    registry::Registry,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// The counter app, what it is linked with, and nothing else, as a layout.
fn layout(room: &Path, version: &str) -> std::path::PathBuf {
    let counter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.rhone/examples/counter-blue/counter");
    let listed = Command::new("ldd").arg(&counter).output().expect("ldd runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    let mut layer = tar::Builder::new(fs::File::create(room.join("layer.tar")).expect("a file"));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        layer.append_data(&mut header, name, content).expect("an entry");
    };
    add("srv/counter", &fs::read(&counter).expect("`./dev build` lays it out"));
    add("srv/version.txt", version.as_bytes());
    add("srv/public/index.html", b"<title>imaged</title>");
    for library in libraries {
        add(library.trim_start_matches('/'), &fs::read(library).expect("readable"));
    }
    layer.finish().expect("a tar");
    drop(layer);
    let layout = room.join("layout");
    let config = RunConfig {
        env: Some(vec!["PATH=/srv:/bin".to_owned(), "DRAIN_SECONDS=1".to_owned()]),
        cmd: Some(vec!["/srv/counter".to_owned()]),
        working_dir: Some("/srv".to_owned()),
        labels: Some(BTreeMap::from([("rhone.health".to_owned(), "/health".to_owned())])),
        ..RunConfig::default()
    };
    write(&layout, &room.join("layer.tar"), config, BTreeMap::new()).expect("written");
    layout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_promoted_by_its_digest_without_a_build() {
    let Some(registry) = Registry::start() else { return };
    let room = tempfile::tempdir().expect("a folder");
    let layout = layout(room.path(), "imaged");
    let (log, _lines) = Log::channel(64, Vec::new());
    let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
    let name = registry.name("acme/counter");
    let digest = push(&layout, &name, &open, &log).await.expect("pushed");
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
