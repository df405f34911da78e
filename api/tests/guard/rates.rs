//! Budgets: cost is what counts, each is refused in its own words, and nobody chooses the address that is counted.

use axum::http::StatusCode;
use rhone_api::{Budget, Exposure, RateLimits, Settings};
use serde_json::json;

use crate::{
    client::{GOOD, Reply, but},
    server::{Server, start_with},
};

/// The wide budgets of one machine, but for what a test narrows. What comes back within a test is less than its assertions ask.
async fn start(narrow: impl FnOnce(&mut RateLimits)) -> Server {
    start_with(Exposure::Production, |settings: &mut Settings| {
        settings.rates = RateLimits::of_one_machine();
        narrow(&mut settings.rates);
    })
    .await
}

/// A document of this cost.
fn of_cost(cost: usize) -> String {
    let fields: Vec<_> = (0..cost).map(|number| format!("a{number}: hello")).collect();
    format!("{{ {} }}", fields.join(" "))
}

/// A query from behind a proxy that says so.
async fn ask_from(server: &Server, address: &str, token: &str) -> Reply {
    let authorization = format!("Bearer {token}");
    let headers = [GOOD[0], GOOD[1], ("authorization", authorization.as_str()), ("x-forwarded-for", address)];
    server.post(&headers, json!({ "query": of_cost(10) }).to_string()).await
}

#[tokio::test]
async fn a_budget_counts_cost_and_not_requests_and_says_when_to_come_back() {
    let server = start(|limits| limits.token = Budget::a_minute(60)).await;
    assert_eq!(server.query(&of_cost(50)).await.status, StatusCode::OK);
    let refused = server.query(&of_cost(50)).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    let details = refused.json()["errors"][0]["extensions"].clone();
    assert_eq!((&details["whose"], &details["limit"], &details["cost"]), (&json!("token"), &json!(60), &json!(50)));
    let remaining = details["remaining"].as_u64().unwrap();
    assert!((10..50).contains(&remaining), "{details:#}");
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(details["retryAfterSeconds"], json!(seconds));
    assert!((1..=40).contains(&seconds) && details["resetAt"].is_string(), "{details:#}");
    assert!(refused.json().get("data").is_none());
    assert_eq!(server.query(&of_cost(1)).await.status, StatusCode::OK, "what is left is spent by the cheap");
}

#[tokio::test]
async fn a_document_that_is_refused_by_the_guard_costs_nothing() {
    let server = start(|limits| limits.token = Budget::a_minute(60)).await;
    for _ in 0..20 {
        let reply = server.query(&of_cost(101)).await;
        assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{reply:?}");
    }
    assert_eq!(server.query(&of_cost(50)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_shows_bad_tokens_is_not_heard_and_its_neighbour_is() {
    let server = start(|limits| (limits.failures, limits.trusted_proxies) = (Budget::a_minute(3), 1)).await;
    let (bad, good) = ("wrong", "alice-token");
    for _ in 0..4 {
        assert_eq!(ask_from(&server, "192.0.2.1", bad).await.status, StatusCode::UNAUTHORIZED);
    }
    for token in [bad, good] {
        let refused = ask_from(&server, "192.0.2.1", token).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{token}");
        assert_eq!(refused.json()["errors"][0]["extensions"]["whose"], "address");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(ask_from(&server, "192.0.2.2", good).await.status, StatusCode::OK);
    let missing = server.post(&but("authorization", ""), "{}").await;
    assert_eq!(missing.status, StatusCode::UNAUTHORIZED, "no token at all asks nobody anything");
}

#[tokio::test]
async fn the_last_entry_of_trusted_proxies_is_the_address_and_without_them_the_socket_is() {
    let server = start(|limits| (limits.address, limits.trusted_proxies) = (Budget::a_minute(30), 1)).await;
    // Whatever the caller writes itself stands before what the proxy adds.
    for forged in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        let reply = ask_from(&server, &format!("{forged}, 192.0.2.1"), "alice-token").await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    assert_eq!(ask_from(&server, "198.51.100.4, 192.0.2.1", "alice-token").await.status, 429);
    assert_eq!(ask_from(&server, "192.0.2.2", "alice-token").await.status, 200);

    let server = start(|limits| limits.address = Budget::a_minute(30)).await;
    for forged in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        assert_eq!(ask_from(&server, forged, "alice-token").await.status, 200);
    }
    assert_eq!(ask_from(&server, "198.51.100.4", "alice-token").await.status, 429);
}

#[tokio::test]
async fn the_operations_of_a_websocket_are_paid_from_the_same_budgets() {
    let server = start(|limits| limits.user = Budget::a_minute(60)).await;
    let mut socket = server.join().await;
    socket.subscribe("1", &of_cost(50)).await;
    assert_eq!(socket.message().await["type"], "next");
    assert_eq!(socket.message().await["type"], "complete");
    socket.subscribe("2", &of_cost(50)).await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")), "{refused:#}");
    let details = &refused["payload"][0]["extensions"];
    assert_eq!((&details["code"], &details["whose"]), (&json!("RATE_LIMITED"), &json!("user")));
    assert_eq!(server.query(&of_cost(50)).await.status, 429, "and by POST as well");
    socket.subscribe("3", "{ hello }").await;
    assert_eq!(socket.message().await["type"], "next", "the connection lives on");
}

#[tokio::test]
async fn a_websocket_from_where_bad_tokens_come_is_told_to_try_later() {
    let server = start(|limits| limits.failures = Budget::a_minute(2)).await;
    for _ in 0..3 {
        let mut socket = server.connect().await;
        socket.init("wrong").await;
        assert_eq!(socket.close_code().await, 4403);
    }
    let mut socket = server.connect().await;
    socket.init("alice-token").await;
    assert_eq!(socket.close_code().await, 1013);
}
