//! The router: which path is whose. Written here, mounted by the binary. The trap avoided: a layer that forgets a path; the
//! request's name and the last panic catcher wrap all of them.

mod graphiql;
mod graphql;
mod probes;

use std::sync::Arc;

use async_graphql::Executor;
use axum::{
    Extension, Router,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    authenticate::Authenticator,
    fault::{Code, Fault},
    guard::{
        body::Refusal,
        negotiate::MediaType,
        outcome::{self, Answer},
    },
    request::{self, RequestInfo},
    settings::Exposure,
    shell::Shell,
};

/// The API's router: `/graphql` (POST, GET, WebSocket), `/graphiql` in development, `/livez`, `/readyz`, `/metrics`.
pub fn router<E: Executor, A: Authenticator>(shell: Arc<Shell<E, A>>) -> Router {
    let mut router = Router::new()
        .route("/graphql", get(graphql::get::<E, A>).post(graphql::post::<E, A>).fallback(graphql::other))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready::<E, A>))
        .route("/metrics", get(probes::metrics::<E, A>));
    if shell.settings.exposure == Exposure::Development {
        router = router.route("/graphiql", get(graphiql::page)).route("/graphiql/{file}", get(graphiql::file));
    }
    let ids = shell.ids.clone();
    router
        .fallback(unknown_path)
        .with_state(shell)
        .layer(CatchPanicLayer::custom(|_panic| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .layer(middleware::from_fn_with_state(ids, request::identify))
}

async fn unknown_path(Extension(info): Extension<RequestInfo>) -> Response {
    refuse(Fault::new(Code::NotFound, "no such path").into(), &info, MediaType::Json)
}

/// Sends a refusal as a GraphQL answer with the status it calls for.
fn refuse(refusal: Refusal, info: &RequestInfo, media: MediaType) -> Response {
    let retry_after = refusal.fault.rate.as_ref().and_then(|standing| standing.retry_after_seconds);
    let mut response = send(&outcome::refuse(refusal.fault, info), refusal.status, media);
    let headers = response.headers_mut();
    match refusal.status {
        StatusCode::METHOD_NOT_ALLOWED => headers.insert(header::ALLOW, HeaderValue::from_static("POST")),
        // The rest of the body is not read, so the connection is of no use for another request.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"))
        }
        StatusCode::UNAUTHORIZED => headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        StatusCode::TOO_MANY_REQUESTS => {
            retry_after.and_then(|seconds| headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds)))
        }
        _ => None,
    };
    response
}

fn send(answer: &Answer, status: StatusCode, media: MediaType) -> Response {
    let body = serde_json::to_vec(answer).expect("an answer has text keys and finite numbers only");
    let headers = [
        (header::CONTENT_TYPE, media.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (status, headers, body).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
