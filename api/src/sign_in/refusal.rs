//! Why somebody was not let in: a status, a stable code and a sentence, as a page for people and as JSON for programs. The trap
//! avoided: repeating what GitHub or a link said; every sentence is ours.

use super::page;
use crate::fault::Fault;
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::error::Error;

/// Why somebody was not let in.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
    after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, after: None }
    }

    /// Begun in another browser, too long ago, twice, or never: which of them is not the caller's business.
    pub(super) fn stale_sign_in() -> Self {
        let message = "this sign-in was not begun in this browser, was used, or took too long: begin again";
        Self::new(StatusCode::BAD_REQUEST, "SIGN_IN_EXPIRED", message)
    }

    /// Nobody is signed in.
    pub(super) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "sign in first")
    }

    /// Something of ours does not answer.
    pub(super) fn unavailable(doing: &'static str, cause: &(dyn Error + 'static)) -> Self {
        tracing::warn!(doing, error = cause, "a sign-in was not served");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "not at the moment; try again").after(1)
    }

    /// After how many seconds it is worth trying again.
    pub(super) fn after(self, seconds: u32) -> Self {
        Self { after: Some(seconds), ..self }
    }

    /// As a page when a browser asks for one, else as JSON.
    pub(super) fn answer(self, asked: &HeaderMap) -> Response {
        metrics::counter!("rhone_sign_in_refusals_total", "code" => self.code).increment(1);
        let wants_page = asked.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let mut response = if wants_page.is_some_and(|accept| accept.contains("text/html")) {
            page::refused(self.status, self.code, &self.message)
        } else {
            let body = json!({ "code": self.code, "message": self.message, "field": self.field });
            (self.status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        };
        if let Some(seconds) = self.after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let refusal = Self::new(fault.code.status(), fault.code.as_str(), fault.message);
        Self { field: fault.field.map(Into::into), ..refusal }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable("asking the database", &error)
    }
}
