//! A hundred deploys asked for at once, by several workspaces: how fast they are carried to their end, how long they wait for
//! their turn, and whether any is stuck.

use super::{ask, ends};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use rhone_tests::{
    figure::Printer,
    platform::Platform,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::Value;
use std::time::{Duration, Instant};

const WORKSPACES: usize = 10;
const EACH: usize = 10;

pub(crate) async fn measure(print: &Printer, platform: &Platform) {
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
    let mut good = 0;
    for (tenant, id) in &asked {
        // One after the other: a hundred that ask without a pause would be measured instead.
        good += usize::from(ends(tenant, id).await["stage"] == "PREVIEW_READY");
    }
    let took = begun.elapsed().as_secs_f64();
    let asked = asked.len();
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let (count, stuck) = (good as f64, (asked - good) as f64);
    print.figure("100 deploys of 10 workspaces at once: carried to their end", count / took, "deploys/s", asked, None);
    print.figure("100 deploys of 10 workspaces at once: that did not end well", stuck, "deploys", asked, None);
    let mut waits = Vec::new();
    for tenant in &tenants {
        waits.extend(waited(tenant).await);
    }
    print.distribution("100 deploys of 10 workspaces at once: wait for their turn", waits, None);
}

/// From the request to the first stage, of each of a tenant's deploys.
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
    until("every deploy is in the timeline", PATIENCE, look).await
}
