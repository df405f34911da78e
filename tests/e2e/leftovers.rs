//! What a worker leaves that is killed while it fetches: among it the credential of the source, in clear. Whoever comes next
//! removes it, adopted or not. The trap avoided: a sweep that takes a day, or that takes what is in use.

use rhone_tests::{
    graphql::unique,
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

/// A host that takes every connection and never answers: its address, and how `git` is told it.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = format!("127.0.0.1:{}", listener.local_addr().expect("an address").port());
    (listener, host)
}

/// The attempts' folders in which some file holds the words.
fn with(platform: &Platform, words: &str) -> BTreeSet<PathBuf> {
    let attempts = fs::read_dir(platform.data().join("builds")).into_iter().flatten().flatten();
    attempts.map(|entry| entry.path()).filter(|folder| holds(folder, words.as_bytes())).collect()
}

fn holds(path: &Path, words: &[u8]) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).into_iter().flatten().flatten().any(|entry| holds(&entry.path(), words));
    }
    fs::read(path).is_ok_and(|bytes| bytes.windows(words.len()).any(|part| part == words))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_a_killed_worker_left_is_gone_with_its_lease_adopted_or_not() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    // Nothing is accepted, and the kernel says yes for it: whoever asks waits.
    let (_listener, host) = silent();
    let secret = unique("canary-left-behind");
    let input = json!({ "appId": tenant.app, "host": host, "username": "alice", "secret": secret });
    tenant.client.done("appSourceCredentialSet", "app { id }", input).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let input = json!({ "environmentId": tenant.preview.id, "repository": format!("http://{host}/app.git"),
            "reference": "main", "idempotencyKey": unique("build") });
        asked.push(text(&tenant.client.done("deploymentBuild", "__typename", input).await["operation"]["id"]));
    }
    let both = async || Some(with(&platform, &secret)).filter(|found| found.len() == 2);
    let left = until("both are fetched", PATIENCE, both).await;
    let nobody_starts_it = platform.unsupervised();
    let old = platform.kill("work").await;
    assert_eq!(with(&platform, &secret), left, "this is what a killed worker leaves");
    // One that nobody adopts: it ends where nothing is built.
    let input = json!({ "operationId": asked[0], "reason": "nobody answers" });
    tenant.client.done("operationCancel", "__typename", input).await;
    drop(nobody_starts_it);
    platform.runs_again("work", old).await;
    until("the dead attempts' folders are gone", PATIENCE, async || {
        left.iter().all(|folder| !folder.exists()).then_some(())
    })
    .await;
    let again = async || (with(&platform, &secret).len() == 1).then_some(());
    until("the other is fetched again, and its folder is not swept", PATIENCE, again).await;
    let input = json!({ "operationId": asked[1], "reason": "nobody answers" });
    tenant.client.done("operationCancel", "__typename", input).await;
    until("nothing is left", PATIENCE, async || with(&platform, &secret).is_empty().then_some(())).await;
}
