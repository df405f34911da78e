//! The routes. `index.html` is read from the app's own folder at every request, so that what is shown is what was packed.

use crate::{note, sessions::Sessions, socket};
use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::StatusCode,
    middleware::{self, Next},
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
        .route("/print", post(print))
        .route("/print/{key}", post(print_variable))
        .route("/api/incr", post(increment))
        .route("/_vango/ws", get(socket::accept))
        .layer(middleware::from_fn(told))
        .with_state(sessions)
}

/// A line for each request, as servers print them; not for those that only ask whether it lives.
async fn told(request: Request, next: Next) -> Response {
    let said = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    if !said.ends_with(" /health") {
        note(&format!("{said} {}", response.status().as_u16()));
    }
    response
}

/// Prints what it is sent, as it is.
async fn print(words: String) -> StatusCode {
    note(&words);
    StatusCode::NO_CONTENT
}

/// Prints a variable, as careless apps do.
async fn print_variable(Path(key): Path<String>) -> StatusCode {
    let Ok(value) = env::var(key) else { return StatusCode::NOT_FOUND };
    note(&format!("its value is {value}"));
    eprintln!("its value is {value}");
    StatusCode::NO_CONTENT
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
