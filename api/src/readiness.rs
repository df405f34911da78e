//! Whether this process should get traffic: its checks, and the drain that comes first when it stops. Checks are given by the
//! wiring. The trap avoided: a check that hangs; each has a deadline, and all run at once.

use std::{fmt, time::Duration};

use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::sync::watch;

/// One thing without which we are not ready.
pub trait ReadinessCheck: Send + Sync {
    /// Its name in the answer, such as `database`.
    fn name(&self) -> &'static str;

    /// Whether it stands; the reason is shown to whoever can reach `/readyz`, so it holds no secret.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// How long one check may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// The checks, and the drain.
pub struct Readiness {
    checks: Vec<Box<dyn ReadinessCheck>>,
    draining: watch::Sender<bool>,
}

/// A connection that outlives the request that opened it, so that the server does not wait for it of itself.
#[derive(Debug)]
pub(crate) struct Connected {
    _counted: watch::Receiver<bool>,
}

/// What `/readyz` says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ready: bool,
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    check: &'static str,
    reason: String,
}

impl Readiness {
    /// Ready while all of these are.
    pub fn new(checks: Vec<Box<dyn ReadinessCheck>>) -> Self {
        Self { checks, draining: watch::Sender::new(false) }
    }

    /// Not ready from now on; open WebSockets are closed with 1012, so that clients come back elsewhere.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Resolves when the drain begins, at once if it has.
    pub(crate) async fn drained(&self) {
        let mut draining = self.draining.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _begun = draining.wait_for(|draining| *draining).await;
    }

    /// While the answer lives, somebody is connected who is told when we end.
    pub(crate) fn connected(&self) -> Connected {
        Connected { _counted: self.draining.subscribe() }
    }

    /// Resolves when nobody is connected any more.
    pub async fn deserted(&self) {
        self.draining.closed().await;
    }

    pub(crate) async fn report(&self) -> Report {
        if *self.draining.borrow() {
            return Report { ready: false, reasons: vec![Reason { check: "drain", reason: "draining".to_owned() }] };
        }
        let verdicts = self.checks.iter().map(|check| async {
            let verdict = tokio::time::timeout(DEADLINE, check.check()).await;
            let verdict = verdict.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())));
            verdict.err().map(|reason| Reason { check: check.name(), reason })
        });
        let reasons: Vec<_> = join_all(verdicts).await.into_iter().flatten().collect();
        Report { ready: reasons.is_empty(), reasons }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("draining", &self.draining).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    //! Who is waited for.
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn it_is_not_deserted_while_somebody_is_connected() {
        let readiness = Readiness::new(vec![]);
        let connected = readiness.connected();
        readiness.drain();
        assert!(readiness.deserted().now_or_never().is_none());
        drop(connected);
        assert!(readiness.deserted().now_or_never().is_some());
    }
}
