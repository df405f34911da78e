//! A hundred deploys at once, of two workspaces, and then one of a third: all are accepted, all come to their good end, turns go
//! round, and nobody waits for what others have queued. The traps avoided: a queue in order of arrival, in which whoever asks
//! last is behind everybody; and builds that are accepted and never made.

use futures_util::{StreamExt as _, stream};
use rhone_tests::{
    graphql::unique,
    platform::Platform,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

const EACH: usize = 50;

/// Ready as soon as it is fetched: what is tried here is the queue.
fn tiny() -> Repository {
    let repository = Repository::of_python();
    repository.write(
        "rhone.toml",
        "process = [\"python3\", \"app.py\"]\nhealth = \"/health\"\n[build]\ncommand = \"true\"\n",
    );
    repository.commit_version("tiny");
    repository
}

/// Asks for a deploy to an environment that is no preview: it is built, and nothing is started.
async fn ask(tenant: &Tenant, address: &str) -> String {
    let input = json!({ "environmentId": tenant.production.id, "repository": address, "reference": "main",
        "idempotencyKey": unique("one-of-many") });
    let made = tenant.client.done("deploymentBuild", "__typename", input).await;
    text(&made["operation"]["id"])
}

/// Of the deploys of a workspace, those that have ended: when, and how.
async fn ended(tenant: &Tenant) -> Vec<(String, String)> {
    let query =
        "query($id: ID!) { workspace(id: $id) { operations(first: 100) { nodes { kind stage ended endedAt } } } }";
    let found = tenant.client.data(query, json!({ "id": tenant.workspace })).await;
    let nodes = found["workspace"]["operations"]["nodes"].as_array().expect("a list").clone();
    let deploys = nodes.iter().filter(|one| one["kind"] == "DEPLOY" && one["ended"] == Value::Bool(true));
    deploys.map(|one| (text(&one["endedAt"]), text(&one["stage"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_deploys_of_two_workspaces_are_all_made_in_turns_and_a_third_does_not_wait_for_them() {
    let two_of_each = [("RHONE_BUILD_AT_ONCE", "4"), ("RHONE_BUILD_PER_WORKSPACE", "2")];
    let told = two_of_each.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let platform = Platform::start_told(told.to_vec()).await;
    let mut tenants = Vec::new();
    for _ in 0..3 {
        tenants.push(Tenant::open(&platform, platform.developer()).await);
    }
    let [one, two, three] = &tenants[..] else { panic!("there are three") };
    let (repository, address) = {
        let made = tiny();
        let address = made.address();
        (made, address)
    };
    let begun = std::time::Instant::now();
    let asked = stream::iter(0..EACH * 2).map(|turn| ask(if turn % 2 == 0 { one } else { two }, &address));
    let asked: Vec<String> = asked.buffered(8).collect().await;
    assert_eq!(asked.len(), EACH * 2, "all are accepted");
    // Whatever was ready while the others were asked for did not go before it.
    let already = ended(one).await.len() + ended(two).await.len();
    ask(three, &address).await;

    let only = until("the only one of the third workspace has ended", PATIENCE * 2, async || {
        ended(three).await.into_iter().next()
    })
    .await;
    // By the log's own times: more end while this is asked. The sin is committed where the rule is: `claim_deploys`.
    let earlier = |all: Vec<(String, String)>| all.into_iter().filter(|(at, _)| *at < only.0).count();
    let before = (earlier(ended(one).await) + earlier(ended(two).await)).saturating_sub(already);
    assert!(before < EACH / 2, "{before} of {} others went before the third workspace's only one", EACH * 2);
    assert!(already < EACH, "{already} were ready before it was asked for: the queue is too short to say anything");

    until("all have ended", PATIENCE * 10, async || {
        (ended(one).await.len() + ended(two).await.len() == EACH * 2).then_some(())
    })
    .await;
    eprintln!("{} deploys in {} ms", EACH * 2 + 1, begun.elapsed().as_millis());
    let (first, second) = (ended(one).await, ended(two).await);
    for (_, stage) in first.iter().chain(&second).chain(&ended(three).await) {
        assert_eq!(stage, "PREVIEW_READY");
    }
    in_turns(&first, &second);
    drop(repository);
}

/// At no moment was one of them far ahead of the other.
fn in_turns(first: &[(String, String)], second: &[(String, String)]) {
    let mut ends: Vec<(&str, i64)> = first.iter().map(|(at, _)| (at.as_str(), 1)).collect();
    ends.extend(second.iter().map(|(at, _)| (at.as_str(), -1)));
    ends.sort_unstable();
    let mut ahead = 0_i64;
    for (nth, (_, whose)) in ends.iter().enumerate() {
        ahead += whose;
        assert!(ahead.abs() <= 10, "after {nth} ends one workspace was {ahead} ahead");
    }
}

#[test]
#[should_panic(expected = "ahead")]
fn a_queue_in_order_of_arrival_is_caught() {
    let at = |from: usize| (from..from + EACH).map(|at| (format!("{at:04}"), String::new())).collect::<Vec<_>>();
    in_turns(&at(0), &at(EACH));
}
