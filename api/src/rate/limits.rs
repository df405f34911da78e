//! How much everybody may ask, in numbers. Read by the guard; set by the binary's configuration (section `serve`, `rates`). The
//! trap avoided: a budget that honest use meets; a page of the console costs some hundred, so the smallest lets some hundreds of
//! pages through a minute, from one token.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Budget {
    /// Within a minute, all at once or evenly; it comes back evenly.
    pub per_minute: NonZeroU32,
}

/// What everybody may spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// One token.
    pub token: Budget,
    /// One user, with all of their tokens.
    pub user: Budget,
    /// One workspace: what tokens of it ask, and every change of it.
    pub workspace: Budget,
    /// One address, whoever calls from there; of IPv6 the first 64 bits.
    pub address: Budget,
    /// Bad tokens from one address.
    pub failures: Budget,
    /// Requests of one address to `/auth`: signing in, and the device flow, in which a program asks twelve times a minute.
    pub sign_in: Budget,
    /// How many proxies in front are believed about who called them.
    pub trusted_proxies: usize,
}

impl Budget {
    /// So much within a minute.
    ///
    /// # Panics
    /// On nothing: that would refuse everybody.
    pub const fn a_minute(per_minute: u32) -> Self {
        Self { per_minute: NonZeroU32::new(per_minute).expect("a budget of nothing refuses everybody") }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            token: Budget::a_minute(200_000),
            user: Budget::a_minute(400_000),
            workspace: Budget::a_minute(1_000_000),
            address: Budget::a_minute(2_000_000),
            failures: Budget::a_minute(600),
            sign_in: Budget::a_minute(300),
            trusted_proxies: 0,
        }
    }
}

impl RateLimits {
    /// For one machine, where everybody calls from the same address: a thousand times as much of everything.
    #[must_use]
    pub fn of_one_machine() -> Self {
        let wide = |budget: Budget| Budget { per_minute: budget.per_minute.saturating_mul(THOUSAND) };
        let usual = Self::default();
        Self {
            token: wide(usual.token),
            user: wide(usual.user),
            workspace: wide(usual.workspace),
            address: wide(usual.address),
            failures: wide(usual.failures),
            sign_in: wide(usual.sign_in),
            trusted_proxies: usual.trusted_proxies,
        }
    }
}

const THOUSAND: NonZeroU32 = NonZeroU32::new(1_000).expect("it is not zero");
