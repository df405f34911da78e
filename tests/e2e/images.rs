//! An image that exists, by its digest: pulled from a real registry, packed as it is, run in a root of its own, promoted
//! without a build. The trap avoided: a tag, which means something else tomorrow.

use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::{digest::Digest, logs::Mask};
use rhone_tests::{
    edge,
    graphql::{self, unique},
    images,
    platform::Platform,
    program,
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

/// `alice` with `canary-of-the-registry`, as libcrypt's `crypt` gives it for the salt `$2y$05$abcdefghijklmnopqrstuu`.
const PASSWORD: &str = "alice:$2y$05$abcdefghijklmnopqrstuuTQLdDQ2arfM5hmv74DJrVlfO6Ojq7Qm\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifacts_folder_is_pushed_as_an_image_and_found_by_its_digest() {
    let Some(registry) = Registry::private(PASSWORD) else { return };
    let (platform, room) = (Platform::shared().await, tempfile::tempdir().expect("a folder"));
    let (folder, file) = (program::example("blue").display().to_string(), room.path().join("password"));
    std::fs::write(&file, "canary-of-the-registry\n").expect("a file");
    let name = registry.name("acme/counter");
    let mut digests = Vec::new();
    for out in ["one", "two"] {
        let (out, file) = (room.path().join(out).display().to_string(), file.display().to_string());
        let words = [
            "artifact",
            "image",
            &folder,
            "--out",
            &out,
            "--push",
            &name,
            "--username",
            "alice",
            "--password-file",
            &file,
            "--json",
        ];
        let made = platform.rhone(&words).await;
        assert!(made.status.success(), "{}", program::text(&made.stderr));
        let said = program::text(&made.stdout) + &program::text(&made.stderr);
        assert!(!said.contains("canary-of-the-registry"), "{said}");
        let said: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
        digests.push(text(&said["digest"]));
    }
    assert_eq!(digests[0], digests[1], "the same folder, the same image");
    let (host, path) = name.split_once('/').expect("a host and a path");
    let at = |digest: &str| format!("http://{host}/v2/{path}/manifests/{digest}");
    let asked = graphql::http().get(at(&digests[0])).basic_auth("alice", Some("canary-of-the-registry"));
    let asked = asked.header("Accept", "application/vnd.oci.image.manifest.v1+json");
    let answer = asked.send().await.expect("the registry answers");
    assert_eq!(answer.status(), 200);
    let manifest = answer.bytes().await.expect("a manifest");
    assert_eq!(Digest::of(&[&manifest]).to_string(), digests[0], "it is what its name says");
    let out = room.path().join("three").display().to_string();
    let refused = platform.rhone(&["artifact", "image", &folder, "--out", &out, "--push", &name]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", program::text(&refused.stderr));
    assert!(program::text(&refused.stderr).contains("sign"), "{}", program::text(&refused.stderr));
}
