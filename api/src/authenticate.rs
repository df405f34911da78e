//! The hook through which the API learns who calls: by a bearer token, or by a browser's cookie. The tables are someone else's;
//! this file owns only the questions. The traps avoided: "the database is away" must not read as "the token is bad", so the
//! two are different answers; and a request that shows both is judged by its token alone.

use std::{error::Error, future::Future};

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::{
    fault::{Code, Fault},
    rate::Accountable,
    sign_in::cookie,
};

/// Says who a bearer token is, and whether it still is.
pub trait Authenticator: Send + Sync + 'static {
    /// The caller as resolvers see it; put into each request's context.
    type Actor: Accountable + Clone + Send + Sync + 'static;

    /// Who presents this token (without `Bearer `).
    fn authenticate(&self, bearer: &str) -> impl Future<Output = Result<Self::Actor, AuthError>> + Send;

    /// Who a browser's session cookie belongs to. Nobody, unless sessions are kept.
    fn session(&self, _cookie: &str) -> impl Future<Output = Result<Self::Actor, AuthError>> + Send {
        std::future::ready(Err(AuthError::Refused))
    }

    /// The cookie that replaces the one that was shown, as a header, if it must be replaced.
    fn renewed(&self, _actor: &Self::Actor) -> impl Future<Output = Option<HeaderValue>> + Send {
        std::future::ready(None)
    }

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

/// What an HTTP request shows.
#[derive(Clone, Copy)]
pub(crate) enum Credential<'a> {
    /// A token.
    Bearer(&'a str),
    /// The cookie of a session, which a browser adds by itself: whoever takes it asks where the page is from.
    Session(&'a str),
}

/// What an HTTP request shows; its token counts, if it has one.
pub(crate) fn credential_of(headers: &HeaderMap) -> Result<Credential<'_>, Fault> {
    match cookie::value(headers, cookie::SESSION) {
        Some(session) if !headers.contains_key(AUTHORIZATION) => Ok(Credential::Session(session)),
        Some(_) | None => bearer_of(headers).map(Credential::Bearer),
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
