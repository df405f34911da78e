//! How a budget stands after a request, as callers get it: in the extensions of a refusal and from `rateLimit`. The trap
//! avoided: a client that waits too short and is refused again; whole seconds are rounded up.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};
use std::time::Duration;

/// Whose budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A token's.
    Token,
    /// A user's.
    User,
    /// A workspace's.
    Workspace,
    /// An address's.
    Address,
}

impl Whose {
    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::User => "user",
            Self::Workspace => "workspace",
            Self::Address => "address",
        }
    }
}

impl Serialize for Whose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How a budget stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Whose.
    pub whose: Whose,
    /// What may be spent within a minute.
    pub limit: u32,
    /// What this request costs.
    pub cost: u32,
    /// What is left.
    pub remaining: u32,
    /// When all of it will be there again.
    pub reset_at: DateTime<Utc>,
    /// When the same request would be let through, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl Standing {
    pub(super) fn new(
        whose: Whose,
        limit: u32,
        cost: u32,
        remaining: u32,
        each: Duration,
        wait: Option<Duration>,
        now: DateTime<Utc>,
    ) -> Self {
        let full_in = each.saturating_mul(limit.saturating_sub(remaining));
        let reset_at = TimeDelta::from_std(full_in).ok().and_then(|full_in| now.checked_add_signed(full_in));
        let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self {
            whose,
            limit,
            cost,
            remaining,
            reset_at: reset_at.unwrap_or(now),
            retry_after_seconds: wait.map(|wait| seconds(wait).max(1)),
        }
    }

    /// Of two the one of which less is left.
    pub(super) fn scarcer(self, other: Self) -> Self {
        let share = |one: &Self| u64::from(one.remaining) * 1_000_000 / u64::from(one.limit.max(1));
        if share(&other) < share(&self) { other } else { self }
    }
}
