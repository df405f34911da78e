//! The app's state, in memory only: how many sockets are open, how many ever were, and what it was told to count. It dies
//! with the process; that is the point of the example.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All is well.
    Serving,
    /// No new sockets; the open ones may finish.
    Draining,
    /// The open ones are closed.
    Closing,
}

/// All that this process counts.
pub(crate) struct Sessions {
    version: String,
    allocation: String,
    total: AtomicU64,
    increments: AtomicU64,
    open: watch::Sender<u64>,
    phase: watch::Sender<Phase>,
}

/// The answer of `GET /sessions`.
#[derive(Serialize)]
pub(crate) struct Count<'a> {
    version: &'a str,
    open: u64,
    total: u64,
    increments: u64,
}

impl Sessions {
    pub(crate) fn new(version: String, allocation: String) -> Self {
        Self {
            version,
            allocation,
            total: AtomicU64::new(0),
            increments: AtomicU64::new(0),
            open: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn allocation(&self) -> &str {
        &self.allocation
    }

    pub(crate) fn open(&self) -> u64 {
        *self.open.borrow()
    }

    pub(crate) fn count(&self) -> Count<'_> {
        Count {
            version: &self.version,
            open: self.open(),
            total: self.total.load(Ordering::Relaxed),
            increments: self.increments.load(Ordering::Relaxed),
        }
    }

    /// One more; the new sum.
    pub(crate) fn increment(&self) -> u64 {
        self.increments.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a socket in, until the answer is dropped.
    pub(crate) fn begin(&self) -> Session<'_> {
        self.open.send_modify(|open| *open += 1);
        Session { number: self.total.fetch_add(1, Ordering::Relaxed) + 1, of: self }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) async fn all_closed(&self) {
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

/// One socket, counted as open while this lives.
pub(crate) struct Session<'a> {
    /// Which one, from 1.
    pub(crate) number: u64,
    of: &'a Sessions,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.of.open.send_modify(|open| *open -= 1);
    }
}
