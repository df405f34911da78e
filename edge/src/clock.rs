//! The edge's one source of time, ids and chance. Everything else is handed a value, so that rules can be tested at any
//! moment. The trap: wall-clock time jumps, so intervals are measured by [`millis`], which only rises.

use chrono::{DateTime, Utc};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the edge's one reading of the clock")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A new id.
#[expect(clippy::disallowed_methods, reason = "this is the edge's one source of ids")]
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// Milliseconds since the process first asked, plus one: never 0, never falling.
pub(crate) fn millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// Bytes nobody can guess.
pub(crate) fn secret<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has entropy");
    bytes
}

/// A moment within `spread`, evenly.
pub(crate) fn jitter(spread: Duration) -> Duration {
    let Ok(nanos) = u64::try_from(spread.as_nanos()) else {
        return spread;
    };
    Duration::from_nanos(u64::from_be_bytes(secret()) % nanos.max(1))
}

/// Cheap numbers for choices that nobody attacks, and request ids that never repeat within a boot; no lock, no system call.
#[derive(Debug)]
pub(crate) struct Dice {
    boot: u64,
    next: AtomicU64,
}

impl Dice {
    /// Dice of this boot.
    pub(crate) fn new() -> Self {
        Self { boot: u64::from_be_bytes(secret()), next: AtomicU64::new(0) }
    }

    /// The next number, well mixed.
    pub(crate) fn roll(&self) -> u64 {
        let mut x = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(self.boot);
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// An id for a request that brought none.
    pub(crate) fn request_id(&self) -> String {
        format!("{:016x}{:016x}", self.boot, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    //! Chance where it is a promise.
    use super::*;

    /// How many of a thousand moments lie in each fifth of five seconds.
    fn fifths(moment: impl Fn(Duration) -> Duration) -> [usize; 5] {
        let mut fifths = [0; 5];
        for _ in 0..1_000 {
            let moment = moment(Duration::from_secs(5));
            assert!(moment < Duration::from_secs(5), "{moment:?}");
            fifths[usize::try_from(moment.as_secs()).expect("below five")] += 1;
        }
        fifths
    }

    /// By chance a fifth would have less than a hundred once in 10^16 runs.
    #[test]
    fn a_crowd_is_spread_over_the_whole_time() {
        let spread = |fifths: [usize; 5]| fifths.iter().all(|count| *count > 100);
        assert!(spread(fifths(jitter)), "{:?}", fifths(jitter));
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
        // The sins: all at once, and all in the first half.
        assert!(!spread(fifths(|_| Duration::ZERO)), "it is caught above");
        assert!(!spread(fifths(|span| jitter(span / 2))), "it is caught above");
    }
}
