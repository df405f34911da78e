//! A deploy that is cancelled in a stage that somebody else holds up: while it is fetched from a host that never answers, and
//! while its stored bytes are judged. What waits and what is built is in `deploys.rs`. The trap avoided: a cancel that is
//! heard only when the stage is over, and a git that waits on for a deploy that nobody wants.

use crate::deploys::{ask_for, ended, left, operation, runs};
use rhone_tests::{
    graphql::unique,
    platform::Platform,
    program::text,
    repository::Repository,
    signals::Paused,
    story::Tenant,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{fs, net::TcpListener};

const WHY: &str = "nobody wants it any more";

async fn cancel(tenant: &Tenant, id: &str) {
    tenant.client.done("operationCancel", "__typename", json!({ "operationId": id, "reason": WHY })).await;
}

/// It ends as cancelled, for this reason, and is no failure.
async fn cancelled(tenant: &Tenant, id: &str) -> Value {
    let found = ended(tenant, id).await;
    assert_eq!((&found["stage"], &found["cancelReason"]), (&json!("CANCELLED"), &json!(WHY)), "{found:#}");
    assert_eq!((&found["failure"], &found["deploy"]["promotion"]), (&Value::Null, &Value::Null), "{found:#}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_is_cancelled_while_a_host_keeps_its_git_waiting_and_git_is_gone() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    // The kernel takes the connection, and nobody answers it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let name = unique("silent");
    let address = format!("http://{}/{name}.git", silent.local_addr().expect("an address"));
    let id = ask_for(&tenant, &tenant.preview.id, &address, "main").await;
    let waits = async || (runs(&name) && operation(&tenant, &id).await["stage"] == "CLONING").then_some(());
    until("git waits for the host", PATIENCE, waits).await;
    assert!(!left(&platform).is_empty(), "this is where it is looked for");
    let said = platform.rhone(&["operation", "cancel", &id, "--reason", WHY]).await;
    assert!(said.status.success(), "{}", text(&said.stderr));
    let found = cancelled(&tenant, &id).await;
    assert_eq!((&found["deploy"]["fetched"], &found["deployment"]), (&Value::Null, &Value::Null), "{found:#}");
    let gone = async || (!runs(&name) && left(&platform).is_empty()).then_some(());
    until("no git and no folder is left", PATIENCE, gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_is_cancelled_while_its_stored_bytes_are_judged() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    let build = fs::read_to_string(repository.folder().join("build.py")).expect("the example's");
    // Enough to be read for a while.
    repository.write("build.py", &format!("{build}\nopen(public / 'large', 'wb').write(bytes(64 << 20))\n"));
    repository.commit("a large artifact");
    let caught = async || {
        let id = ask_for(&tenant, &tenant.preview.id, &repository.address(), "main").await;
        let entered = async || {
            let stage = operation(&tenant, &id).await["stage"].clone();
            ["VALIDATING", "PREVIEW_READY", "BLOCKED", "FAILED"].iter().any(|there| stage == *there).then_some(())
        };
        until("its bytes are in the store", PATIENCE * 2, entered).await;
        // Whoever reads them stands still, and so does the stage.
        let held = Paused::new(platform.pid("work"));
        let stage = operation(&tenant, &id).await["stage"].clone();
        (stage == "VALIDATING").then_some((id, held))
    };
    let (id, held) = until("one is held up while it is judged", PATIENCE * 3, caught).await;
    cancel(&tenant, &id).await;
    assert_eq!(operation(&tenant, &id).await["ended"], false, "whoever works on it has not heard of it");
    drop(held);
    let found = cancelled(&tenant, &id).await;
    assert!(found["deploy"]["built"]["digest"].is_string(), "it had been built: {found:#}");
    until("no folder is left", PATIENCE, async || left(&platform).is_empty().then_some(())).await;
}
