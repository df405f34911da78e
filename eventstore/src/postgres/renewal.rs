//! When a connection of a pool has lived for long enough. The trap avoided: connections that were opened in one instant, at a start
//! or in a burst, and end in one, too. Whoever calls then waits until all of them are opened, and every statement planned anew.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// From then on it is the next to go: a session of PostgreSQL keeps what it has learned, and grows.
const OLD: Duration = Duration::from_mins(30);
/// One of them goes in this time.
const APART: Duration = Duration::from_mins(1);

/// When one of a pool went last.
#[derive(Debug, Default)]
pub(super) struct Renewal(Mutex<Option<Instant>>);

impl Renewal {
    /// Whether one that is as old as that is kept after its use.
    pub(super) fn keeps(&self, age: Duration, now: Instant) -> bool {
        if age < OLD {
            return true;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.saturating_duration_since(last) < APART) {
            return true;
        }
        *last = Some(now);
        false
    }
}

#[cfg(test)]
mod tests {
    //! Twenty-four that were opened in one instant.
    use super::*;

    const POOL: u32 = 24;

    /// How many are ended by what says whether one is kept, all of them used once a second for so long after they grew old.
    fn ended(length: Duration, keeps: impl Fn(Duration, Instant) -> bool) -> Vec<u32> {
        let opened = Instant::now();
        let mut left = POOL;
        let mut ended = Vec::new();
        for second in 0..length.as_secs() {
            let age = OLD + Duration::from_secs(second);
            let now = (0..left).filter(|_| !keeps(age, opened + age)).count();
            let now = u32::try_from(now).expect("few");
            left -= now;
            ended.push(now);
        }
        ended
    }

    #[test]
    fn connections_of_one_age_end_one_after_the_other() {
        let renewal = Renewal::default();
        let ended_by_us = ended(APART * POOL, |age, now| renewal.keeps(age, now));
        assert_eq!(ended_by_us.iter().max(), Some(&1), "two at once");
        assert_eq!(ended_by_us.iter().sum::<u32>(), POOL, "each has its turn");
        // The sin: an age by itself, which is what the library has.
        assert_eq!(ended(APART, |age, _| age < OLD).first(), Some(&POOL), "it is caught above");
    }

    #[test]
    fn a_young_one_is_kept() {
        let renewal = Renewal::default();
        assert!(renewal.keeps(OLD / 2, Instant::now()));
        assert!(!renewal.keeps(OLD, Instant::now()), "it would not go");
    }
}
