//! The hook through which the API learns who calls. The tokens' table is someone else's; this file owns only the questions.
//! The trap avoided: "the database is away" must not read as "the token is bad", so the two are different answers.

use std::{error::Error, future::Future};

use axum::http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    fault::{Code, Fault},
    rate::Accountable,
};

/// Says who a bearer token is, and whether it still is.
pub trait Authenticator: Send + Sync + 'static {
    /// The caller as resolvers see it; put into each request's context.
    type Actor: Accountable + Clone + Send + Sync + 'static;

    /// Who presents this token (without `Bearer `).
    fn authenticate(&self, bearer: &str) -> impl Future<Output = Result<Self::Actor, AuthError>> + Send;

    /// Whether the token behind an open connection still stands; asked every `Settings::recheck_interval`.
    fn still_valid(&self, actor: &Self::Actor) -> impl Future<Output = Result<(), AuthError>> + Send;
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Unknown, expired or revoked: which of them is not the caller's business.
    #[error("the token is not valid")]
    Refused,
    /// Nobody can say at the moment.
    #[error("checking the token")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused => Self::new(Code::Unauthenticated, "the token is not valid"),
            AuthError::Unavailable(_) => Self::internal(error),
        }
    }
}

/// The token of an HTTP request.
pub fn bearer_of(headers: &HeaderMap) -> Result<&str, Fault> {
    let missing = || Fault::new(Code::Unauthenticated, "a bearer token is required");
    let value = headers.get(AUTHORIZATION).ok_or_else(missing)?;
    value.to_str().ok().and_then(bearer_in).ok_or_else(missing)
}

/// The token in `Bearer <token>`; the scheme's case does not matter (RFC 9110, section 11.1).
pub(crate) fn bearer_in(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
