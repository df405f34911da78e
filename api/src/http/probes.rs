//! `/livez`, `/readyz` and `/metrics`. The trap avoided: a liveness answer that depends on the database restarts every
//! process at once when the database blinks; only readiness looks outside.

use std::sync::Arc;

use async_graphql::Executor;
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{authenticate::Authenticator, shell::Shell};

pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready<E: Executor, A: Authenticator>(State(shell): State<Arc<Shell<E, A>>>) -> Response {
    let report = shell.readiness.report().await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

pub(super) async fn metrics<E: Executor, A: Authenticator>(State(shell): State<Arc<Shell<E, A>>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shell.metrics.render()).into_response()
}
