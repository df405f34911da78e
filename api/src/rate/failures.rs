//! Bad tokens, by the address that showed them: past the budget the address is not heard until some of it is back, whatever it
//! shows. That spares the database; a secret of 256 bits is not guessed. The trap avoided: a check that spends; whether somebody
//! may try is asked often, and only a failure costs.

use super::{Budget, Keyed, Standing, Whose, quota, refused};
use crate::fault::Fault;
use chrono::{DateTime, Utc};
use governor::{RateLimiter, clock::Clock as _};
use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Who failed, and who is not heard.
pub(super) struct Failures {
    budget: Budget,
    spent: Keyed<IpAddr>,
    /// Until when an address is not heard.
    shut: Mutex<HashMap<IpAddr, Instant>>,
}

impl Failures {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, spent: RateLimiter::dashmap(quota(budget)).with_middleware(), shut: Mutex::default() }
    }

    pub(super) fn may_try(&self, address: IpAddr, now: DateTime<Utc>) -> Result<(), Fault> {
        let until = self.shut().get(&address).copied();
        let Some(wait) =
            until.map(|until| until.saturating_duration_since(Instant::now())).filter(|wait| !wait.is_zero())
        else {
            return Ok(());
        };
        let (limit, each) = (self.budget.per_minute.get(), quota(self.budget).replenish_interval());
        Err(refused(Standing::new(Whose::Address, limit, 1, 0, each, Some(wait), now)))
    }

    pub(super) fn failed(&self, address: IpAddr) {
        let spent = self.spent.check_key_n(&address, NonZeroU32::MIN);
        if let Err(not_yet) = spent.expect("one is no more than a budget") {
            let wait = not_yet.wait_time_from(self.spent.clock().now()).max(AT_LEAST);
            self.shut().insert(address, Instant::now() + wait);
        }
    }

    pub(super) fn forget(&self) {
        self.spent.retain_recent();
        self.spent.shrink_to_fit();
        let now = Instant::now();
        let mut shut = self.shut();
        shut.retain(|_, until| *until > now);
        shut.shrink_to_fit();
    }

    pub(super) fn remembered(&self) -> usize {
        self.spent.len() + self.shut().len()
    }

    fn shut(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an address that spent its budget is not heard, at least.
const AT_LEAST: Duration = Duration::from_secs(1);
