//! The routes. `index.html` is read from the app's own folder at every request, so that what is shown is what was packed.

use crate::{sessions::Sessions, socket};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{env, sync::Arc};

pub(crate) fn router(sessions: Arc<Sessions>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get("ok"))
        .route("/sessions", get(async |State(all): State<Arc<Sessions>>| Json(all.count()).into_response()))
        .route("/variables/{key}", get(variable))
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

/// The digest of a variable of the environment; the value is the app's own business.
async fn variable(Path(key): Path<String>) -> Response {
    match env::var_os(key) {
        Some(value) => format!("{:x}", Sha256::digest(value.as_encoded_bytes())).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn increment(State(sessions): State<Arc<Sessions>>) -> Response {
    Json(json!({ "version": sessions.version(), "count": sessions.increment() })).into_response()
}
