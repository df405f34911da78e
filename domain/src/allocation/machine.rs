//! The life of an allocation as one table: every transition it may take. What is not in it is refused; news that is older than
//! what is known changes nothing. Gates: `starting` and `ready` only with the ordered digest, as the runner computed it, and, which
//! is the runner's own gate, with the whole set of variables on its host (`runner/src/keeper.rs: run`; without it, `secret_missing`);
//! `ready` only after the process answered on its health path; `stopped` only after `draining`, which carries a deadline.
//! Trap: an allocation that is ready without ever having been verified.

use super::{Event, Rejection, State};
use State::{Draining, Failed, Planned, Pulling, Ready, Starting, Stopped};

/// Every transition, each from and to.
pub const TRANSITIONS: &[(State, State)] = &[
    (Planned, Pulling),
    (Planned, Draining),
    (Planned, Failed),
    (Pulling, Starting),
    (Pulling, Draining),
    (Pulling, Failed),
    (Starting, Ready),
    (Starting, Draining),
    (Starting, Failed),
    (Ready, Draining),
    (Ready, Failed),
    (Draining, Stopped),
    (Draining, Failed),
];

impl State {
    /// Whether `to` may follow.
    pub fn may_become(self, to: Self) -> bool {
        TRANSITIONS.contains(&(self, to))
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        !TRANSITIONS.iter().any(|(from, _)| *from == self)
    }
}

/// A step forward; a report that says what is so already is no event, nor is older news of a runner that repeats itself.
pub(super) fn step(from: State, to: State, event: Event) -> Result<Vec<Event>, Rejection> {
    if from.may_become(to) {
        Ok(vec![event])
    } else if to <= from && (to == from || !from.is_final()) {
        Ok(vec![])
    } else {
        Err(Rejection::NotFrom { from, to })
    }
}
