//! How the scarcest of the caller's budgets stands after this request. Spent before anything runs, so it costs no statement.

use crate::rate::{Standing, Whose};
use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

/// Whose budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Whose")]
pub(crate) enum RateLimitOf {
    /// The token that was shown.
    Token,
    /// Its holder, with all of their tokens.
    User,
    /// The workspace, for a token of one.
    Workspace,
    /// The address it comes from.
    Address,
}

/// The budget of which least is left. Cost is counted within a minute and comes back evenly; a document costs its selections
/// times the rows of their pages, fields that judge or fold many streams 20 to 200 more, and every accepted change 50. Every
/// API process counts by itself.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RateLimit {
    /// Whose.
    of: RateLimitOf,
    /// What may be spent within a minute.
    limit: i64,
    /// What this document costs.
    cost: i64,
    /// What is left of it.
    remaining: i64,
    /// When all of it will be there again.
    reset_at: DateTime<Utc>,
}

impl From<&Standing> for RateLimit {
    fn from(standing: &Standing) -> Self {
        Self {
            of: standing.whose.into(),
            limit: standing.limit.into(),
            cost: standing.cost.into(),
            remaining: standing.remaining.into(),
            reset_at: standing.reset_at,
        }
    }
}
