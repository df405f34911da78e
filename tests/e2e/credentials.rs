//! Deploys of what not everybody may read: private repositories and private images, with the credential that the app holds for
//! their host, and refused with words that help without it. That no secret is in clear anywhere is seen in `variables.rs`.

use rhone_builder::{
    image::push,
    log::Log,
    source::{Allowed, SourcePolicy},
};
use rhone_domain::{
    hidden::Hidden,
    logs::Mask,
    source_credential::{SignIn, SourceHost},
    text::Username,
};
use rhone_tests::{
    edge,
    graphql::unique,
    images,
    platform::Platform,
    private_repositories::PrivateRepositories,
    program,
    registry::Registry,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::fs;

const LISTED: &str =
    "query($id: ID!) { app(id: $id) { version sourceCredentials { host username generation setAt } } }";

async fn set(tenant: &Tenant, app: &str, host: &str, secret: &str) {
    let input = json!({ "appId": app, "host": host, "username": "alice", "secret": secret });
    tenant.client.done("appSourceCredentialSet", "app { id }", input).await;
}

async fn listed(tenant: &Tenant) -> Value {
    tenant.client.data(LISTED, json!({ "id": tenant.app })).await["app"].clone()
}

/// How a deploy ended.
async fn ended(tenant: &Tenant, mutation: &str, input: Value) -> Value {
    let made = tenant.client.done(mutation, "__typename", input).await;
    let id = text(&made["operation"]["id"]);
    let query =
        "query($id: ID!) { operation(id: $id) { stage ended failure { code message } deploy { promotion { id } } } }";
    let look = async || {
        let found = tenant.client.data(query, json!({ "id": id })).await["operation"].clone();
        (found["ended"] == true).then_some(found)
    };
    until("the deploy has ended", PATIENCE * 3, look).await
}

async fn of_repository(tenant: &Tenant, private: &PrivateRepositories) -> Value {
    let input = json!({ "environmentId": tenant.preview.id, "repository": private.address(), "reference": "main" });
    ended(tenant, "deploymentBuild", input).await
}

#[track_caller]
fn refused(found: &Value, code: &str, host: &str) {
    assert_eq!((&found["stage"], &found["failure"]["code"]), (&json!("FAILED"), &json!(code)), "{found:#}");
    let told = text(&found["failure"]["message"]);
    assert!(told.contains(&format!("`rhone credential set {host}`")), "it says what to do: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_repository_is_deployed_with_the_apps_credential_while_it_holds_one() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("private");
    let secret = unique("canary-of-a-host");
    let private = PrivateRepositories::start(repository, "alice", &secret);
    let host = private.host();

    refused(&of_repository(&tenant, &private).await, "SIGN_IN_NEEDED", &host);
    let input = json!({ "projectId": tenant.project, "slug": "other", "name": "Other" });
    let other = text(&tenant.client.done("appCreate", "app { id }", input).await["app"]["id"]);
    set(&tenant, &other, &host, &secret).await;
    refused(&of_repository(&tenant, &private).await, "SIGN_IN_NEEDED", &host);
    let at_another_port = format!("127.0.0.1:{}", 1);
    set(&tenant, &tenant.app, &at_another_port, &secret).await;
    refused(&of_repository(&tenant, &private).await, "SIGN_IN_NEEDED", &host);
    let shown = |saw: &str| saw.lines().filter(|line| line.contains("Basic") && !line.ends_with("Basic Og==")).count();
    assert_eq!(shown(&private.saw()), 0, "another app's or host's was shown: {}", private.saw());

    set(&tenant, &tenant.app, &host, "wrong").await;
    refused(&of_repository(&tenant, &private).await, "SIGN_IN_REFUSED", &host);
    set(&tenant, &tenant.app, &host, &secret).await;
    let found = of_repository(&tenant, &private).await;
    assert_eq!(found["stage"], "PREVIEW_READY", "{found:#}");
    tenant.succeeds(&text(&found["deploy"]["promotion"]["id"])).await;
    edge::get(&tenant.edge, &tenant.preview.host, "/count").await.expect("the app answers");
    assert!(shown(&private.saw()) > 0 && !private.saw().contains("LEAK"), "{}", private.saw());

    let held = listed(&tenant).await;
    let of_host = held["sourceCredentials"].as_array().expect("a list").iter().find(|one| one["host"] == json!(host));
    assert_eq!(of_host.map(|one| (&one["username"], &one["generation"])), Some((&json!("alice"), &json!(2))), "{held}");
    let remove = json!({ "appId": tenant.app, "host": host, "expectedVersion": held["version"] });
    tenant.client.done("appSourceCredentialRemove", "app { id }", remove.clone()).await;
    refused(&of_repository(&tenant, &private).await, "SIGN_IN_NEEDED", &host);
    let stale = tenant.client.refused("appSourceCredentialRemove", "__typename", remove).await;
    assert_eq!(stale["code"], "NOT_FOUND", "a rule of the noun goes before: {stale}");
    let set_again = json!({ "appId": tenant.app, "host": host, "username": "alice", "secret": "another", "expectedVersion": held["version"] });
    let stale = tenant.client.refused("appSourceCredentialSet", "__typename", set_again).await;
    assert_eq!(stale["code"], "STALE_VERSION", "{stale}");
    timeline_tells(&tenant, &host).await;
}

/// Set, replaced and removed, each with who did it.
async fn timeline_tells(tenant: &Tenant, host: &str) {
    let entries = tenant.timeline(None).await;
    let told: Vec<_> =
        entries.iter().filter(|entry| text(&entry["type"]).starts_with("app.source_credential")).collect();
    let of_host = told.iter().filter(|entry| text(&entry["summary"]).contains(&format!("{host} ")));
    let words: Vec<String> = of_host.map(|entry| text(&entry["summary"])).collect();
    assert_eq!(words.len(), 3, "{told:#?}");
    assert!(words[0].contains("was set") && words[1].contains("replaces") && words[2].contains("removed"), "{words:?}");
    assert!(told.iter().all(|entry| entry["actorKind"] == "user"), "{told:#?}");
}

/// `alice` with `canary-of-the-registry`, as libcrypt's `crypt` gives it for the salt `$2y$05$abcdefghijklmnopqrstuu`.
const PASSWORD: &str = "alice:$2y$05$abcdefghijklmnopqrstuuTQLdDQ2arfM5hmv74DJrVlfO6Ojq7Qm\n";
const SECRET: &str = "canary-of-the-registry";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_image_is_deployed_with_the_apps_credential() {
    let Some(registry) = Registry::private(PASSWORD) else { return };
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let room = tempfile::tempdir().expect("a folder");
    let layout = images::counter(room.path(), "private");
    let name = registry.name("acme/counter");
    let host = name.split_once('/').expect("a host").0;
    let digest = pushed(&layout, &name, host).await;
    let input = json!({ "environmentId": tenant.preview.id, "image": name, "imageDigest": digest });
    refused(&ended(&tenant, "deploymentImport", input.clone()).await, "SIGN_IN_NEEDED", host);
    set(&tenant, &tenant.app, host, "wrong").await;
    refused(&ended(&tenant, "deploymentImport", input.clone()).await, "SIGN_IN_REFUSED", host);
    set(&tenant, &tenant.app, host, SECRET).await;
    let found = ended(&tenant, "deploymentImport", input).await;
    assert_eq!(found["stage"], "PREVIEW_READY", "{found:#}");
    tenant.succeeds(&text(&found["deploy"]["promotion"]["id"])).await;
    edge::serves(&tenant.edge, &tenant.preview.host, "private").await;
}

async fn pushed(layout: &std::path::Path, name: &str, host: &str) -> String {
    let (log, _lines) = Log::channel(64, Mask::default());
    let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
    let sign_in = SignIn {
        host: SourceHost::parse("host", host).expect("a host"),
        username: Username::parse("username", "alice").expect("a user"),
        secret: Hidden::new(SECRET.into()),
    };
    push(layout, name, Some(&sign_in), &open, &log).await.expect("pushed").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_keeps_lists_uses_and_removes_a_credential_and_never_shows_its_secret() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("by hand");
    let secret = unique("canary-of-a-hand");
    let private = PrivateRepositories::start(repository, "alice", &secret);
    let (host, address) = (private.host(), private.address());
    let desk = tempfile::tempdir().expect("a folder");
    fs::write(desk.path().join("secret"), format!("{secret}\n")).expect("written");
    let ends = async |code: i32, words: &[&str]| {
        let output = program::rhone_in(desk.path(), &platform.data(), &[("NO_COLOR", "1")], words).await;
        let told = program::text(&output.stdout) + &program::text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        assert!(!told.contains(&secret), "{words:?}: {told}");
        told
    };
    ends(0, &["link", &tenant.preview.id]).await;
    let deploy = ["deploy", "--repository", &address, "--reference", "main"];
    assert!(ends(1, &deploy).await.contains(&format!("rhone credential set {host}")));
    ends(0, &["credential", "set", &host, "--username", "alice", "--file", "secret", "--dry-run"]).await;
    assert!(!ends(0, &["credential", "list"]).await.contains(&host), "a dry run keeps nothing");
    ends(0, &["credential", "set", &host, "--username", "alice", "--file", "secret"]).await;
    let held: Value = serde_json::from_str(&ends(0, &["credential", "list", "--json"]).await).expect("JSON");
    assert_eq!((&held[0]["host"], &held[0]["generation"]), (&json!(host), &json!(1)));
    ends(0, &deploy).await;
    let logged = ends(0, &["logs", "--app", &tenant.app]).await;
    assert!(logged.contains(&format!("if {host} asks, as alice, with the app's credential")), "{logged}");
    ends(0, &["credential", "remove", &host]).await;
    ends(4, &["credential", "remove", &host]).await;
    ends(1, &deploy).await;
}
