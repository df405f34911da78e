//! Faults: what a request did wrong, or what broke, as a code from a closed list. Written by the guard and by resolvers,
//! read only by `guard::outcome`, which strips the cause before anything leaves. The trap avoided: async-graphql turns any
//! error into its text, so an untyped `?` in a resolver would otherwise publish database messages.

use std::{borrow::Cow, error::Error, sync::Arc};

use async_graphql::ServerError;
use axum::http::StatusCode;

use crate::rate::Standing;

/// The closed list of fault codes: `errors[].extensions.code` is one of these and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// No token, or one that is unknown, expired or revoked.
    Unauthenticated,
    /// The actor, or the page it came from, may not do this.
    Forbidden,
    /// No such thing, or none that this actor may see.
    NotFound,
    /// A field broke a rule; `field` and `rule` name both.
    BadUserInput,
    /// Someone else changed it first.
    Conflict,
    /// Too many at a time, or too much for a budget.
    RateLimited,
    /// More at a time than this process carries out. A mutation may have taken place before its answer could be read, so it is
    /// worth trying again under its key.
    Overloaded,
    /// The document is larger, deeper or more expensive than the limits allow.
    QueryTooComplex,
    /// The persisted document is not on the list.
    PersistedQueryNotFound,
    /// Our failure; the log has the cause under the same request id.
    Internal,
}

impl Code {
    /// Every code, in the order the documentation lists them.
    pub const ALL: [Self; 10] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::BadUserInput,
        Self::Conflict,
        Self::RateLimited,
        Self::Overloaded,
        Self::QueryTooComplex,
        Self::PersistedQueryNotFound,
        Self::Internal,
    ];

    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::Internal => "INTERNAL",
        }
    }

    /// What it says, for the reference.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unauthenticated => "no token, or one that is unknown, expired or revoked.",
            Self::Forbidden => "the caller, or the page that it came from, may not do this.",
            Self::NotFound => "no such thing, or none that the caller may see.",
            Self::BadUserInput => "a field broke a rule; `field` and `rule` name both.",
            Self::Conflict => "somebody else was faster, or `rule` says `NOT_REACHED` or `RESYNC`.",
            Self::RateLimited => "too many at a time, or too much for a budget; `Retry-After` says when to come again.",
            Self::Overloaded => {
                "more than this process carries out; come again when `Retry-After` says, with a mutation under the key it had."
            }
            Self::QueryTooComplex => "the document is larger, deeper or dearer than the limits allow.",
            Self::PersistedQueryNotFound => "the persisted document is not on the list.",
            Self::Internal => "ours; the log has the cause under the same `requestId`.",
        }
    }

    /// The HTTP status when the fault is the whole answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadUserInput | Self::QueryTooComplex | Self::PersistedQueryNotFound => StatusCode::BAD_REQUEST,
            Self::Conflict => StatusCode::CONFLICT,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A fault on its way out. `?` turns it into an `async_graphql::Error` that still carries it whole.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Which of the closed list.
    pub code: Code,
    /// The sentence a client reads; never holds a cause.
    pub message: Cow<'static, str>,
    /// The input field at fault.
    pub field: Option<Cow<'static, str>>,
    /// The rule it broke.
    pub rule: Option<Cow<'static, str>>,
    /// How the budget stands that refused it.
    pub rate: Option<Arc<Standing>>,
    /// What lay underneath: logged, never sent.
    #[source]
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with a code and a public sentence.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None, rule: None, rate: None, cause: None }
    }

    /// A field that broke a rule.
    pub fn bad_input(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        let (field, rule) = (field.into(), rule.into());
        let message = format!("{field}: {rule}");
        Self { field: Some(field), rule: Some(rule), ..Self::new(Code::BadUserInput, message) }
    }

    /// A document over one of the limits; `rule` says which and how far.
    pub fn too_complex(rule: impl Into<Cow<'static, str>>) -> Self {
        let rule = rule.into();
        Self {
            field: Some("query".into()),
            rule: Some(rule.clone()),
            ..Self::new(Code::QueryTooComplex, format!("query: {rule}"))
        }
    }

    /// Something of ours broke; the cause goes to the log only. No free connection in time is no failure, but too much to do.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        let fault =
            if found_no_connection(&cause) { Self::overloaded() } else { Self::new(Code::Internal, INTERNAL_MESSAGE) };
        Self { cause: Some(Arc::new(cause)), ..fault }
    }

    /// More to do than can be done at a time.
    pub(crate) fn overloaded() -> Self {
        metrics::counter!("rhone_overloaded_total").increment(1);
        Self::new(Code::Overloaded, "more is asked than this process carries out at a time; try again in a moment")
    }

    /// The same fault as async-graphql carries it, for the places that answer before it executes.
    pub(crate) fn into_server_error(self) -> ServerError {
        let mut error = ServerError::new(self.message.to_string(), None);
        error.source = Some(Arc::new(self));
        error
    }
}

/// Whether a pool had no connection to give, at the bottom of what went wrong; loaders hand their errors on in an `Arc`.
fn found_no_connection(cause: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(cause);
    while let Some(error) = cause {
        let shared = error.downcast_ref::<Arc<sqlx::Error>>().map(AsRef::as_ref);
        if let Some(sqlx::Error::PoolTimedOut) = error.downcast_ref::<sqlx::Error>().or(shared) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// All that a client learns of a failure of ours, besides the request id.
pub(crate) const INTERNAL_MESSAGE: &str = "internal error";
