//! Requests in an open loop: sent when they are due, whether or not earlier ones were answered, and timed from when they were
//! due. The trap avoided: a client that waits for a slow server and so never sees how slow it is.

use crate::stalls::Unanswered;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With data, and no refusal.
    Good,
    /// With a refusal of the rules, which is an answer too.
    Refused,
    /// With an error or no answer.
    Failed,
}

/// One request that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Which of the kinds.
    pub(crate) kind: usize,
    pub(crate) took: Duration,
    pub(crate) end: End,
    /// Whether it was sent a second time.
    pub(crate) again: bool,
}

/// A request to be sent.
pub(crate) struct Request {
    pub(crate) kind: usize,
    pub(crate) token: String,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn new(kind: usize, token: &str, document: &str, variables: &Value) -> Self {
        Self { kind, token: token.to_owned(), body: json!({ "query": document, "variables": variables }) }
    }
}

/// Many connections, kept open.
pub(crate) fn client(patience: Duration) -> reqwest::Client {
    builder(patience).build().expect("a client can be made")
}

/// The same, to be told more.
pub(crate) fn builder(patience: Duration) -> reqwest::ClientBuilder {
    let _installed = rhone_tests::graphql::http();
    reqwest::Client::builder().no_proxy().timeout(patience).pool_max_idle_per_host(512)
}

/// So many a second for so long; `urls` take turns, and a request that fails is tried again at the next one if `again`.
pub(crate) async fn open_loop(
    client: &reqwest::Client,
    urls: &[String],
    rate: f64,
    length: Duration,
    again: Again,
    mut next: impl FnMut(usize) -> Request,
) -> Vec<Sent> {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for nth in 0_u32.. {
        let due = Duration::from_secs_f64(f64::from(nth) / rate);
        if due >= length {
            break;
        }
        tokio::time::sleep_until((begun + due).into()).await;
        let request = next(nth as usize);
        let (client, at) = (client.clone(), nth as usize % urls.len());
        let order = urls[at..].iter().chain(&urls[..at]).cloned().collect::<Vec<_>>();
        let waits = Unanswered::since(begun + due);
        tasks.push(tokio::spawn(async move {
            let _waits = waits;
            let tries = if again == Again::Once { 2 } else { 1 };
            let (mut end, mut sent) = (End::Failed, 0);
            for url in order.iter().take(tries) {
                end = send(&client, url, &request).await;
                sent += 1;
                if end != End::Failed {
                    break;
                }
            }
            Sent { kind: request.kind, took: begun.elapsed().saturating_sub(due), end, again: sent > 1 }
        }));
    }
    join_all(tasks).await.into_iter().map(|sent| sent.expect("a request does not panic")).collect()
}

/// Whether a request that failed is tried once more, elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    Once,
}

/// Sends one.
pub(crate) async fn send(client: &reqwest::Client, url: &str, request: &Request) -> End {
    let sent = client
        .post(format!("{url}/graphql"))
        .bearer_auth(&request.token)
        .header("accept", "application/graphql-response+json")
        .json(&request.body)
        .send();
    let Ok(answer) = sent.await else { return End::Failed };
    let Ok(answer) = answer.json::<Value>().await else { return End::Failed };
    if answer.get("errors").is_some() || !answer["data"].is_object() {
        return End::Failed;
    }
    let payloads = answer["data"].as_object().into_iter().flatten().map(|(_, payload)| payload);
    let refused = payloads.filter_map(|payload| payload.get("userErrors")?.as_array()).any(|errors| !errors.is_empty());
    if refused { End::Refused } else { End::Good }
}
