//! From a commit to traffic, on the running platform: fetched, built in a sandbox, judged, shown by the preview, promoted,
//! rolled back and explained. The traps avoided: a deploy that counts because its files are there, a queue that lives in a
//! worker, and a build that goes on after somebody cancelled it.

use crate::leftovers::attempts;
use chrono::{DateTime, Utc};
use rhone_tests::{
    edge,
    graphql::unique,
    platform::Platform,
    repository::Repository,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf};

const DEPLOY: &str = "id kind stage ended healthyDigest gates { kind state reason } failure { code message } cancelReason \
    deployment { id artifactDigest status source { repository commit } } \
    deploy { deploymentId repository reference image fetched { commit attempt tookMs } \
    built { digest plan sandbox size files attempt tookMs } promotion { id kind stage } } \
    createdAt endedAt stages { stage enteredAt tookMs attempt }";

/// What asks for a deploy of an address to an environment.
pub(crate) fn input(environment: &str, address: &str, reference: &str) -> Value {
    json!({ "environmentId": environment, "repository": address, "reference": reference,
        "idempotencyKey": unique("build") })
}

/// Asks for a deploy to an environment: its operation.
async fn ask(tenant: &Tenant, environment: &str, repository: &Repository, reference: &str) -> String {
    ask_for(tenant, environment, &repository.address(), reference).await
}

pub(crate) async fn ask_for(tenant: &Tenant, environment: &str, address: &str, reference: &str) -> String {
    let made = tenant.client.done("deploymentBuild", "__typename", input(environment, address, reference)).await;
    text(&made["operation"]["id"])
}

pub(crate) async fn operation(tenant: &Tenant, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ operation(id: $id) {{ {DEPLOY} }} }}");
    tenant.client.data(&query, json!({ "id": id })).await["operation"].clone()
}

pub(crate) async fn ended(tenant: &Tenant, id: &str) -> Value {
    let look = async || Some(operation(tenant, id).await).filter(|found| found["ended"] == true);
    until(&format!("deploy {id} has ended"), PATIENCE * 3, look).await
}

/// Waits for the good end, of the deploy and of the promotion of its preview.
async fn ready(tenant: &Tenant, id: &str) -> Deployed {
    let found = ended(tenant, id).await;
    assert_eq!(found["stage"], "PREVIEW_READY", "{found:#}");
    let promotion = text(&found["deploy"]["promotion"]["id"]);
    tenant.succeeds(&promotion).await;
    let digest = text(&found["deploy"]["built"]["digest"]);
    Deployed { id: text(&found["deploy"]["deploymentId"]), digest, operation: promotion }
}

/// Exactly these stages, one after another, each with its times.
fn went_through(operation: &Value, expected: &[&str]) {
    let stages = operation["stages"].as_array().unwrap_or_else(|| panic!("{operation:#}"));
    assert_eq!(stages.iter().map(|one| text(&one["stage"])).collect::<Vec<_>>(), expected, "{operation:#}");
    let at = |one: &Value| text(&one["enteredAt"]).parse::<DateTime<Utc>>().expect("a time");
    for pair in stages.windows(2) {
        let took = (at(&pair[1]) - at(&pair[0])).num_milliseconds();
        assert_eq!(pair[0]["tookMs"], json!(took), "it stayed until it entered the next one: {operation:#}");
    }
    let (first, last) = (&stages[0], &stages[stages.len() - 1]);
    assert_eq!((&last["tookMs"], &last["enteredAt"]), (&Value::Null, &operation["endedAt"]), "{operation:#}");
    assert_eq!(first["enteredAt"], operation["createdAt"], "{operation:#}");
    assert_eq!(first["attempt"], Value::Null, "nobody carried it there: {operation:#}");
    assert!(stages[1..].iter().all(|one| one["attempt"].as_u64() >= Some(1)), "{operation:#}");
}

/// Waits until the app answers with a version on a host.
async fn shows(tenant: &Tenant, host: &str, version: &str) {
    let look = async || {
        let reply = edge::get(&tenant.edge, host, "/count").await.filter(|reply| reply.status == 200)?;
        (reply.json()["version"] == version).then_some(())
    };
    until(&format!("{host} shows {version}"), PATIENCE, look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_becomes_traffic_is_promoted_rolled_back_and_explained() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    let first = repository.commit_version("one");
    let id = ask(&tenant, &tenant.preview.id, &repository, "main").await;
    let one = ready(&tenant, &id).await;
    let told = operation(&tenant, &id).await;
    assert_eq!((&told["kind"], &told["deploy"]["reference"]), (&json!("DEPLOY"), &json!("main")));
    assert_eq!(told["deploy"]["fetched"]["commit"], json!(first), "a name is resolved to exactly one commit: {told:#}");
    assert_eq!(told["deployment"]["source"], json!({ "repository": repository.address(), "commit": first }));
    assert_eq!(told["deployment"]["artifactDigest"], json!(one.digest));
    went_through(&told, &["QUEUED", "CLONING", "BUILDING", "VALIDATING", "PREVIEW_READY"]);
    assert_eq!(told["healthyDigest"], Value::Null, "what was built has answered nobody yet: {told:#}");
    shows(&tenant, &tenant.preview.host, "one").await;

    let second = repository.commit_version("two");
    let two = ready(&tenant, &ask(&tenant, &tenant.preview.id, &repository, &second).await).await;
    assert_ne!(one.digest, two.digest);
    shows(&tenant, &tenant.preview.host, "two").await;
    tenant.succeeds(&tenant.promote(&one).await).await;
    tenant.succeeds(&tenant.promote(&two).await).await;
    shows(&tenant, &tenant.production.host, "two").await;
    tenant.succeeds(&tenant.roll_back(&one, "the count is wrong").await).await;
    shows(&tenant, &tenant.production.host, "one").await;

    let explained = platform.rhone(&["explain", &id]).await;
    let said = String::from_utf8_lossy(&explained.stdout).into_owned();
    for stage in ["cloning", "building", "validating", "preview_ready"] {
        assert!(said.to_lowercase().contains(stage), "{stage} is explained: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_commit_is_the_same_digest_and_another_deployment() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    let commit = repository.commit_version("same");
    let one = ready(&tenant, &ask(&tenant, &tenant.preview.id, &repository, &commit).await).await;
    let two = ready(&tenant, &ask(&tenant, &tenant.preview.id, &repository, "main").await).await;
    assert_eq!(one.digest, two.digest);
    assert_ne!(one.id, two.id, "each deploy is a release of its own");
}

/// What is asked for an environment that is no preview is built and stays; people promote it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_for_production_is_ready_and_promotes_nothing() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("stays");
    let id = ask(&tenant, &tenant.production.id, &repository, "main").await;
    let found = ended(&tenant, &id).await;
    assert_eq!((&found["stage"], &found["deploy"]["promotion"]), (&json!("PREVIEW_READY"), &Value::Null), "{found:#}");
    assert_eq!(tenant.owner().await["epoch"], 0, "nobody owns production yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_end_has_its_own_code() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("fine");
    let missing = "0123456789abcdef0123456789abcdef01234567";
    let no_commit = ask(&tenant, &tenant.preview.id, &repository, missing).await;
    let no_branch = ask(&tenant, &tenant.preview.id, &repository, "no-such-branch").await;
    repository.write("build.py", "raise SystemExit(3)\n");
    repository.commit("a build that fails");
    let fails = ask(&tenant, &tenant.preview.id, &repository, "main").await;
    let (no_commit, no_branch, fails) =
        (ended(&tenant, &no_commit).await, ended(&tenant, &no_branch).await, ended(&tenant, &fails).await);
    assert_eq!((&no_commit["stage"], &no_commit["failure"]["code"]), (&json!("FAILED"), &json!("COMMIT_NOT_FOUND")));
    assert_eq!(no_branch["stage"], "FAILED", "{no_branch:#}");
    assert_eq!(fails["failure"]["code"], "BUILD_FAILED", "{fails:#}");
    assert!(text(&fails["failure"]["message"]).contains('3'), "with its exit status: {fails:#}");
    assert_eq!(fails["deployment"], Value::Null, "nothing is released that was not built");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_and_what_is_built_can_be_cancelled_and_nothing_of_it_goes_on() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    // It would take far longer than anybody waits, and its command line is like no other.
    let name = unique("never-ends");
    repository.write(&format!("{name}.py"), "import time\ntime.sleep(600)\n");
    let settings = fs::read_to_string(repository.folder().join("rhone.toml")).expect("the example's");
    repository.write("rhone.toml", &settings.replace("build.py", &format!("{name}.py")));
    repository.commit("a build without end");
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(ask(&tenant, &tenant.preview.id, &repository, "main").await);
    }
    let building = async || {
        let mut stages = Vec::new();
        for id in &asked {
            stages.push(text(&operation(&tenant, id).await["stage"]));
        }
        (stages.iter().filter(|stage| *stage == "BUILDING").count() == 2).then_some(stages)
    };
    let stages = until("two are built", PATIENCE, building).await;
    until("the build runs", PATIENCE, async || runs(&name).then_some(())).await;
    assert!(!left(&platform).is_empty(), "this is where it is looked for");
    let waiting = stages.iter().filter(|stage| *stage == "QUEUED").count();
    assert_eq!(waiting, 2, "a workspace has two at once, the others wait: {stages:?}");
    for id in &asked {
        let input = json!({ "operationId": id, "reason": "it takes too long" });
        tenant.client.done("operationCancel", "__typename", input).await;
    }
    for id in &asked {
        assert_eq!(ended(&tenant, id).await["stage"], "CANCELLED");
    }
    let gone = async || (!runs(&name) && left(&platform).is_empty()).then_some(());
    until("no process and no folder of a build is left", PATIENCE, gone).await;
}

/// Nobody's build is thrown away because its bytes could not be kept at once: the store is tried until it is back, or until
/// somebody, or the deadline, wants the deploy to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_holds_a_deploy_up_and_ends_none() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("patient");
    let (here, away) = (platform.data().join("artifacts"), platform.data().join("artifacts.away"));
    fs::rename(&here, &away).expect("the store goes away");
    let kept = ask(&tenant, &tenant.preview.id, &repository, "main").await;
    let cancelled = ask(&tenant, &tenant.preview.id, &repository, "main").await;
    let tries = || platform.log("work").matches("a step of a deploy is tried again").count();
    // Each of the two twice at least: one that gave up after its first try would not get there.
    until("the store is tried again", PATIENCE * 2, async || (tries() >= 4).then_some(())).await;
    for id in [&kept, &cancelled] {
        assert_eq!(operation(&tenant, id).await["stage"], "BUILDING", "it waits and has not failed");
    }
    let input = json!({ "operationId": cancelled, "reason": "the store is away" });
    tenant.client.done("operationCancel", "__typename", input).await;
    assert_eq!(ended(&tenant, &cancelled).await["stage"], "CANCELLED", "whoever wants it to end need not wait");
    assert!(!here.exists(), "no other store was made in its place");
    fs::rename(&away, &here).expect("the store is back");
    ready(&tenant, &kept).await;
    shows(&tenant, &tenant.preview.host, "patient").await;
}

/// The worker dies while it builds: another life of it adopts the deploy and builds again, by the commit that was fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_outlives_its_worker_and_is_made_once() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    let slow = "import time\ntime.sleep(10)\n";
    let build = fs::read_to_string(repository.folder().join("build.py")).expect("the example's");
    repository.write("build.py", &format!("{slow}{build}"));
    let commit = repository.commit_version("adopted");
    let id = ask(&tenant, &tenant.preview.id, &repository, "main").await;
    let look = async || (operation(&tenant, &id).await["stage"] == "BUILDING").then_some(());
    until("it is built", PATIENCE, look).await;
    let nobody_starts_it = platform.unsupervised().await;
    let old = platform.kill("work").await;
    // Whoever adopts it must not follow the branch to another commit.
    repository.write("build.py", "raise SystemExit(9)\n");
    repository.commit("a later commit of the same branch");
    drop(nobody_starts_it);
    platform.runs_again("work", old).await;
    ready(&tenant, &id).await;
    let told = operation(&tenant, &id).await;
    let (source, made) = (&told["deploy"]["fetched"], &told["deploy"]["built"]);
    assert_eq!(source["commit"], json!(commit), "{told:#}");
    assert!(made["attempt"].as_u64() > source["attempt"].as_u64(), "another attempt built it: {told:#}");
    for (stage, by) in [("BUILDING", source), ("VALIDATING", made)] {
        let entered = told["stages"].as_array().and_then(|stages| stages.iter().find(|one| one["stage"] == stage));
        assert_eq!(entered.map(|one| &one["attempt"]), Some(&by["attempt"]), "{stage}: {told:#}");
    }
    shows(&tenant, &tenant.preview.host, "adopted").await;
    let promotions = tenant.timeline(None).await;
    let promotions = promotions
        .iter()
        .filter(|entry| entry["type"] == "operation.requested" && entry["payload"]["kind"] == "promotion");
    assert_eq!(promotions.count(), 1, "its preview was promoted once");
}

/// Under one key a deploy is asked for once, and another tenant learns nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_one_deploy() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("once");
    let input = input(&tenant.preview.id, &repository.address(), "main");
    let mut operations = BTreeSet::new();
    for _ in 0..3 {
        let made = tenant.client.done("deploymentBuild", "replayed", input.clone()).await;
        operations.insert(text(&made["operation"]["id"]));
    }
    assert_eq!(operations.len(), 1);
}

/// Whether a process of this machine has these words in its command line.
pub(crate) fn runs(words: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let commands = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let mut commands = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    commands.any(|command| command.contains(words))
}

/// What builds have left in the platform's folder.
pub(crate) fn left(platform: &Platform) -> Vec<PathBuf> {
    attempts(&platform.data().join("builds"))
}
