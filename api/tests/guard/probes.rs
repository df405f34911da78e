//! `/livez`, `/readyz`, `/metrics`.

use std::sync::atomic::Ordering;

use crate::server::start;

#[tokio::test]
async fn readiness_names_what_is_missing_and_falls_first_when_draining() {
    let server = start().await;
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/metrics").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    server.database.0.store(false, Ordering::SeqCst);
    let reply = server.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["reasons"][0]["check"], "database");
    server.database.0.store(true, Ordering::SeqCst);
    server.readiness.drain();
    let reply = server.get("/readyz").await;
    assert_eq!((reply.status.as_u16(), reply.json()["reasons"][0]["check"].as_str()), (503, Some("drain")));
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.query("{ hello }").await.status, 200);
}
