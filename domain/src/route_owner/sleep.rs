//! The posture of a route: asleep or serving, within the same epoch and for the same owner. Written by the operations that put
//! an environment to sleep and wake it. Trap: "wake stampede"; every sleep has a generation, and whoever asks for a wake names
//! it, so that however many ask, one wake follows.

use super::{Event, Rejection, RouteOwner};
use crate::{
    ids::OperationId,
    numbers::{Epoch, SleepGeneration},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long after a first failed wake nobody asks again; twice as long after each further one.
const FIRST_REST: TimeDelta = TimeDelta::seconds(5);
/// And at most so long.
const LONGEST_REST: TimeDelta = TimeDelta::minutes(5);

/// A sleeping route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asleep {
    /// Which sleep; a wake that failed begins another one.
    pub generation: SleepGeneration,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Which operation made it so: the sleep, or the wake that failed.
    pub by: OperationId,
    /// How many wakes have failed since it fell asleep.
    pub failed_wakes: u32,
    /// When the next wake may be asked for, after one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

/// A route that slept in this epoch and serves again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awake {
    /// From which sleep.
    pub generation: SleepGeneration,
    /// Since when.
    pub since: DateTime<Utc>,
    /// By which wake.
    pub by: OperationId,
}

/// A change of posture that an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which operation.
    pub by: OperationId,
    /// The epoch it was decided on.
    pub expected: Epoch,
    /// The sleep it is about: the one to begin, or the one to end.
    pub generation: SleepGeneration,
    /// When.
    pub at: DateTime<Utc>,
}

impl RouteOwner {
    /// Which sleep a route would begin now.
    pub fn next_sleep(&self) -> SleepGeneration {
        self.sleep_generation.next()
    }

    /// Whether a route may go to sleep, decided on this epoch.
    pub fn may_sleep(&self, expected: Epoch) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        if self.owner.is_none() {
            return Err(Rejection::NothingToSleep);
        }
        match &self.asleep {
            Some(asleep) => Err(Rejection::Asleep { generation: asleep.generation }),
            None => Ok(()),
        }
    }

    /// Whether this sleep may end, decided on this epoch.
    pub fn may_wake(&self, expected: Epoch, generation: SleepGeneration) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        match &self.asleep {
            None => Err(Rejection::NotAsleep),
            Some(asleep) if asleep.generation == generation => Ok(()),
            Some(asleep) => Err(Rejection::StaleSleep { expected: generation, actual: asleep.generation }),
        }
    }

    pub(super) fn sleep(&self, turn: Turn) -> Result<Vec<Event>, Rejection> {
        if self.asleep.as_ref().is_some_and(|asleep| asleep.by == turn.by) {
            return Ok(vec![]);
        }
        self.may_sleep(turn.expected)?;
        if turn.generation != self.next_sleep() {
            return Err(Rejection::StaleSleep { expected: turn.generation, actual: self.next_sleep() });
        }
        Ok(vec![Event::Slept { by: turn.by, sleep_generation: turn.generation, at: turn.at }])
    }

    pub(super) fn wake(&self, turn: Turn) -> Result<Vec<Event>, Rejection> {
        if self.awake.as_ref().is_some_and(|awake| awake.by == turn.by) {
            return Ok(vec![]);
        }
        self.may_wake(turn.expected, turn.generation)?;
        Ok(vec![Event::Woken { by: turn.by, sleep_generation: turn.generation, at: turn.at }])
    }

    pub(super) fn fail_wake(&self, turn: Turn) -> Result<Vec<Event>, Rejection> {
        if self.asleep.as_ref().is_some_and(|asleep| asleep.by == turn.by) {
            return Ok(vec![]);
        }
        self.may_wake(turn.expected, turn.generation)?;
        let failed = self.asleep.as_ref().map_or(0, |asleep| asleep.failed_wakes);
        // 2^6 times the first rest is past the longest already.
        let rest = (FIRST_REST * (1 << failed.min(6))).min(LONGEST_REST);
        Ok(vec![Event::WakeFailed {
            by: turn.by,
            sleep_generation: self.next_sleep(),
            at: turn.at,
            retry_at: turn.at + rest,
        }])
    }

    pub(super) fn fall_asleep(&mut self, asleep: Asleep) {
        self.sleep_generation = asleep.generation;
        self.awake = None;
        self.asleep = Some(asleep);
    }
}
