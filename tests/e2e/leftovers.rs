//! What a worker leaves that is killed while it fetches: its git, which ends with it, and folders, among them the credential of
//! the source, in clear. Whoever comes next removes them, adopted or not. The trap avoided: a sweep that takes a day, or that
//! takes what is in use, here or by another installation.

use rhone_tests::{
    graphql::unique,
    platform::Platform,
    signals::working_in,
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

/// The attempts' folders below this one, of all installations that are told it.
pub(crate) fn attempts(builds: &Path) -> Vec<PathBuf> {
    let inner = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inner(builds.to_owned()).flat_map(inner).collect()
}

/// Those in which some file holds the words.
fn with(builds: &Path, words: &str) -> BTreeSet<PathBuf> {
    attempts(builds).into_iter().filter(|folder| holds(folder, words.as_bytes())).collect()
}

fn holds(path: &Path, words: &[u8]) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).into_iter().flatten().flatten().any(|entry| holds(&entry.path(), words));
    }
    fs::read(path).is_ok_and(|bytes| bytes.windows(words.len()).any(|part| part == words))
}

/// Asks for a deploy from a host that never answers, with a credential of its own; its operation.
async fn asked(tenant: &Tenant, host: &str, secret: &str) -> String {
    let input = json!({ "appId": tenant.app, "host": host, "username": "alice", "secret": secret });
    tenant.client.done("appSourceCredentialSet", "app { id }", input).await;
    let input = json!({ "environmentId": tenant.preview.id, "repository": format!("http://{host}/app.git"),
        "reference": "main", "idempotencyKey": unique("build") });
    text(&tenant.client.done("deploymentBuild", "__typename", input).await["operation"]["id"])
}

async fn given_up(tenant: &Tenant, operation: &str) {
    let input = json!({ "operationId": operation, "reason": "nobody answers" });
    tenant.client.done("operationCancel", "__typename", input).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_a_killed_worker_left_is_gone_with_its_lease_adopted_or_not() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    // Nothing is accepted, and the kernel says yes for it: whoever asks waits.
    let (_listener, host) = silent();
    let (secret, builds) = (unique("canary-left-behind"), platform.data().join("builds"));
    let operations = [asked(&tenant, &host, &secret).await, asked(&tenant, &host, &secret).await];
    let both = async || Some(with(&builds, &secret)).filter(|found| found.len() == 2);
    let left = until("both are fetched", PATIENCE, both).await;
    let waiting = async || left.iter().all(|folder| !working_in(folder).is_empty()).then_some(());
    until("git waits for an answer", PATIENCE, waiting).await;
    let nobody_starts_it = platform.unsupervised().await;
    let old = platform.kill("work").await;
    assert_eq!(with(&builds, &secret), left, "this is what a killed worker leaves");
    let ended = async || working_in(&builds).is_empty().then_some(());
    until("no git outlives the worker", PATIENCE, ended).await;
    // One that nobody adopts: it ends where nothing is built.
    given_up(&tenant, &operations[0]).await;
    drop(nobody_starts_it);
    platform.runs_again("work", old).await;
    until("the dead attempts' folders are gone", PATIENCE, async || {
        left.iter().all(|folder| !folder.exists()).then_some(())
    })
    .await;
    let again = async || (with(&builds, &secret).len() == 1).then_some(());
    until("the other is fetched again, and its folder is not swept", PATIENCE, again).await;
    given_up(&tenant, &operations[1]).await;
    until("nothing is left", PATIENCE, async || with(&builds, &secret).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_installation_has_in_hand_in_the_same_folder_is_left_to_it() {
    let shared = tempfile::tempdir().expect("a folder");
    let told = || vec![("RHONE_BUILD_SCRATCH".to_owned(), shared.path().display().to_string())];
    let ours = Platform::start_told(told()).await;
    let theirs = ours.start_beside(told()).await;
    let (_listener, host) = silent();
    let (here, there) = (Tenant::open(&ours, ours.developer()).await, Tenant::open(&theirs, theirs.developer()).await);
    let (secret, foreign) = (unique("canary-ours"), unique("canary-theirs"));
    let (own, other) = (asked(&here, &host, &secret).await, asked(&there, &host, &foreign).await);
    let one = async |words: &str| {
        let found = async || with(shared.path(), words).pop_first();
        until("it is fetched", PATIENCE, found).await
    };
    let (left, in_hand) = (one(&secret).await, one(&foreign).await);
    // Nobody adopts it: only a sweep takes its folder away.
    let nobody_starts_it = ours.unsupervised().await;
    let old = ours.kill("work").await;
    given_up(&here, &own).await;
    drop(nobody_starts_it);
    ours.runs_again("work", old).await;
    until("our own was swept", PATIENCE, async || (!left.exists()).then_some(())).await;
    assert_eq!(one(&foreign).await, in_hand, "theirs is in hand, in the same folder as before");
    given_up(&there, &other).await;
    until("theirs is gone", PATIENCE, async || with(shared.path(), &foreign).is_empty().then_some(())).await;
}
