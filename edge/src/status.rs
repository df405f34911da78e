//! What the edge reports of itself: every second, and at once when an owner changed or answered. Observation, not truth.
//! The trap: a report that waits its turn while a promotion waits for it, so a change wakes this loop.

use crate::{clock, control::Control, core::Core, stop};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    digest::Digest,
    edge_status::{Activity, Closed, EdgeStatus},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// How often a report is due when nothing happens.
const EVERY: Duration = Duration::from_secs(1);
/// How long an observation is repeated; far beyond the deadline of any operation that waits for it.
const OBSERVATION: TimeDelta = TimeDelta::minutes(15);
/// How many used allocations one report names.
const ACTIVITY_LIMIT: usize = 1024;
/// How many observations one report carries.
const OBSERVATIONS_LIMIT: usize = 4096;

/// Reports until told to stop, and once more then.
pub(crate) async fn report(core: Arc<Core>, control: Arc<Control>, mut stop: watch::Receiver<bool>) {
    loop {
        send(&core, &control).await;
        tokio::select! {
            _ = timeout(EVERY, core.report.notified()) => {}
            () = stop::requested(&mut stop) => break,
        }
    }
    let _ = timeout(EVERY, send(&core, &control)).await;
}

async fn send(core: &Core, control: &Control) {
    match control.report(&status(core)).await {
        Ok(()) => core.counters.status_sent.up(),
        Err(error) => {
            core.counters.control_failed.up();
            tracing::debug!(error = &error as &dyn std::error::Error, "a report was not taken");
        }
    }
}

/// The report of this moment.
pub(crate) fn status(core: &Core) -> EdgeStatus {
    let standing = *core.standing.borrow();
    let now = clock::now();
    let observations = core.observations();
    let recent = observations.into_iter().take_while(|observation| now - observation.at < OBSERVATION);
    let (activity, activity_since) = activity(core);
    EdgeStatus {
        edge: core.identity.edge,
        boot: core.identity.boot,
        region: core.config.region,
        incarnation: standing.position.map(|at| at.incarnation),
        applied: standing.applied(),
        digest: standing.position.map_or(Digest::ZERO, |at| at.digest),
        mode: standing.mode(clock::millis(), &core.config.timing),
        public_url: core.identity.public_url.clone(),
        sessions: core.allocations.sessions(),
        lost_sessions: core.identity.lost_sessions,
        quarantined: core.quarantined.borrow().clone(),
        observations: recent.take(OBSERVATIONS_LIMIT).collect(),
        at: now,
        activity,
        activity_since: Some(activity_since),
        closed: closed(core, now),
    }
}

/// What was closed at drain deadlines and is still worth saying, the latest first.
pub(crate) fn closed(core: &Core, now: DateTime<Utc>) -> Vec<Closed> {
    core.allocations.closed(now - OBSERVATION)
}

/// What was used, the latest first, and since when that is all of it.
fn activity(core: &Core) -> (Vec<Activity>, DateTime<Utc>) {
    let mut used = core.allocations.activity();
    used.sort_unstable_by_key(|one| std::cmp::Reverse(one.used_at));
    let cut = used.get(ACTIVITY_LIMIT).map(|first_left_out| first_left_out.used_at);
    used.truncate(ACTIVITY_LIMIT);
    (used, cut.unwrap_or(core.since))
}
