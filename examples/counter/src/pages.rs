//! The routes. `index.html` is read from the app's own folder at every request, so that what is shown is what was packed.

use crate::{sessions::Sessions, socket};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn router(sessions: Arc<Sessions>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get("ok"))
        .route("/sessions", get(async |State(all): State<Arc<Sessions>>| Json(all.count()).into_response()))
        .route("/api/incr", post(increment))
        .route("/_vango/ws", get(socket::accept))
        .with_state(sessions)
}

async fn index() -> Response {
    match tokio::fs::read_to_string("public/index.html").await {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("public/index.html: {error}\n")).into_response(),
    }
}

async fn increment(State(sessions): State<Arc<Sessions>>) -> Response {
    Json(json!({ "version": sessions.version(), "count": sessions.increment() })).into_response()
}
