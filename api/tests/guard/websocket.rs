//! Hole 2: the WebSocket, from the upgrade to every way it ends.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use rhone_api::{Exposure, Origins, Settings};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    documents::bomb,
    server::{CONSOLE, Server, start, start_with},
};

async fn start_quick(adjust: impl FnOnce(&mut Settings)) -> Server {
    start_with(Exposure::Production, adjust).await
}

#[tokio::test]
async fn a_foreign_page_and_a_foreign_protocol_are_refused_at_the_upgrade() {
    let server = start().await;
    let connect = |origin, protocol| server.connect_as(origin, protocol);
    assert_eq!(connect(Some("https://evil.test"), "graphql-transport-ws").await.err(), Some(403));
    assert_eq!(connect(Some("null"), "graphql-transport-ws").await.err(), Some(403));
    assert_eq!(connect(None, "graphql-ws").await.err(), Some(400));
    assert!(connect(None, "graphql-transport-ws").await.is_ok());
}

#[tokio::test]
async fn a_connection_without_an_init_is_closed_with_4408() {
    // Its ping is answered before that.
    let server = start_quick(|settings| settings.init_timeout = Duration::from_secs(3)).await;
    let mut socket = server.connect().await;
    socket.say(json!({ "type": "ping", "payload": { "x": 1 } })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong", "payload": { "x": 1 } }));
    assert_eq!(socket.close_code().await, 4408);
}

#[tokio::test]
async fn a_bad_token_is_closed_with_4403_and_no_token_too() {
    let server = start().await;
    let mut socket = server.connect().await;
    socket.init("wrong").await;
    assert_eq!(socket.close_code().await, 4403);
    let mut socket = server.connect().await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test]
async fn the_protocols_offences_close_with_their_codes() {
    let server = start().await;
    let mut socket = server.connect().await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.close_code().await, 4401);

    let mut socket = server.join().await;
    socket.init("alice-token").await;
    assert_eq!(socket.close_code().await, 4429);

    let mut socket = server.join().await;
    socket.subscribe("1", "subscription { forever }").await;
    socket.subscribe("1", "subscription { forever }").await;
    assert_eq!(socket.close_code().await, 4409);

    let invalid = [
        Message::text("nonsense"),
        Message::text(r#"["ping"]"#),
        Message::text(r#"{"type":"start","id":"1","payload":{}}"#),
        Message::text(r#"{"type":"subscribe","payload":{"query":"{ hello }"}}"#),
        Message::text(r#"{"type":"subscribe","id":"","payload":{"query":"{ hello }"}}"#),
        Message::text(r#"{"type":"subscribe","id":7,"payload":{"query":"{ hello }"}}"#),
        Message::binary(br#"{"type":"ping"}"#.as_slice()),
    ];
    for message in invalid {
        let mut socket = server.join().await;
        socket.say_raw(message.clone()).await;
        assert_eq!(socket.close_code().await, 4400, "{message:?}");
    }
}

#[tokio::test]
async fn a_subscription_delivers_and_completes_and_its_id_is_free_again() {
    let server = start().await;
    let mut socket = server.join().await;
    for _ in 0..2 {
        socket.subscribe("a", "subscription { count(to: 2) }").await;
        assert_eq!(socket.message().await, json!({ "type": "next", "id": "a", "payload": { "data": { "count": 0 } } }));
        assert_eq!(socket.message().await, json!({ "type": "next", "id": "a", "payload": { "data": { "count": 1 } } }));
        assert_eq!(socket.message().await, json!({ "type": "complete", "id": "a" }));
    }
    socket.subscribe("b", "{ whoami }").await;
    assert_eq!(socket.message().await["payload"]["data"]["whoami"], "alice");
    assert_eq!(socket.message().await["type"], "complete");
}

#[tokio::test]
async fn a_completed_subscription_may_be_followed_by_another_of_its_id() {
    let server = start().await;
    let mut socket = server.join().await;
    socket.subscribe("a", "subscription { forever }").await;
    socket.say(json!({ "type": "complete", "id": "a" })).await;
    socket.subscribe("a", "{ hello }").await;
    assert_eq!(socket.message().await["payload"]["data"]["hello"], "world");
}

#[tokio::test]
async fn mutations_bombs_and_nonsense_are_answered_as_errors_and_the_socket_stays() {
    let server = start().await;
    let mut socket = server.join().await;
    let bomb = bomb(15);
    for (query, code) in [
        ("mutation { fire }", "BAD_USER_INPUT"),
        (bomb.as_str(), "QUERY_TOO_COMPLEX"),
        ("{ nope }", "BAD_USER_INPUT"),
        ("subscription { nope }", "BAD_USER_INPUT"),
        ("{", "BAD_USER_INPUT"),
        ("{ explode }", "INTERNAL"),
    ] {
        socket.subscribe("x", query).await;
        let message = socket.message().await;
        assert_eq!(
            (message["type"].as_str(), message["id"].as_str()),
            (Some("error"), Some("x")),
            "{query}: {message}"
        );
        assert_eq!(message["payload"][0]["extensions"]["code"], code, "{query}: {message}");
        assert!(!message.to_string().contains("hunter2"), "{message}");
    }
    assert_eq!(server.fired.times(), 0, "a mutation ran over a WebSocket");
    socket.subscribe("x", "{ hello }").await;
    assert_eq!(socket.message().await["payload"]["data"]["hello"], "world");
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_that_stream_only() {
    let server = start().await;
    let mut socket = server.join().await;
    socket.subscribe("a", "subscription { explosive }").await;
    assert_eq!(socket.message().await["payload"]["data"]["explosive"], 0);
    let message = socket.message().await;
    assert_eq!(
        (message["type"].as_str(), message["payload"][0]["extensions"]["code"].as_str()),
        (Some("error"), Some("INTERNAL"))
    );
    socket.subscribe("a", "{ hello }").await;
    assert_eq!(socket.message().await["payload"]["data"]["hello"], "world");
}

/// The second is told by the order of things: it is asked twice in one, and the first question that is refused is the last.
#[tokio::test]
async fn a_revoked_token_closes_its_connections_within_a_second() {
    let asked = Settings::new(Exposure::Production, Origins::new([CONSOLE])).recheck_interval;
    assert!(asked * 2 <= Duration::from_secs(1), "{asked:?}");
    let server = start().await;
    let mut socket = server.join().await;
    socket.subscribe("a", "subscription { forever }").await;
    server.tokens.revoke();
    assert_eq!(socket.close_code().await, 4403);
    assert_eq!(server.tokens.refused(), 1, "questions that were refused");
}

#[tokio::test]
async fn a_token_that_nobody_can_check_stands_for_its_grace_and_no_longer() {
    let server = start_quick(|settings| {
        settings.recheck_interval = Duration::from_millis(20);
        settings.recheck_grace = Duration::from_secs(3);
    })
    .await;
    let mut socket = server.join().await;
    server.tokens.lose_sight();
    let lost = Instant::now();
    assert_eq!(socket.close_code().await, 1013);
    // It was seen for the last time some time before, on a busy machine.
    assert!(lost.elapsed() > Duration::from_secs(1), "{:?}", lost.elapsed());
}

#[tokio::test]
async fn silence_is_pinged_and_then_closed() {
    let server = start_quick(|settings| settings.ping_interval = Duration::from_secs(1)).await;
    let mut socket = server.join().await;
    // Longer than any silence may be.
    for _ in 0..4 {
        assert_eq!(socket.message().await, json!({ "type": "ping" }));
        socket.say(json!({ "type": "pong" })).await;
    }
    assert_eq!(socket.close_code().await, 3008);
}

#[tokio::test]
async fn operations_on_one_connection_are_limited() {
    let server = start_quick(|settings| settings.operations_per_connection = 2).await;
    let mut socket = server.join().await;
    for id in ["a", "b", "c"] {
        socket.subscribe(id, "subscription { forever }").await;
    }
    let message = socket.message().await;
    assert_eq!(
        (message["id"].as_str(), message["payload"][0]["extensions"]["code"].as_str()),
        (Some("c"), Some("RATE_LIMITED"))
    );
}

/// Refusals wait in the connection too: who does not stop asking is ended, and no list of them grows.
#[tokio::test]
async fn a_flood_of_operations_ends_the_connection() {
    let server = start_quick(|settings| settings.operations_per_connection = 1).await;
    let mut socket = server.join().await;
    for id in 0..50 {
        socket.subscribe(&id.to_string(), "subscription { forever }").await;
    }
    assert_eq!(socket.close_code().await, 4400);
}

/// What nobody reads stands in the connection until it is full, and then in us.
#[tokio::test]
async fn a_socket_that_takes_nothing_is_left() {
    let server = start_quick(|settings| settings.send_timeout = Duration::from_millis(200)).await;
    let mut socket = server.join().await;
    let long = "a".repeat(10_000);
    socket.subscribe("a", &format!("subscription {{ {long}: count(to: 1000000) }}")).await;
    assert!(server.readiness.deserted().now_or_never().is_none(), "it is connected");
    let left = tokio::time::timeout(Duration::from_mins(1), server.readiness.deserted()).await;
    assert!(left.is_ok(), "ten gigabytes wait for somebody who takes nothing");
    drop(socket);
}

#[tokio::test]
async fn a_drain_closes_connections_with_1012() {
    let server = start().await;
    let mut socket = server.join().await;
    server.readiness.drain();
    assert_eq!(socket.close_code().await, 1012);
}

#[tokio::test]
async fn a_server_that_ends_waits_until_every_connection_was_told() {
    let server = start().await;
    // One has not said yet who it is.
    let (mut joined, mut stranger) = (server.join().await, server.connect().await);
    assert!(server.readiness.deserted().now_or_never().is_none(), "two are connected");
    server.readiness.drain();
    server.readiness.deserted().await;
    assert_eq!((joined.close_code().await, stranger.close_code().await), (1012, 1012));
}
