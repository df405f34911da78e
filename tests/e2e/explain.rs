//! What support is asked: why did it fail, who did it, and what did the app print. Of an app that prints and exits, asked by the
//! command line as support staff would. The trap avoided: a cause that is on record where nobody looks for it.

use rhone_tests::{
    database::uuid,
    platform::Platform,
    program,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// An app that says why, and ends.
fn app(folder: &Path) {
    fs::write(folder.join("rhone.toml"), "process = [\"./app\"]\nhealth = \"/health\"\n").expect("the folder is ours");
    let app = folder.join("app");
    fs::write(&app, "#!/bin/sh\necho there is no database\nexit 3\n").expect("the folder is ours");
    fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

/// What a command says when it ends well.
async fn said(platform: &Platform, words: &[&str]) -> String {
    let output = platform.rhone(words).await;
    assert!(output.status.success(), "{words:?}: {}", program::text(&output.stderr));
    program::text(&output.stdout)
}

/// Its exit code, and what it complains of.
async fn refused(platform: &Platform, words: &[&str]) -> (Option<i32>, String) {
    let output = platform.rhone(words).await;
    (output.status.code(), program::text(&output.stderr))
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_whose_app_exits_is_explained_with_its_cause_its_command_and_its_person() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (preview, folder) = (tenant.preview.id.as_str(), tempfile::tempdir().expect("a folder"));
    app(folder.path());
    let dir = folder.path().to_str().expect("a name");
    let words = ["deployment", "create", "--app", &tenant.app, "--dir", dir, "--environment", preview, "--wait"];
    let (code, complaint) = refused(platform, &words).await;
    assert_eq!(code, Some(1), "{complaint}");
    let cause = ["ALLOCATION_FAILED", "its app ended by itself", "not ready after", "last end: exit 3"];
    has(&complaint, &cause);
    has(&complaint, &["rhone explain op_", &format!("rhone logs --environment {preview}")]);
    let operation = complaint.split("rhone explain ").nth(1).and_then(|rest| rest.split(' ').next()).expect("its id");

    let printed = async || {
        let lines = said(platform, &["logs", "--environment", preview]).await;
        lines.contains("there is no database").then_some(())
    };
    until("the hint leads to what was printed", PATIENCE, printed).await;
    let failed = async || {
        let told = said(platform, &["explain", operation]).await;
        told.contains("cause     The allocation failed").then_some(told)
    };
    let told = until("the explanation has the cause", PATIENCE, failed).await;
    let viewer = tenant.client.data("{ viewer { actor } }", json!({})).await;
    let actor = text(&viewer["viewer"]["actor"]);
    has(&told, &cause);
    has(&told, &["command   operation.request_promotion by user ", "person    user ", &actor, "allocation.failed"]);
    let status = said(platform, &["status", "--app", &tenant.app]).await;
    let line = status.lines().find(|line| line.starts_with("failed last")).expect("what failed last");
    has(line, &cause);
    has(line, &[operation, preview]);

    the_api_says_who_and_why(&tenant, operation, &actor).await;
    a_place_that_is_none_is_refused_and_a_position_is_a_moment(platform, &tenant, operation).await;
}

async fn the_api_says_who_and_why(tenant: &Tenant, operation: &str, actor: &str) {
    let who = "{ actor actorKind actorName onBehalfOf }";
    let question = format!(
        "query($id: ID!, $workspace: ID!) {{ operation(id: $id) {{ createdAt endedAt requestedBy {who} failure {{ message actual }} \
         deployment {{ createdBy {who} }} environment {{ allocations(ended: true) {{ state restarts lastExit failureCause failureReason }} }} }} \
         causationTree(operationId: $id) {{ nodes {{ depth entry {{ type actorName correlation requestedBy {who} }} }} }} \
         workspace(id: $workspace) {{ members(first: 9) {{ nodes {{ actor actorName }} }} }} }}"
    );
    let data = tenant.client.data(&question, json!({ "id": operation, "workspace": tenant.workspace })).await;
    let asked = &data["operation"];
    let person = &asked["requestedBy"];
    assert_eq!((person["actor"].as_str(), &person["actorKind"]), (Some(actor), &json!("user")), "{data:#}");
    assert!(person["actorName"].is_string() && asked["deployment"]["createdBy"] == *person, "{data:#}");
    assert!(asked["createdAt"].as_str() < asked["endedAt"].as_str(), "{data:#}");
    assert_eq!(asked["failure"]["actual"], "app_exited");
    let allocations = asked["environment"]["allocations"].as_array().expect("a list");
    assert_eq!(allocations.len(), 2, "{data:#}");
    for one in allocations {
        assert_eq!((&one["failureCause"], &one["lastExit"]), (&json!("app_exited"), &json!("exit 3")), "{one}");
        assert!(one["restarts"].as_u64() > Some(0) && one["failureReason"].is_string(), "{one}");
    }
    let nodes: Vec<&Value> = data["causationTree"]["nodes"].as_array().expect("a list").iter().collect();
    let of = |kind: &str| nodes.iter().filter(|node| node["entry"]["type"] == kind).copied().collect::<Vec<_>>();
    assert_eq!(of("operation.requested").len(), 1, "its own request stands in it: {data:#}");
    let (planned, failed) = (of("allocation.planned"), of("allocation.failed"));
    assert_eq!((planned.len(), failed.len()), (2, 2), "{data:#}");
    for failed in failed {
        assert_eq!(failed["entry"]["correlation"], uuid(operation).to_string(), "it belongs to the promotion");
        assert_eq!(failed["entry"]["requestedBy"], *person, "and to whoever asked for that");
        assert_eq!(
            failed["depth"].as_u64(),
            planned[0]["depth"].as_u64().map(|depth| depth + 1),
            "its order led to it"
        );
    }
    let members = data["workspace"]["members"]["nodes"].as_array().expect("a list");
    assert!(members.iter().any(|member| member["actor"] == actor && member["actorName"] == person["actorName"]));
}

async fn a_place_that_is_none_is_refused_and_a_position_is_a_moment(
    platform: &Platform,
    tenant: &Tenant,
    operation: &str,
) {
    let (code, complaint) = refused(platform, &["history", operation, "--why", "/nothing/of/it"]).await;
    assert_eq!(code, Some(2), "{complaint}");
    has(&complaint, &["BAD_USER_INPUT", "path", "/nothing/of/it"]);
    let why = said(platform, &["history", operation, "--why", "/cancel"]).await;
    has(&why, &["path: /cancel"]);

    let entries = tenant.timeline(None).await;
    let of_it = |entry: &&Value| entry["stream"] == format!("operation:{}", uuid(operation));
    let positions: Vec<String> = entries.iter().filter(of_it).map(|entry| text(&entry["position"])).collect();
    let [first, .., last] = &positions[..] else { panic!("more than one line: {entries:#?}") };
    let then = said(platform, &["history", operation, "--at", first]).await;
    has(&then, &["at version 1,"]);
    let differs = said(platform, &["history", operation, "--diff", first, last]).await;
    has(&differs, &["/failure/code: (absent) -> \"ALLOCATION_FAILED\""]);
}
