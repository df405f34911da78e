//! Holes 5 and 6: batches, large bodies, and what status a refusal has.

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, http::Method};
use futures_util::stream;
use rhone_api::{Documents, Exposure};

use crate::{
    client::{GOOD, but},
    server::{CONSOLE, SESSION, start, start_with},
};

#[tokio::test]
async fn a_batch_is_refused_whatever_its_length() {
    let server = start().await;
    let batches = [
        r#"[{"query":"{ hello }"}]"#.to_owned(),
        "  []".to_owned(),
        r#"["{ hello }", null, null, null]"#.to_owned(),
        format!("[{}]", vec![r#"{"query":"{ hello }"}"#; 1000].join(",")),
    ];
    for batch in batches {
        let reply = server.post(&GOOD, batch).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "BAD_USER_INPUT"));
        assert_eq!(reply.json()["errors"][0]["extensions"]["field"], "body");
    }
}

#[tokio::test]
async fn a_body_over_256_kib_is_refused_with_and_without_a_length() {
    let server = start().await;
    let body = |size: usize| {
        let frame = r#"{"query":"{ hello }","x":""}"#;
        format!(r#"{{"query":"{{ hello }}","x":"{}"}}"#, "a".repeat(size - frame.len()))
    };
    assert_eq!(server.post(&GOOD, body(256 * 1024)).await.status, 200);
    let reply = server.post(&GOOD, body(256 * 1024 + 1)).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "BAD_USER_INPUT"));
    assert_eq!(reply.headers["connection"], "close", "the rest of the body is on this connection");
    let text = body(300 * 1024);
    let chunks: Vec<_> = text.as_bytes().chunks(1000).map(|chunk| Ok::<_, Infallible>(chunk.to_vec())).collect();
    let reply = server.post(&GOOD, Body::from_stream(stream::iter(chunks))).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server = start_with(Exposure::Production, |settings| settings.body_timeout = Duration::from_millis(50)).await;
    let reply = server.post(&GOOD, Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>())).await;
    assert_eq!(reply.status, 408);
}

#[tokio::test]
async fn malformed_requests_name_the_field() {
    let server = start().await;
    for (body, field) in [
        ("", "body"),
        ("{", "body"),
        ("null", "body"),
        ("{}", "query"),
        (r#"{"query":null}"#, "query"),
        (r#"{"query":1}"#, "body"),
        (r#"{"query":"{ hello }","variables":[]}"#, "body"),
        (r#"{"query":"{ hello }","operationName":1}"#, "body"),
        (r#"{"query":"{ hello }","extensions":"x"}"#, "body"),
        (r#"{"query":"{ hello }","operationName":"Nope"}"#, "operationName"),
        (r#"{"query":"query A { hello } query B { hello }"}"#, "operationName"),
    ] {
        let reply = server.post(&GOOD, body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "BAD_USER_INPUT"), "{body}");
        assert_eq!(reply.json()["errors"][0]["extensions"]["field"], field, "{body}");
    }
}

#[tokio::test]
async fn parse_and_validation_errors_answer_400_without_data_as_accept_asks() {
    let server = start().await;
    for query in ["{", "{ nope }", "query ($x: Int!) { hello }", "{ hello(name: 1) }"] {
        let body = serde_json::json!({ "query": query }).to_string();
        let reply = server.post(&GOOD, body.clone()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "BAD_USER_INPUT"), "{query}");
        assert!(reply.json().get("data").is_none(), "{query}: {}", reply.text);
        assert!(reply.headers["content-type"].to_str().unwrap().starts_with("application/graphql-response+json"));
        let reply = server.post(&but("accept", "application/json"), body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (200, "BAD_USER_INPUT"), "{query}");
        assert!(reply.json().get("data").is_none(), "{query}");
    }
}

#[tokio::test]
async fn accept_weighs_and_defaults() {
    let server = start().await;
    for (accept, wanted) in [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/graphql-response+json, application/json", "application/graphql-response+json"),
        ("application/json;q=0.9, application/graphql-response+json", "application/graphql-response+json"),
        ("application/graphql-response+json;q=0.5, application/json", "application/json"),
        ("application/graphql-response+json;q=0", "application/json"),
    ] {
        let reply = server.post(&but("accept", accept), r#"{"query":"{ hello }"}"#).await;
        assert_eq!(reply.status, 200);
        let content_type = reply.headers["content-type"].to_str().unwrap();
        assert_eq!(content_type.split(';').next(), Some(wanted), "{accept}");
    }
}

#[tokio::test]
async fn pages_ask_what_is_on_the_list_and_whoever_shows_a_token_asks_anything() {
    let close = |settings: &mut rhone_api::Settings| settings.documents = Documents::pages_known_only(["{ hello }"]);
    let server = start_with(Exposure::Production, close).await;
    let cookie = format!("__Host-rhone_session={SESSION}");
    let page = [GOOD[0], GOOD[1], ("cookie", cookie.as_str()), ("origin", CONSOLE)];
    let by_digest =
        |digest: &str| format!(r#"{{"extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{digest}"}}}}}}"#);
    let known = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("{ hello }"));
    for headers in [&page[..], &GOOD[..]] {
        assert_eq!(server.post(headers, r#"{"query":"{ hello }"}"#).await.json()["data"]["hello"], "world");
        assert_eq!(server.post(headers, by_digest(&known)).await.json()["data"]["hello"], "world");
        assert_eq!(server.post(headers, by_digest("00")).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    }
    let whoami = r#"{"query":"{ whoami }"}"#;
    assert_eq!(server.post(&GOOD, whoami).await.json()["data"]["whoami"], "alice");
    assert_eq!(server.post(&page, whoami).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    let got =
        server.send(Method::GET, "/graphql?query=%7B%20whoami%20%7D", &[("cookie", &cookie)], Body::empty()).await;
    assert_eq!(got.code(), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn a_pages_socket_is_held_to_the_list_too() {
    let close = |settings: &mut rhone_api::Settings| settings.documents = Documents::pages_known_only(["{ hello }"]);
    let server = start_with(Exposure::Production, close).await;
    let mut page = server.join_as_page().await;
    page.subscribe("1", "{ whoami }").await;
    let message = page.message().await;
    let code = message["payload"][0]["extensions"]["code"].as_str();
    assert_eq!((message["type"].as_str(), code), (Some("error"), Some("PERSISTED_QUERY_NOT_FOUND")), "{message}");
    page.subscribe("2", "{ hello }").await;
    assert_eq!(page.message().await["payload"]["data"]["hello"], "world");
    let mut program = server.join().await;
    program.subscribe("1", "{ whoami }").await;
    assert_eq!(program.message().await["payload"]["data"]["whoami"], "alice");
}
