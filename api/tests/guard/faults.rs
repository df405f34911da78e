//! Holes 7 and 8: what breaks inside, what leaves, and what one request shares with the next.

use rhone_api::{Code, Exposure};

use crate::{
    client::{GOOD, but},
    server::{start, start_with},
};

#[tokio::test]
async fn a_panic_is_internal_with_the_request_id_and_the_server_lives_on() {
    let server = start().await;
    for _ in 0..3 {
        let reply = server.query("{ explode }").await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (500, "INTERNAL"));
        let id = reply.headers["x-request-id"].to_str().unwrap();
        assert_eq!(reply.json()["errors"][0]["extensions"]["requestId"], id);
        assert!(!reply.text.contains("hunter2"), "{}", reply.text);
    }
    assert_eq!(server.query("{ hello }").await.json()["data"]["hello"], "world");
}

#[tokio::test]
async fn no_cause_leaves_whether_typed_or_not() {
    let server = start().await;
    for field in ["leak", "broken"] {
        let reply = server.query(&format!("{{ hello {field} }}")).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (200, "INTERNAL"));
        let json = reply.json();
        assert_eq!(json["errors"][0]["message"], "internal error");
        assert_eq!(json["errors"][0]["path"][0], field);
        assert_eq!(json["data"]["hello"], "world");
        assert!(!reply.text.contains("hunter2"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_fault_of_the_list_keeps_its_code_and_sentence() {
    let server = start().await;
    let reply = server.query("{ missing }").await;
    assert_eq!(reply.code(), "NOT_FOUND");
    assert_eq!(reply.json()["errors"][0]["message"], "no such app");
    let names: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), 10);
}

#[tokio::test]
async fn a_request_carries_its_own_id_and_the_callers_trace_if_sound() {
    let server = start().await;
    let body = r#"{"query":"{ requestId missing }"}"#;
    let sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = server.post(&but("traceparent", sound), body).await;
    let json = reply.json();
    assert_eq!(json["data"]["requestId"], reply.headers["x-request-id"].to_str().unwrap());
    assert_eq!(json["errors"][0]["extensions"]["traceId"], "0af7651916cd43dd8448eb211c80319c");
    for unsound in ["00-00000000000000000000000000000000-b7ad6b7169203331-01", "x", "00-abc-def-01"] {
        let json = server.post(&but("traceparent", unsound), body).await.json();
        let id = json["data"]["requestId"].as_str().unwrap().replace('-', "");
        assert_eq!(json["errors"][0]["extensions"]["traceId"], id, "{unsound}");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_checked_before_it_is_used() {
    let server = start().await;
    let body = r#"{"query":"{ idempotencyKey }"}"#;
    let reply = server.post(&but("idempotency-key", "deploy-1"), body).await;
    assert_eq!(reply.json()["data"]["idempotencyKey"], "deploy-1");
    let long = "k".repeat(256);
    for bad in ["two words", long.as_str()] {
        let reply = server.post(&but("idempotency-key", bad), body).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
        assert_eq!(reply.json()["errors"][0]["extensions"]["field"], "Idempotency-Key");
    }
}

#[tokio::test]
async fn every_request_gets_a_context_of_its_own() {
    let server = start().await;
    let first = server.query("{ a: loader b: loader }").await.json();
    let second = server.query("{ loader }").await.json();
    assert_eq!(first["data"]["a"], first["data"]["b"]);
    assert_ne!(first["data"]["a"], second["data"]["loader"]);
}

#[tokio::test]
async fn the_schema_is_not_disclosed_in_production() {
    let server = start().await;
    let reply = server.query("{ helo }").await;
    assert!(!reply.text.contains("hello"), "{}", reply.text);
    let reply = server.query("{ __schema { types { name } } __type(name: \"Tree\") { name } }").await;
    assert!(!reply.text.contains("Tree") && !reply.text.contains("Leaves"), "{}", reply.text);
    assert_eq!(server.get("/graphiql").await.status, 404);

    let open = start_with(Exposure::Development, |_| {}).await;
    assert!(open.query("{ helo }").await.text.contains("hello"));
    assert!(open.query("{ __schema { types { name } } }").await.text.contains("Leaves"));
    assert!(open.post(&GOOD[2..], "").await.status == 415);
    assert!(open.get("/graphiql").await.text.contains("graphiql"));
}
