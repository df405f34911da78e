//! How much may be asked, by cost and not by request: a budget for every token, user, workspace and address, refilled evenly. A
//! document costs what the guard weighs it at; every change costs more on top. The budgets are this process's own: several API
//! processes grant as many times as much. The traps avoided: a caller refused at one budget who has already spent the wider ones
//! (they are asked from the narrowest to the widest); a map that grows with every address that ever called (`forget`).

mod address;
mod failures;
mod limits;
mod standing;

pub(crate) use address::address_of;
pub use limits::{Budget, RateLimits};
pub use standing::{Standing, Whose};

use crate::fault::{Code, Fault};
use chrono::{DateTime, Utc};
use failures::Failures;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use std::{fmt, hash::Hash, net::IpAddr, num::NonZeroU32, sync::Arc};
use uuid::Uuid;

/// What a change costs besides what its document weighs: it folds, judges and appends.
pub(crate) const CHANGE: u32 = 50;

/// On whose accounts a caller's cost goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The token that was shown.
    pub token: Uuid,
    /// Whoever showed it.
    pub user: Uuid,
    /// The workspace, where the token is of one.
    pub workspace: Option<Uuid>,
}

/// Who can be held to budgets.
pub trait Accountable {
    /// On whose accounts the cost goes.
    fn accounts(&self) -> Accounts;
}

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The budgets of one kind.
struct Budgets<K: Hash + Eq + Clone> {
    whose: Whose,
    budget: Budget,
    kept: Keyed<K>,
}

/// All budgets of this process.
pub struct Rates {
    tokens: Budgets<Uuid>,
    users: Budgets<Uuid>,
    workspaces: Budgets<Uuid>,
    addresses: Budgets<IpAddr>,
    sign_in: Budgets<IpAddr>,
    failures: Failures,
    trusted_proxies: usize,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rates")
    }
}

impl Rates {
    /// All of them full; `now` tells the wall clock's time, for what is shown.
    pub fn new(limits: &RateLimits, now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self {
            tokens: Budgets::new(Whose::Token, limits.token),
            users: Budgets::new(Whose::User, limits.user),
            workspaces: Budgets::new(Whose::Workspace, limits.workspace),
            addresses: Budgets::new(Whose::Address, limits.address),
            sign_in: Budgets::new(Whose::Address, limits.sign_in),
            failures: Failures::new(limits.failures),
            trusted_proxies: limits.trusted_proxies,
            now: Box::new(now),
        }
    }

    /// How many proxies stand in front and are believed.
    pub(crate) fn trusted_proxies(&self) -> usize {
        self.trusted_proxies
    }

    /// Spends the cost of a document, or says by when it could be. What is answered is the scarcest of the budgets.
    pub(crate) fn spend(&self, accounts: Accounts, address: Option<IpAddr>, cost: u32) -> Result<Standing, Fault> {
        let now = (self.now)();
        let mut standing = self.tokens.spend(&accounts.token, cost, now)?;
        standing = standing.scarcer(self.users.spend(&accounts.user, cost, now)?);
        if let Some(workspace) = accounts.workspace {
            standing = standing.scarcer(self.workspaces.spend(&workspace, cost, now)?);
        }
        if let Some(address) = address {
            standing = standing.scarcer(self.addresses.spend(&address::keyed(address), cost, now)?);
        }
        Ok(standing)
    }

    /// Spends what a change costs on top, once it is known of which workspace it is.
    pub(crate) fn spend_change(&self, accounts: Accounts, workspace: Uuid) -> Result<(), Fault> {
        self.spend_refusal(accounts)?;
        self.workspaces.spend(&workspace, CHANGE, (self.now)()).map(drop)
    }

    /// What the rules refuse is judged and put on record as well, and costs whoever asks as much. It costs the workspace nothing:
    /// somebody who may do nothing there would use up what those have who may.
    pub(crate) fn spend_refusal(&self, accounts: Accounts) -> Result<(), Fault> {
        let now = (self.now)();
        self.tokens.spend(&accounts.token, CHANGE, now)?;
        self.users.spend(&accounts.user, CHANGE, now).map(drop)
    }

    /// Spends one request to `/auth`, whoever makes it: nobody is known there yet.
    pub(crate) fn spend_sign_in(&self, address: Option<IpAddr>) -> Result<(), Fault> {
        let now = (self.now)();
        address.map_or(Ok(()), |address| self.sign_in.spend(&address::keyed(address), 1, now).map(drop))
    }

    /// Whether an address may show a token at all: it may not while it keeps showing bad ones.
    pub(crate) fn may_try(&self, address: Option<IpAddr>) -> Result<(), Fault> {
        let now = (self.now)();
        address.map_or(Ok(()), |address| self.failures.may_try(address::keyed(address), now))
    }

    /// A bad token was shown from there.
    pub(crate) fn failed(&self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.failures.failed(address::keyed(address));
        }
    }

    /// Forgets whoever's budget is full again. To be called every few seconds; what is kept is then bounded by who called since.
    pub fn forget(&self) {
        self.tokens.forget();
        self.users.forget();
        self.workspaces.forget();
        self.addresses.forget();
        self.sign_in.forget();
        self.failures.forget();
    }

    /// How many budgets are remembered.
    pub fn remembered(&self) -> usize {
        let budgets = self.tokens.kept.len() + self.users.kept.len() + self.workspaces.kept.len();
        budgets + self.addresses.kept.len() + self.sign_in.kept.len() + self.failures.remembered()
    }
}

/// The budget that refills evenly within a minute.
fn quota(budget: Budget) -> Quota {
    Quota::per_minute(budget.per_minute).allow_burst(budget.per_minute)
}

impl<K: Hash + Eq + Clone> Budgets<K> {
    fn new(whose: Whose, budget: Budget) -> Self {
        Self { whose, budget, kept: RateLimiter::dashmap(quota(budget)).with_middleware() }
    }

    /// What costs more than a whole budget costs a whole one: it is refused by the guard, not here.
    fn spend(&self, key: &K, cost: u32, now: DateTime<Utc>) -> Result<Standing, Fault> {
        let limit = self.budget.per_minute.get();
        let cost = NonZeroU32::new(cost.min(limit)).unwrap_or(NonZeroU32::MIN);
        let each = quota(self.budget).replenish_interval();
        let standing = |remaining, wait| Standing::new(self.whose, limit, cost.get(), remaining, each, wait, now);
        match self.kept.check_key_n(key, cost).expect("no cost is above the burst, which is a minute's budget") {
            Ok(left) => Ok(standing(left.remaining_burst_capacity(), None)),
            Err(not_yet) => {
                let wait = not_yet.wait_time_from(self.kept.clock().now());
                // What is missing is what comes back while one waits; the rest is there.
                let missing = u32::try_from(wait.as_nanos().div_ceil(each.as_nanos().max(1))).unwrap_or(u32::MAX);
                Err(refused(standing(cost.get().saturating_sub(missing), Some(wait))))
            }
        }
    }

    fn forget(&self) {
        self.kept.retain_recent();
        self.kept.shrink_to_fit();
    }
}

fn refused(standing: Standing) -> Fault {
    metrics::counter!("rhone_rate_limited_total", "whose" => standing.whose.as_str()).increment(1);
    let message = format!(
        "the budget of this {} is spent: {} of {} a minute are left, and this costs {}",
        standing.whose.as_str(),
        standing.remaining,
        standing.limit,
        standing.cost
    );
    Fault { rate: Some(Arc::new(standing)), ..Fault::new(Code::RateLimited, message) }
}

#[cfg(test)]
mod tests;
