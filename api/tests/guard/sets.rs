//! The hostile sets in one place each, counted: denial of service (S7), cross-site (S8), WebSocket (S10). What each case is about
//! is tested by itself beside; here the sets are whole and print n/n. The trap avoided: a case that was dropped unnoticed.

use std::time::{Duration, Instant};

use axum::{body::Body, http::Method};
use rhone_api::Exposure;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{GOOD, but},
    documents::bomb,
    server::{CONSOLE, Server, start, start_with},
};

/// Far more than any of them takes, and far less than one of them takes without the guard.
const SLOW: Duration = Duration::from_secs(2);

/// Large and cheap: answered, and no dearer for it.
const HARMLESS: [&str; 2] = ["sixty thousand commas", "a block string of quotes"];

fn hostile() -> Vec<(&'static str, String)> {
    let many = |what: &str, count: usize| (0..count).map(|n| what.replace('#', &n.to_string())).collect::<String>();
    let nested = |open: &str, levels: usize| format!("{{ {} hello {} }}", open.repeat(levels), "}".repeat(levels));
    vec![
        ("fragments that double 15 times", bomb(15)),
        ("fragments that double 11 times", bomb(11)),
        ("fragments that double 30 times", bomb(30)),
        ("a fragment that spreads itself", "{ tree { ...A } } fragment A on Tree { tree { ...A } }".into()),
        (
            "two that spread each other",
            "{ tree { ...A } } fragment A on Tree { ...B } fragment B on Tree { ...A }".into(),
        ),
        ("a field a thousand times by alias", format!("{{ {} }}", many("a#: hello ", 1_000))),
        (
            "a page of pages by alias",
            format!("{{ tree {{ {} }} }}", many("a#: leaves(first: 100) { edges { node { id } } } ", 90)),
        ),
        (
            "a huge page",
            "{ tree { leaves(first: 300000) { edges { a: cursor b: cursor node { id } } } } }"
                .replace("cursor", "cursor ".repeat(60).trim()),
        ),
        ("a negative page", "{ tree { leaves(first: -5) { edges { cursor } } } }".into()),
        ("fields nested 500 deep", nested("tree { ", 500)),
        ("inline fragments nested 500 deep", nested("... { ", 500)),
        ("lists nested 5,000 deep", format!("{{ hello(name: {}1{}) }}", "[".repeat(5_000), "]".repeat(5_000))),
        ("objects nested 5,000 deep", format!("{{ hello(name: {}1{}) }}", "{a:".repeat(5_000), "}".repeat(5_000))),
        ("directives, 2,000 on one field", format!("{{ hello {} }}", "@skip(if: false) ".repeat(2_000))),
        ("an unknown directive 40 times", format!("{{ hello {} }}", "@x ".repeat(40))),
        ("spreads of nothing", format!("{{ {} }}", "...F ".repeat(5_000))),
        ("ten thousand operations", many("query Q# { hello } ", 10_000)),
        ("a text of 200 KB", format!("{{ hello }} # {}", "x".repeat(200 * 1024))),
        ("sixty thousand commas", format!("{{ hello {} }}", ",".repeat(60_000))),
        ("a string that does not end", format!("{{ hello(name: \"{}", "x".repeat(60_000))),
        ("a block string of quotes", format!("{{ hello(name: \"\"\"{}\"\"\") }}", "\\\"\"\"".repeat(12_000))),
        ("numbers of 60,000 digits", format!("{{ hello(name: {}) }}", "9".repeat(60_000))),
        ("brackets that are never closed", "{ tree ".repeat(3_000)),
        ("variables, 5,000 of them", format!("query({}) {{ hello }}", many("$a#: Int ", 5_000))),
    ]
}

#[tokio::test]
async fn nothing_hostile_costs_more_than_its_text() {
    let server = start().await;
    let honest = server.query("{ hello }").await;
    assert_eq!(honest.status, 200);
    let (mut right, all) = (0, hostile());
    for (what, query) in &all {
        let begun = Instant::now();
        let reply = server.query(query).await;
        let took = begun.elapsed();
        let refused = ["QUERY_TOO_COMPLEX", "BAD_USER_INPUT"].contains(&reply.code().as_str());
        assert!(refused != HARMLESS.contains(what), "{what}: {} {:.300}", reply.status, reply.text);
        // What a harmless one says may come back; nothing may come back many times.
        let most = 64 * 1024 + query.len();
        assert!(took < SLOW && reply.text.len() < most, "{what}: {took:?}, {} bytes", reply.text.len());
        right += 1;
    }
    let batch = format!("[{}]", vec![r#"{"query":"{ hello }"}"#; 5_000].join(","));
    assert_eq!(server.post(&GOOD, batch).await.code(), "BAD_USER_INPUT", "an array of operations");
    let deep =
        format!("{{\"query\":\"{{ hello }}\",\"variables\":{}1{}}}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    assert_eq!(server.post(&GOOD, deep).await.code(), "BAD_USER_INPUT", "variables 20,000 deep");
    right += 2;
    assert_eq!(server.query("{ hello }").await.status, 200, "and it goes on");
    eprintln!("S7: {right}/{}", all.len() + 2);
}

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
    assert!(ran.is_empty(), "{ran:?}");
    assert_eq!(server.fired.times(), 0, "a refused mutation ran");
    // The same words run once when the page is ours: what was counted is what they do.
    assert_eq!(server.post(&but("origin", CONSOLE), fire).await.status, 200);
    assert_eq!(server.fired.times(), 1);
    eprintln!("S8: {0}/{0}", cases.len());
    assert_eq!(cases.len(), 23);
}

async fn ends_with(server: &Server, code: u16, messages: &[Value]) -> u16 {
    let mut socket = server.join().await;
    for message in messages {
        socket.say(message.clone()).await;
    }
    let found = socket.close_code().await;
    assert_eq!(found, code, "{messages:?}");
    1
}

#[tokio::test]
async fn every_way_a_websocket_ends_has_its_code() {
    let server = start_with(Exposure::Production, |settings| settings.init_timeout = Duration::from_millis(200)).await;
    let forever =
        |id: &str| json!({ "type": "subscribe", "id": id, "payload": { "query": "subscription { forever }" } });
    let mut right = 0;
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
        right += ends_with(&server, code, &messages).await;
    }
    let mut socket = server.join().await;
    socket.say_raw(Message::binary(b"\x00".as_slice())).await;
    assert_eq!(socket.close_code().await, 4400, "bytes");
    let mut socket = server.connect().await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.close_code().await, 4401, "before the init");
    let mut socket = server.connect().await;
    socket.init("wrong").await;
    assert_eq!(socket.close_code().await, 4403, "a bad token");
    assert_eq!(server.connect().await.close_code().await, 4408, "no init in time");
    for (origin, protocol, status) in [
        (Some("https://evil.test"), "graphql-transport-ws", 403),
        (Some("null"), "graphql-transport-ws", 403),
        (None, "graphql-ws", 400),
    ] {
        assert_eq!(server.connect_as(origin, protocol).await.err(), Some(status), "{origin:?} {protocol}");
    }
    let mut socket = server.join().await;
    socket.say(forever("1")).await;
    server.tokens.revoke();
    let revoked = Instant::now();
    assert_eq!(socket.close_code().await, 4403, "revoked");
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    let server = start().await;
    let mut socket = server.join().await;
    server.readiness.drain();
    assert_eq!(socket.close_code().await, 1012, "drained");
    right += 9;
    eprintln!("S10: {right}/18");
    assert_eq!(right, 18);
}
