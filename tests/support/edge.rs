//! Requests through an edge, as visitors make them: the app is named by the Host header. The trap avoided: a connection kept
//! from before, which the edge may rightly leave with the former owner; every request here is a new visitor.

use crate::{
    graphql::http,
    platform::Platform,
    wait::{PATIENCE, until},
};
use serde_json::Value;
use std::time::Duration;

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
    /// Why the edge answered itself; empty when the app did.
    pub reason: String,
    /// When to come back, in seconds, if it says so.
    pub retry_after: Option<u64>,
}

impl Reply {
    /// The app's own words, when it answered.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// One request of a new visitor; none when nobody listens.
pub async fn get(edge: &str, host: &str, path: &str) -> Option<Reply> {
    reply(http().get(format!("{edge}{path}")).header("host", host)).await
}

/// A webhook as a payment provider sends it, with an idempotency key or without.
pub async fn post(edge: &str, host: &str, path: &str, key: Option<&str>) -> Option<Reply> {
    let request = http().post(format!("{edge}{path}")).header("host", host).body("{\"type\":\"charge.succeeded\"}");
    reply(key.into_iter().fold(request, |request, key| request.header("idempotency-key", key))).await
}

async fn reply(request: reqwest::RequestBuilder) -> Option<Reply> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (reason, retry_after) = (header("rhone-reason").unwrap_or_default(), header("retry-after"));
    let retry_after = retry_after.and_then(|seconds| seconds.parse().ok());
    Some(Reply { status, text: answer.text().await.ok()?, reason, retry_after })
}

/// Which version answers on a host; none when none does.
pub async fn version(edge: &str, host: &str) -> Option<String> {
    let reply = get(edge, host, "/sessions").await.filter(|reply| reply.status == 200)?;
    reply.json()["version"].as_str().map(str::to_owned)
}

/// Waits until a version answers new visitors on a host.
pub async fn serves(edge: &str, host: &str, wanted: &str) {
    serves_within(edge, host, wanted, PATIENCE).await;
}

/// Waits, for a bounded time, until a version answers new visitors on a host.
pub async fn serves_within(edge: &str, host: &str, wanted: &str, most: Duration) {
    let look = async || version(edge, host).await.filter(|version| version == wanted);
    until(&format!("{host} is served by {wanted}"), most, look).await;
}

/// What an edge says of its table.
pub async fn table(platform: &Platform) -> Value {
    let admin = &platform.report().urls.edge_admins[0];
    let answer = http().get(format!("{admin}/table")).send().await.expect("the edge tells");
    answer.json().await.expect("a table is JSON")
}

/// What the edge's table says of an environment's route.
pub async fn route(platform: &Platform, environment: &str) -> Value {
    let plain = environment.rsplit('_').next().unwrap_or_default().to_owned();
    let table = table(platform).await;
    let routes = table["routes"].as_array().cloned().unwrap_or_default();
    let same = |route: &Value| route["route"]["environment"].as_str().is_some_and(|id| id.replace('-', "") == plain);
    routes.into_iter().find(same).unwrap_or(Value::Null)
}
