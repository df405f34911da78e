//! How often one address may come to `/auth`: before anything is read, asked of the database, or asked of GitHub. The trap avoided:
//! a limit by what callers say of themselves; they are nobody yet, so only where they are counts.

use super::refusal::Refusal;
use crate::{
    fault::Fault,
    rate::{Rates, address_of},
};
use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use std::sync::Arc;

/// Lets a request on, or says when to come again.
pub(super) async fn spend(State(rates): State<Arc<Rates>>, request: Request, next: Next) -> Response {
    let address = address_of(request.headers(), request.extensions(), rates.trusted_proxies());
    match rates.spend_sign_in(address) {
        Ok(()) => next.run(request).await,
        Err(fault) => refused(fault, &request),
    }
}

/// To a program in the words of RFC 8628, so that it asks less often; to everybody else as any other refusal here.
fn refused(fault: Fault, request: &Request) -> Response {
    let seconds = fault.rate.as_ref().and_then(|standing| standing.retry_after_seconds).unwrap_or(1);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    if !request.uri().path().starts_with("/auth/device/") {
        return Refusal::from(fault).after(seconds).answer(request.headers());
    }
    let body = json!({ "error": "slow_down", "error_description": fault.message });
    let headers = [
        (header::RETRY_AFTER, HeaderValue::from(seconds)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}
