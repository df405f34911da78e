//! The repair path, always on: a long poll that brings what the bus did not, and a snapshot when nothing can be continued.
//! It alone decides nothing; the applier does. The trap: a fleet that asks all at once when the control plane comes back, so
//! waits after failures grow and are spread.

use crate::{
    applier::Word,
    clock,
    control::{Control, ControlError, Followed},
    core::Core,
    standing::{Standing, Wanted},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};

/// How long a poll waits while the bus is heard.
const LONG: Duration = Duration::from_secs(20);
/// How long a poll waits while it is the only word from the authority.
const SHORT: Duration = Duration::from_secs(2);
/// How long ago the bus was heard at most, to be heard.
const BUS_MS: u64 = 3_000;
/// A calm poll that takes this long has waited; it was not in vain.
const IDLE: Duration = Duration::from_secs(1);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);

/// Whether something is known to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// No: wait for news.
    Calm,
    /// Yes: ask what there is.
    Urgent,
}

/// Repairs until nobody listens any more.
pub(crate) async fn repair(core: Arc<Core>, control: Arc<Control>, words: mpsc::Sender<Word>) {
    let mut backoff = BACKOFF_FIRST;
    let mut urgency = Urgency::Calm;
    loop {
        let (asked, begun) = (*core.standing.borrow(), Instant::now());
        let outcome = tokio::select! {
            outcome = fetch(&control, &asked, urgency) => outcome,
            // An urgent call is short and is let to its end; a calm one would sleep on.
            () = core.repair.notified(), if urgency == Urgency::Calm => {
                urgency = Urgency::Urgent;
                continue;
            }
        };
        let in_vain = match outcome {
            Ok(fetched) => {
                if hand_over(&words, fetched).await.is_err() {
                    return;
                }
                let now = *core.standing.borrow();
                // An answer at once that changed nothing would be asked for again at once, for ever.
                now.position == asked.position && now.wanted == asked.wanted && begun.elapsed() < IDLE
            }
            Err(error) => {
                core.counters.control_failed.up();
                tracing::debug!(error = &error as &dyn std::error::Error, "the control plane is no help");
                true
            }
        };
        if in_vain {
            sleep(backoff / 2 + clock::jitter(backoff / 2)).await;
            backoff = (backoff * 2).min(BACKOFF_LAST);
        } else {
            backoff = BACKOFF_FIRST;
        }
        urgency = Urgency::Calm;
    }
}

/// What a call brought.
enum Fetched {
    Snapshot(Box<rhone_domain::feed::Snapshot>),
    Followed(Followed),
}

async fn fetch(control: &Control, standing: &Standing, urgency: Urgency) -> Result<Fetched, ControlError> {
    let Some(at) = standing.position.filter(|_| standing.wanted == Wanted::Nothing) else {
        return control.snapshot().await.map(Box::new).map(Fetched::Snapshot);
    };
    let hears_bus = standing.bus.is_some_and(|heard| clock::millis().saturating_sub(heard) < BUS_MS);
    let wait = match urgency {
        Urgency::Urgent => Duration::ZERO,
        Urgency::Calm if hears_bus => LONG,
        Urgency::Calm => SHORT,
    };
    control.events(at.incarnation, at.seq, wait).await.map(Fetched::Followed)
}

/// Gives the applier what was fetched and waits until it is applied, so that the next call asks for what follows.
async fn hand_over(words: &mpsc::Sender<Word>, fetched: Fetched) -> Result<(), ()> {
    let (done, applied) = oneshot::channel();
    let word = match fetched {
        Fetched::Snapshot(snapshot) => Word::Snapshot(snapshot, done),
        Fetched::Followed(Followed::Events(events)) => Word::Events(Box::new(events), done),
        Fetched::Followed(Followed::Trimmed) => Word::Trimmed(done),
    };
    words.send(word).await.map_err(|_| ())?;
    applied.await.map_err(|_| ())
}
