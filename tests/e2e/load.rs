//! More than can be carried out: what is answered is right, or `OVERLOADED` with the time to come again, and never a failure of
//! ours; followers that all come in one instant are all served. The trap avoided: a server that fails in new ways just when it
//! has the most to do.

use rhone_tests::{
    database::person,
    graphql::{Client, http, unique},
    live::{Events, Heard, Subscription},
    platform::Platform,
    second_api::SecondApi,
};
use serde_json::{Value, json};

const EVENTS: &str = "subscription($workspace: ID!) { events(workspaceId: $workspace) { __typename } }";

/// An API with so many connections, which carries out so much at a time.
async fn small(platform: &Platform, connections: u32, load: &Value) -> SecondApi {
    let connections = ("RHONE_SERVE_CONNECTIONS", connections.to_string());
    SecondApi::with(platform, &[connections, ("RHONE_SERVE_LOAD", load.to_string())]).await
}

async fn workspace(client: &Client) -> String {
    let input = json!({ "slug": unique("busy"), "name": "Busy" });
    client.made("workspaceCreate", "workspace", input).await
}

/// What one question came to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Right,
    Overloaded,
    Wrong(String),
}

async fn asked(client: &Client, actor: &str) -> Outcome {
    let query = "{ viewer { actor } workspaces(first: 100) { nodes { id projects(first: 2) { nodes { id } } members(first: 2) { nodes { actor } } } } }";
    let reply = http()
        .post(format!("{}/graphql", client.url()))
        .bearer_auth(client.token())
        .json(&json!({ "query": query }))
        .send()
        .await;
    let Ok(reply) = reply else { return Outcome::Wrong(format!("{reply:?}")) };
    let (status, after) = (reply.status().as_u16(), reply.headers().get("retry-after").cloned());
    let body: Value = match reply.json().await {
        Ok(body) => body,
        Err(error) => return Outcome::Wrong(format!("{status}: {error}")),
    };
    let code = &body["errors"][0]["extensions"]["code"];
    let shown = body["data"]["workspaces"]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1);
    match status {
        200 if shown && body.get("errors").is_none() && body["data"]["viewer"]["actor"] == actor => Outcome::Right,
        503 if code == "OVERLOADED" && after.is_some() && body.get("data").is_none() => Outcome::Overloaded,
        _ => Outcome::Wrong(format!("{status}: {body}")),
    }
}

async fn two_hundred(platform: &Platform, load: Value) -> (usize, usize) {
    let second = small(platform, 2, &load).await;
    let owner = person(platform).await;
    workspace(&owner.client).await;
    let client = Client::new(&second.url, owner.client.token());
    let actor = owner.actor.to_string();
    // The workspace can be read by then.
    rhone_tests::wait::until("the workspace can be read", rhone_tests::wait::PATIENCE, async || {
        (asked(&client, &actor).await == Outcome::Right).then_some(())
    })
    .await;
    let outcomes = futures_util::future::join_all((0..200).map(|_| asked(&client, &actor))).await;
    let wrong: Vec<_> = outcomes.iter().filter(|one| matches!(one, Outcome::Wrong(_))).collect();
    assert!(wrong.is_empty(), "{} of 200: {:?}", wrong.len(), wrong[0]);
    let right = outcomes.iter().filter(|one| **one == Outcome::Right).count();
    // And it is over when it is over.
    assert_eq!(asked(&client, &actor).await, Outcome::Right);
    (right, 200 - right)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_questions_at_two_connections_are_answered_right_or_sent_away() {
    let platform = Platform::shared().await;
    let (right, overloaded) = two_hundred(platform, json!({})).await;
    eprintln!("with the usual bounds: {right} right, {overloaded} OVERLOADED");
    assert!(right > 0);
    // A short queue sends most of them away, at once.
    let (right, overloaded) = two_hundred(platform, json!({ "requests": 1, "queue": 5 })).await;
    eprintln!("with a queue of five: {right} right, {overloaded} OVERLOADED");
    assert!(right > 0 && overloaded > 0, "the bound was never met: {right} right");
    // Without a bound of ours the pool itself says that it has no connection: that is no failure either.
    let (right, overloaded) = two_hundred(platform, json!({ "requests": 10_000 })).await;
    eprintln!("without a bound: {right} right, {overloaded} OVERLOADED");
    assert!(right > 0);
}

/// What one that follows events came to.
async fn followed(client: &Client, workspace: &str) -> Outcome {
    match Events::open(client, &[("workspaceId", workspace)], None).await {
        Ok(mut stream) => match stream.said().await.event.as_str() {
            "caught_up" => Outcome::Right,
            other => Outcome::Wrong(format!("the stream began with {other}")),
        },
        Err((503, body)) if body["code"] == "OVERLOADED" => Outcome::Overloaded,
        Err((status, body)) => Outcome::Wrong(format!("{status}: {body}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_of_one_instant_begin_or_are_sent_away() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let workspace = workspace(&owner.client).await;
    for (load, crowded) in [(json!({}), false), (json!({ "requests": 1, "queue": 5 }), true)] {
        let second = small(platform, 2, &load).await;
        let client = Client::new(&second.url, owner.client.token());
        let outcomes = futures_util::future::join_all((0..200).map(|_| followed(&client, &workspace))).await;
        let wrong: Vec<_> = outcomes.iter().filter(|one| matches!(one, Outcome::Wrong(_))).collect();
        assert!(wrong.is_empty(), "{} of 200: {:?}", wrong.len(), wrong[0]);
        let right = outcomes.iter().filter(|one| **one == Outcome::Right).count();
        eprintln!("{load}: {right} streams, {} OVERLOADED", 200 - right);
        assert!(right > 0);
        assert!(!crowded || right < 200, "the bound was never met");
        assert_eq!(followed(&client, &workspace).await, Outcome::Right, "it is over when it is over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_followers_of_one_instant_are_all_served() {
    let platform = Platform::shared().await;
    let second = small(platform, 4, &json!({})).await;
    let owner = person(platform).await;
    let workspace = workspace(&owner.client).await;
    let client = Client::new(&second.url, owner.client.token());
    let follow = async || {
        let variables = json!({ "workspace": workspace });
        let mut opened = Subscription::open(&client, "events", EVENTS, variables).await.ok_or("not opened")?;
        match opened.next().await {
            Heard::Item(_) => Ok(opened),
            Heard::Refused(error) if error["extensions"]["code"] == "INTERNAL" => Err("INTERNAL"),
            Heard::Refused(_) => Err("refused"),
            Heard::Ended | Heard::Closed(_) => Err("closed"),
        }
    };
    let followers = futures_util::future::join_all((0..300).map(|_| follow())).await;
    let failed: Vec<_> = followers.iter().filter_map(|one| one.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of 300 were not served: {:?}", failed.len(), failed[0]);
}
