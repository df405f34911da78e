//! What a worker tells whoever runs it: /livez, /readyz, /metrics. The trap avoided: a liveness that depends on the database;
//! only readiness looks outside.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use rhone_eventstore::boot;
use sqlx::PgPool;
use std::time::Duration;
use tokio::net::TcpListener;

/// The database answers within this time, or we are not ready.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Shown {
    pool: PgPool,
    metrics: PrometheusHandle,
}

/// Answers for as long as the process lives.
pub(crate) async fn serve(listener: TcpListener, pool: PgPool, metrics: PrometheusHandle) {
    let router = Router::new()
        .route("/livez", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(rendered))
        .with_state(Shown { pool, metrics });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "nobody can ask how we are");
    }
}

async fn ready(State(shown): State<Shown>) -> Response {
    match tokio::time::timeout(PATIENCE, boot::check(&shown.pool)).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

async fn rendered(State(shown): State<Shown>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shown.metrics.render()).into_response()
}
