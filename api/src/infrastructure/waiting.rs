//! Waiting for news on behalf of a caller: until the bell rings or a tenth of a second has passed, whichever is first, and
//! no longer than the caller asked, nor once this process is about to end. The trap avoided: a ring between the reading and the waiting; the bell is looked at first.

use std::time::Duration;

use rhone_eventstore::Bell;
use tokio::{sync::watch, time::Instant};

use super::Infrastructure;
use crate::readiness::Readiness;

/// Nobody is kept waiting longer, whatever is asked.
const LONGEST: Duration = Duration::from_secs(25);
/// A ring may be lost: the bus is a hint.
const POLL: Duration = Duration::from_millis(100);

/// One caller's patience.
pub(super) struct Waiting<'a> {
    readiness: &'a Readiness,
    bell: watch::Receiver<u64>,
    until: Instant,
}

impl<'a> Waiting<'a> {
    pub(super) fn of(infrastructure: &'a Infrastructure, wait_ms: u64) -> Self {
        Self::new(&infrastructure.bell, &infrastructure.readiness, wait_ms)
    }

    fn new(bell: &Bell, readiness: &'a Readiness, wait_ms: u64) -> Self {
        let wait = Duration::from_millis(wait_ms).min(LONGEST);
        Self { readiness, bell: bell.listen(), until: Instant::now() + wait }
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
        tokio::select! {
            // First: who is to end must not wait for a poll.
            biased;
            () = self.readiness.drained() => false,
            _ = tokio::time::timeout_at((now + POLL).min(self.until), self.bell.changed()) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Patience has an end, and a ring is heard.
    use super::*;

    fn ready() -> Readiness {
        Readiness::new(vec![])
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_to_end_keeps_nobody_waiting() {
        let (bell, readiness) = (Bell::default(), ready());
        let mut waiting = Waiting::new(&bell, &readiness, 10_000);
        assert!(waiting.again().await);
        readiness.drain();
        assert!(!waiting.again().await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_limit() {
        let (bell, readiness) = (Bell::default(), ready());
        let begun = Instant::now();
        let mut waiting = Waiting::new(&bell, &readiness, u64::MAX);
        while waiting.again().await {}
        assert_eq!(begun.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_between_reading_and_waiting_is_heard() {
        let (bell, readiness) = (Bell::default(), ready());
        let mut waiting = Waiting::new(&bell, &readiness, 10_000);
        waiting.look();
        bell.ring();
        let begun = Instant::now();
        assert!(waiting.again().await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_patience_there_is_one_reading() {
        assert!(!Waiting::new(&Bell::default(), &ready(), 0).again().await);
    }
}
