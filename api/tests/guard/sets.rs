//! The hostile sets in one place each, counted: cross-site (S8), WebSocket (S10); denial of service (S7) is asked of the whole API
//! in `tests/e2e/hostile.rs`. What each case is about is tested by itself beside; here the sets are whole and print n/n. The
//! trap avoided: a case that was dropped unnoticed.

use std::time::Duration;

use axum::{body::Body, http::Method};
use rhone_api::{Budget, Exposure, Settings};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{GOOD, but},
    server::{CONSOLE, Server, TOKEN, start, start_with},
};

#[tokio::test]
async fn no_page_elsewhere_makes_a_mutation_run() {
    let server = start().await;
    let fire = r#"{"query":"mutation { fire }"}"#;
    let mut cases: Vec<(String, u16)> = Vec::new();
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonp"]
    {
        cases.push((format!("as {kind:?}"), server.post(&but("content-type", kind), fire).await.status.as_u16()));
    }
    for origin in [
        "https://evil.test",
        "null",
        "http://console.rhone.test",
        "https://console.rhone.test:8443",
        "https://x.console.rhone.test",
    ] {
        cases.push((format!("from {origin}"), server.post(&but("origin", origin), fire).await.status.as_u16()));
    }
    for site in ["cross-site", "same-site"] {
        cases.push((format!("fetched {site}"), server.post(&but("sec-fetch-site", site), fire).await.status.as_u16()));
    }
    let twice = [GOOD.as_slice(), &[("origin", CONSOLE), ("origin", "https://evil.test")]].concat();
    cases.push(("with two origins".into(), server.post(&twice, fire).await.status.as_u16()));
    let link = server.get("/graphql?query=mutation%20%7B%20fire%20%7D").await;
    cases.push(("by a link".into(), link.status.as_u16()));
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD] {
        let reply = server.send(method.clone(), "/graphql", &GOOD, Body::from(fire)).await;
        cases.push((format!("by {method}"), reply.status.as_u16()));
    }
    cases.push(("without a token".into(), server.post(&but("authorization", ""), fire).await.status.as_u16()));
    for origin in [Some("https://evil.test"), Some("null"), Some("https://console.rhone.test.evil.test")] {
        let status = server.connect_as(origin, "graphql-transport-ws").await.err().unwrap_or(101);
        cases.push((format!("by a WebSocket from {origin:?}"), status));
    }
    let mut socket = server.join().await;
    socket.subscribe("x", "mutation { fire }").await;
    let refused = socket.message().await["type"] == "error";
    cases.push(("over an open WebSocket".into(), if refused { 400 } else { 200 }));
    let ran: Vec<_> = cases.iter().filter(|(_, status)| ![400, 401, 403, 405, 415].contains(status)).collect();
    eprintln!("S8: {}/{} refused by the guard alone", cases.len() - ran.len(), cases.len());
    assert!(ran.is_empty(), "{ran:?}");
    assert_eq!(server.fired.times(), 0, "a refused mutation ran");
    // The same words run once when the page is ours: what was counted is what they do.
    assert_eq!(server.post(&but("origin", CONSOLE), fire).await.status, 200);
    assert_eq!(server.fired.times(), 1);
    assert_eq!(cases.len(), 23);
}

/// As the API stands, but for this.
async fn adjusted(adjust: impl FnOnce(&mut Settings)) -> Server {
    start_with(Exposure::Production, adjust).await
}

/// The code that a socket with this token is closed with.
async fn shown(server: &Server, token: &str) -> Option<u16> {
    let mut socket = server.connect().await;
    socket.init(token).await;
    Some(socket.close_code().await)
}

/// What was tried, how it had to end, and how it did.
type Ending = (String, Option<u16>, Option<u16>);

async fn ended(server: &Server, code: u16, messages: &[Value]) -> Ending {
    let mut socket = server.join().await;
    for message in messages {
        socket.say(message.clone()).await;
    }
    (format!("{messages:?}"), Some(code), Some(socket.close_code().await))
}

#[tokio::test]
async fn every_way_a_websocket_ends_has_its_code() {
    let server = start().await;
    let forever =
        |id: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": "subscription { forever }" } });
    let mut endings: Vec<Ending> = Vec::new();
    for (code, messages) in [
        (4400, vec![json!({ "type": "start", "id": "1", "payload": {} })]),
        (4400, vec![json!(["ping"])]),
        (4400, vec![json!("ping")]),
        (4400, vec![json!({ "type": "subscribe", "payload": { "query": "{ hello }" } })]),
        (4400, vec![json!({ "type": "subscribe", "id": 7, "payload": { "query": "{ hello }" } })]),
        (4400, vec![json!({ "type": "subscribe", "id": "", "payload": { "query": "{ hello }" } })]),
        (4400, vec![json!({ "type": "complete" })]),
        (4409, vec![forever("1"), forever("1")]),
        (4429, vec![json!({ "type": "connection_init" })]),
    ] {
        endings.push(ended(&server, code, &messages).await);
    }
    let mut note = |what: &str, expected, found| endings.push((what.to_owned(), Some(expected), found));
    let mut socket = server.join().await;
    socket.say_raw(Message::binary(b"\x00".as_slice())).await;
    note("bytes", 4400, Some(socket.close_code().await));
    let mut socket = server.connect().await;
    socket.subscribe("1", "{ hello }").await;
    note("before the init", 4401, Some(socket.close_code().await));
    note("a bad token", 4403, shown(&server, "wrong").await);
    let strict = adjusted(|settings| settings.rates.failures = Budget::a_minute(2)).await;
    for _ in 0..3 {
        note("a bad token, again", 4403, shown(&strict, "wrong").await);
    }
    note("too many bad tokens", 1013, shown(&strict, TOKEN).await);
    let hasty = adjusted(|settings| settings.init_timeout = Duration::from_millis(200)).await;
    note("no init in time", 4408, Some(hasty.connect().await.close_code().await));
    let attentive = adjusted(|settings| settings.ping_interval = Duration::from_millis(200)).await;
    note("silence", 3008, Some(attentive.join().await.close_code().await));
    let blind = adjusted(|settings| settings.recheck_grace = Duration::ZERO).await;
    let mut socket = blind.join().await;
    blind.tokens.lose_sight();
    note("a token that nobody can check any more", 1013, Some(socket.close_code().await));
    for (origin, protocol, status) in [
        (Some("https://evil.test"), "graphql-transport-ws", 403),
        (Some("null"), "graphql-transport-ws", 403),
        (None, "graphql-ws", 400),
    ] {
        note(&format!("{origin:?} {protocol}"), status, server.connect_as(origin, protocol).await.err());
    }
    let mut socket = server.join().await;
    socket.say(forever("1")).await;
    server.tokens.revoke();
    let code = socket.close_code().await;
    note("revoked, at the first question", 4403, (server.tokens.refused() == 1).then_some(code));
    let server = start().await;
    let mut socket = server.join().await;
    server.readiness.drain();
    note("drained", 1012, Some(socket.close_code().await));
    let wrong: Vec<_> = endings.iter().filter(|(_, expected, found)| expected != found).collect();
    eprintln!("S10: {}/{} ways a WebSocket ends have their code", endings.len() - wrong.len(), endings.len());
    assert_eq!((wrong, endings.len()), (Vec::new(), 24));
}
