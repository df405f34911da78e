//! Waiting for news on behalf of a caller: until the bell rings or a tenth of a second has passed, whichever is first, and
//! no longer than the caller asked. The trap avoided: a ring between the reading and the waiting; the bell is looked at first.

use std::time::Duration;

use rhone_eventstore::Bell;
use tokio::{sync::watch, time::Instant};

/// Nobody is kept waiting longer, whatever is asked.
const LONGEST: Duration = Duration::from_secs(25);
/// A ring may be lost: the bus is a hint.
const POLL: Duration = Duration::from_millis(100);

/// One caller's patience.
pub(super) struct Waiting {
    bell: watch::Receiver<u64>,
    until: Instant,
}

impl Waiting {
    pub(super) fn new(bell: &Bell, wait_ms: u64) -> Self {
        let wait = Duration::from_millis(wait_ms).min(LONGEST);
        Self { bell: bell.listen(), until: Instant::now() + wait }
    }

    /// Call before each reading: what rings from here on is heard.
    pub(super) fn look(&mut self) {
        self.bell.borrow_and_update();
    }

    /// Waits for the next reading; false when the time is over.
    pub(super) async fn again(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return false;
        }
        let _ = tokio::time::timeout_at((now + POLL).min(self.until), self.bell.changed()).await;
        true
    }
}

#[cfg(test)]
mod tests {
    //! Patience has an end, and a ring is heard.
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_limit() {
        let begun = Instant::now();
        let mut waiting = Waiting::new(&Bell::default(), u64::MAX);
        while waiting.again().await {}
        assert_eq!(begun.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_between_reading_and_waiting_is_heard() {
        let bell = Bell::default();
        let mut waiting = Waiting::new(&bell, 10_000);
        waiting.look();
        bell.ring();
        let begun = Instant::now();
        assert!(waiting.again().await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_patience_there_is_one_reading() {
        assert!(!Waiting::new(&Bell::default(), 0).again().await);
    }
}
