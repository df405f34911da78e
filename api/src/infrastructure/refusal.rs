//! What is answered instead: a status, a stable code and a sentence, as JSON. The trap avoided: a cause that leaves the
//! house; faults of ours are logged here, once, and answered with a bare code.

use std::error::Error;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{authenticate::AuthError, fault::Fault};

/// Why a request of an edge, a runner or an uploader was not served.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// In how many seconds it may be tried again, where that is known.
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// A parameter or a field that breaks a rule.
    pub(super) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// Something of ours does not answer at the moment; the caller tries again.
    pub(super) fn unavailable(doing: &'static str, cause: &(dyn Error + 'static)) -> Self {
        tracing::warn!(doing, error = cause, "an infrastructure request was not served");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "not at the moment; try again")
    }

    /// It took longer than such a request may.
    pub(super) fn late() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "it took too long; try again")
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable("reading the database", &error)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused => Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "the token is not valid"),
            AuthError::Unavailable(_) => Self::unavailable("checking a token", &error),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let retry_after = fault.rate.as_ref().and_then(|standing| standing.retry_after_seconds);
        Self { retry_after, ..Self::new(fault.code.status(), fault.code.as_str(), fault.message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        metrics::counter!("rhone_infrastructure_refusals_total", "code" => self.code).increment(1);
        let body = Json(json!({ "code": self.code, "message": self.message }));
        let mut response = (self.status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let seconds = HeaderValue::from(self.retry_after.unwrap_or(1));
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        response
    }
}
