//! An image that exists, by its digest: pulled from a real registry, packed as it is, run in a root of its own, promoted
//! without a build. The trap avoided: a tag, which means something else tomorrow.

use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::{digest::Digest, logs::Mask};
use rhone_tests::{
    artifacts::{self, Version},
    database::person,
    edge,
    graphql::{self, Client, unique},
    images,
    platform::Platform,
    program,
    registry::{ALICE, Registry, SECRET},
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifacts_folder_is_pushed_as_an_image_and_found_by_its_digest() {
    let Some(registry) = Registry::private(ALICE) else { return };
    let (platform, room) = (Platform::shared().await, tempfile::tempdir().expect("a folder"));
    let (folder, file) = (program::example("blue").display().to_string(), room.path().join("password"));
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
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
        assert!(!said.contains(SECRET), "{said}");
        let said: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
        digests.push(text(&said["digest"]));
    }
    assert_eq!(digests[0], digests[1], "the same folder, the same image");
    let (host, path) = name.split_once('/').expect("a host and a path");
    let at = |digest: &str| format!("http://{host}/v2/{path}/manifests/{digest}");
    let asked = graphql::http().get(at(&digests[0])).basic_auth("alice", Some(SECRET));
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

/// What was deployed is fetched back and pushed as the image that its folder would be; whoever belongs to another workspace is
/// told what is told of bytes that nobody has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deployed_is_fetched_back_by_its_workspace_alone_and_pushed_as_an_image() {
    let (platform, room) = (Platform::shared().await, tempfile::tempdir().expect("a folder"));
    let tenant = Tenant::open(platform, platform.developer()).await;
    let digest = artifacts::push_as_never_before(&tenant.client, &tenant.workspace, Version::Blue).await;
    let deployed = tenant.deploy_bytes(digest.clone(), Version::Blue).await;

    let (own, size) = fetched(&tenant.client, &digest).await;
    assert_eq!((own.status, own.digest.as_deref()), (200, Some(digest.as_str())), "{size} bytes");
    let stranger = Tenant::open(platform, person(platform).await.client).await.client;
    let nobodys = format!("sha256:{}", "ab".repeat(32));
    let (foreign, said) = fetched(&stranger, &digest).await;
    let (none, of_none) = fetched(&stranger, &nobodys).await;
    assert_eq!((foreign.status, none.status, said), (404, 404, of_none), "the same words");
    assert_eq!(fetched(&tenant.client, &nobodys).await.0.status, 404);

    let out = |name: &str| room.path().join(name).display().to_string();
    let image = async |words: &[&str]| {
        let words: Vec<&str> = ["artifact", "image"].iter().chain(words).chain(&["--json"]).copied().collect();
        let made = platform.rhone(&words).await;
        assert!(made.status.success(), "{}", program::text(&made.stderr));
        let said: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
        text(&said["digest"])
    };
    let one = image(&["--deployment", &deployed.id, "--out", &out("one")]).await;
    let two = image(&["--deployment", &deployed.id, "--out", &out("two")]).await;
    assert_eq!(one, two, "the same bytes, the same image");
    let Some(registry) = Registry::start() else { return };
    let name = registry.name("acme/deployed");
    let pushed = image(&["--deployment", &deployed.id, "--out", &out("three"), "--push", &name]).await;
    assert_eq!(pushed, one);
    let (host, path) = name.split_once('/').expect("a host and a path");
    let asked = graphql::http().get(format!("http://{host}/v2/{path}/manifests/{pushed}"));
    let answer = asked.header("Accept", "application/vnd.oci.image.manifest.v1+json").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// An answer of the door for artifacts.
struct Answer {
    status: u16,
    /// Of what came, if it was an artifact.
    digest: Option<String>,
}

/// Asks for an artifact's bytes; gives what was said in words, or how many there were.
async fn fetched(client: &Client, digest: &str) -> (Answer, String) {
    let asked = graphql::http().get(format!("{}/v1/artifacts/{digest}", client.url())).bearer_auth(client.token());
    let answer = asked.send().await.expect("the API answers");
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.expect("all of it");
    if status == 200 {
        let digest = Digest::of(&[&bytes]).to_string();
        return (Answer { status, digest: Some(digest) }, bytes.len().to_string());
    }
    (Answer { status, digest: None }, String::from_utf8_lossy(&bytes).into_owned())
}
