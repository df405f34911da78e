//! What grows for ever unless somebody sweeps: answered requests' keys, and the feeds' old entries. Hourly and in small
//! batches, by whoever holds the lease. The trap: sweeping beside every heartbeat, where it costs most and frees least.

use crate::config::Config;
use rhone_eventstore::lease::Leases;
use rhone_projections::authority::feed;
use std::time::Duration;

const NAME: &str = "housekeeping";
const EVERY: Duration = Duration::from_hours(1);
/// The longest a sweep may take before another worker may begin one.
const LEASE: Duration = Duration::from_mins(10);
/// How many keys are forgotten in one transaction.
const BATCH: i32 = 10_000;
/// How many entries the repair path can serve; an edge further behind takes a snapshot.
const KEEP: i64 = 100_000;

/// Sweeps for ever, at first at once.
pub(crate) async fn run(config: Config) {
    let leases = Leases::new(config.pool.clone());
    loop {
        if let Err(error) = turn(&config, &leases).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a sweep did not end");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn turn(config: &Config, leases: &Leases) -> Result<(), sqlx::Error> {
    let owner = config.owner();
    let Some(fence) = leases.claim(NAME, &owner, LEASE).await? else { return Ok(()) };
    let swept = sweep(config).await;
    leases.release(NAME, &owner, fence).await?;
    let (keys, entries) = swept?;
    tracing::debug!(keys, entries, "swept");
    Ok(())
}

/// Forgets what nobody asks for again; how many keys and how many entries.
async fn sweep(config: &Config) -> Result<(i64, i64), sqlx::Error> {
    let mut keys = 0;
    loop {
        let forgotten: i32 = sqlx::query_scalar("SELECT log.forget_requests(interval '7 days', $1)")
            .bind(BATCH)
            .fetch_one(&config.pool)
            .await?;
        keys += i64::from(forgotten);
        if forgotten < BATCH {
            break;
        }
    }
    let mut entries = 0;
    for (region, _) in feed::heads(&config.pool).await? {
        entries += feed::trim(&config.pool, region, KEEP).await?;
    }
    Ok((keys, entries))
}
