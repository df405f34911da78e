//! Requests that want to cost more than they are long: each is refused by name, soon and briefly, and the API goes on. What they
//! cost in processor time and memory is measured by `./dev bench api`.

use rhone_tests::{
    graphql::http,
    hostile::{HARMLESS, requests},
    platform::Platform,
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Far more than any of them takes, and far less than one of them takes without the guard. Whoever takes as long is asked again: what
/// costs so much costs it each time, and a busy machine does not.
const SLOW: Duration = Duration::from_secs(2);
const TRIES: usize = 3;
/// A refusal is never longer, but for what was asked, which it may repeat.
const BRIEF: usize = 64 * 1_024;

async fn quickest(platform: &Platform, body: &str) -> (u16, String, Duration) {
    let mut best = asked(platform, body).await;
    for _ in 1..TRIES {
        if best.2 >= SLOW {
            best = asked(platform, body).await;
        }
    }
    best
}

async fn asked(platform: &Platform, body: &str) -> (u16, String, Duration) {
    let begun = Instant::now();
    let sent = http()
        .post(format!("{}/graphql", platform.report().urls.api))
        .bearer_auth(platform.developer().token())
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send();
    let answer = sent.await.expect("the API answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("a text"), begun.elapsed())
}

#[tokio::test]
async fn nothing_hostile_costs_more_than_its_text() {
    let platform = Platform::shared().await;
    let (mut wrong, all) = (Vec::new(), requests());
    for hostile in &all {
        let (what, body) = (hostile.what, &hostile.body);
        let (status, text, took) = quickest(platform, body).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {status} {text:.300}"));
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        let refused = code.is_some_and(|code| ["QUERY_TOO_COMPLEX", "BAD_USER_INPUT"].contains(&code));
        let is_cheap = took < SLOW && text.len() < BRIEF + body.len();
        if refused == HARMLESS.contains(&what) || !is_cheap {
            wrong.push(format!("{what}: {status} {took:?}, {} bytes: {text:.300}", text.len()));
        }
    }
    let (_, text, _) = asked(platform, r#"{"query":"{ __typename }"}"#).await;
    assert_eq!(text, r#"{"data":{"__typename":"Query"}}"#, "and it goes on");
    eprintln!("S7: {}/{} refused or harmless, soon and briefly", all.len() - wrong.len(), all.len());
    assert_eq!(wrong, Vec::<String>::new());
}
