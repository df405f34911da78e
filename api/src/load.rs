//! How much is carried out at a time: beyond it a short queue, and beyond that an answer that says to come back, before any work
//! is done. Followers that all come in one instant take turns instead. The trap avoided: a queue without an end, in which
//! everybody waits for longer than anybody would, and the pool's own timeout then reads as a failure of ours.

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// How much at a time, in numbers: section `serve`, key `load`. A process' own, as its pool of 24 connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadLimits {
    /// Requests that are carried out.
    pub requests: NonZeroUsize,
    /// Requests that wait for that; one more is answered `OVERLOADED`.
    pub queue: usize,
    /// How long each of them waits at most.
    pub queue_milliseconds: u64,
    /// Connections and subscriptions that are opened; any number of others waits for that. As many open ones at a time are
    /// asked for whether they still stand.
    pub openings: NonZeroUsize,
}

impl Default for LoadLimits {
    /// A request has one or two connections of the pool at a time, so twice the pool keeps it busy.
    fn default() -> Self {
        let some = |count| NonZeroUsize::new(count).expect("it is not zero");
        Self { requests: some(48), queue: 256, queue_milliseconds: 2_000, openings: some(8) }
    }
}

/// What is carried out at the moment.
#[derive(Debug)]
pub struct Load {
    requests: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
    patience: Duration,
    openings: Semaphore,
    standings: Semaphore,
}

/// A place in the queue, given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    /// Nothing yet.
    pub fn new(limits: &LoadLimits) -> Self {
        Self {
            requests: Semaphore::new(limits.requests.get().min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
            patience: Duration::from_millis(limits.queue_milliseconds),
            openings: Semaphore::new(limits.openings.get().min(Semaphore::MAX_PERMITS)),
            standings: Semaphore::new(limits.openings.get().min(Semaphore::MAX_PERMITS)),
        }
    }

    /// Lets a request be carried out for as long as the permit is held, at once or after a short wait.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Fault> {
        if let Ok(permit) = self.requests.try_acquire() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before >= self.queue {
            return Err(Fault::overloaded());
        }
        match timeout(self.patience, self.requests.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Fault::overloaded()),
        }
    }

    /// Waits for one's turn to open a connection or a subscription, however many want to.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.openings.acquire().await.expect("nobody closes it")
    }

    /// Waits for one's turn to ask whether a connection still stands: a thousand that ask at once leave no room for anybody.
    pub(crate) async fn standing(&self) -> SemaphorePermit<'_> {
        self.standings.acquire().await.expect("nobody closes it")
    }
}

#[cfg(test)]
mod tests {
    //! Who is carried out, who waits, who is sent away.
    use super::*;
    use crate::fault::Code;

    fn limits(queue: usize) -> LoadLimits {
        let one = NonZeroUsize::MIN;
        LoadLimits { requests: one, queue, queue_milliseconds: 100, openings: one }
    }

    #[tokio::test(start_paused = true)]
    async fn one_too_many_is_sent_away_at_once_and_who_waits_too_long_after_a_while() {
        let load = Load::new(&limits(1));
        let first = load.enter().await.expect("there is room");
        let begun = tokio::time::Instant::now();
        let (second, third) = tokio::join!(load.enter(), async {
            let third = load.enter().await.err();
            (third.map(|fault| fault.code), begun.elapsed())
        });
        assert_eq!(third, (Some(Code::Overloaded), Duration::ZERO));
        assert_eq!(second.err().map(|fault| fault.code), Some(Code::Overloaded));
        assert_eq!(begun.elapsed(), Duration::from_millis(100));
        drop(first);
        assert!(load.enter().await.is_ok(), "places are given back");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_carried_out_when_there_is_room() {
        let load = Load::new(&limits(1));
        let first = load.enter().await.expect("there is room");
        let (second, ()) = tokio::join!(load.enter(), async { drop(first) });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn openings_take_turns_and_none_fails() {
        let load = Load::new(&limits(0));
        let begun = tokio::time::Instant::now();
        let open = || async {
            let _turn = load.turn().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        futures_util::future::join_all((0..300).map(|_| open())).await;
        assert_eq!(begun.elapsed(), Duration::from_mins(5));
    }
}
