//! A hundred deploys asked for at once, by several workspaces: how fast they are carried to their end, how long they wait for
//! their turn, and whether any is stuck.

use super::{PATIENT, ask, ended};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use rhone_tests::{
    figure::{Goal, Printer, p99},
    platform::Platform,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, within},
};
use serde_json::Value;
use std::time::{Duration, Instant};

const CROWD: &str = "100 deploys of 10 workspaces at once";
const WORKSPACES: usize = 10;
const EACH: usize = 10;
/// How many a worker has in hand at once unless it is told otherwise.
const IN_HAND: f64 = 2.0;

/// `alone` is how long one takes while nobody else asks, in milliseconds.
pub(crate) async fn measure(print: &Printer, platform: &Platform, alone: f64) {
    let mut tenants = Vec::new();
    for _ in 0..WORKSPACES {
        tenants.push(Tenant::open(platform, platform.developer()).await);
    }
    let repository = Repository::of_python();
    let commit = repository.commit_version("crowd");
    let begun = Instant::now();
    let crowd = tenants.iter().flat_map(|tenant| std::iter::repeat_n(tenant, EACH));
    let asked = join_all(crowd.map(async |tenant| {
        // For production, so that nothing is promoted beside.
        (tenant, ask(tenant, &tenant.production.id, &repository, &commit).await)
    }))
    .await;
    let (mut good, mut stuck) = (0, 0);
    for (tenant, id) in &asked {
        // One after the other: a hundred that ask without a pause would be measured instead.
        match ended(tenant, id, PATIENT.saturating_sub(begun.elapsed())).await {
            Some(end) => good += usize::from(end["stage"] == "PREVIEW_READY"),
            None => stuck += 1_usize,
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let asked = asked.len();
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let (count, stuck, bad) = (good as f64, stuck as f64, (asked - good) as f64);
    let (say, none) = (|what: &str| format!("{CROWD}: {what}"), Some(Goal::Below(1.0)));
    let most = IN_HAND * 1_000.0 / alone;
    print.figure(&say("carried to their end"), count / took, "deploys/s", asked, None);
    print.figure(&say("at most, were two in hand each as fast as one alone"), most, "deploys/s", asked, None);
    print.figure(&say("carried to their end over that"), count / took / most, "x", asked, None);
    print.figure(&say("stuck"), stuck, "deploys", asked, none);
    print.figure(&say("that did not end well"), bad, "deploys", asked, none);
    let mut waits = Vec::new();
    for tenant in &tenants {
        waits.extend(waited(tenant).await);
    }
    let over = p99(waits.clone()) / 1_000.0 / took;
    print.distribution(&say("wait for their turn"), waits, None);
    print.figure(&say("wait for their turn, its p99 over what all of them took"), over, "x", asked, None);
}

/// From the request to the first stage, of each of a tenant's deploys; of none where one of them never had its turn.
async fn waited(tenant: &Tenant) -> Vec<Duration> {
    let at = |entry: &Value| text(&entry["occurredAt"]).parse::<DateTime<Utc>>().expect("a time");
    let look = async || {
        let timeline = tenant.timeline(None).await;
        let requested = timeline.iter().filter(|entry| entry["payload"]["kind"] == "deploy");
        let waits: Vec<_> = requested
            .filter_map(|entry| {
                let cloning = timeline
                    .iter()
                    .find(|later| later["stream"] == entry["stream"] && later["payload"]["stage"] == "cloning")?;
                (at(cloning) - at(entry)).to_std().ok()
            })
            .collect();
        (waits.len() == EACH).then_some(waits)
    };
    within(PATIENCE, look).await.unwrap_or_default()
}
