//! Logs that are too old, and the oldest of whoever printed too much, are deleted: the bytes first, then the row that names them.
//! Bytes that no row names any more, or never did, are looked for by listing the store, now and then. The traps avoided: a row
//! that is gone while its bytes stay; and bytes that are taken for orphans because their row is only being written, or because they
//! are put again after they were listed.

use crate::config::{Config, LogRetention};
use futures_util::{StreamExt as _, TryStreamExt as _};
use rhone_eventstore::lease::Leases;
use rhone_projections::logs;
use rhone_providers::log_store::LogStoreError;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

const NAME: &str = "log-rotation";
/// What one may print beyond its bound meanwhile is bounded: an allocation by its runner, a build by whoever keeps its lines.
const EVERY: Duration = Duration::from_mins(1);
/// The longest a sweep may take before another worker may begin one.
const LEASE: Duration = Duration::from_mins(10);
/// How many chunks are looked for in one statement.
const BATCH: i32 = 1_000;
/// Between two looks for bytes without a row; listing a store costs more than asking the index.
const LIST: Duration = Duration::from_hours(1);
/// So long bytes may lie without a row: whoever puts them writes it within seconds, or never.
const UNNAMED: Duration = Duration::from_hours(1);

/// Why a sweep did not end.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    /// The index did not answer.
    #[error("sweeping the index of logs")]
    Index(#[from] sqlx::Error),
    /// The store did not delete.
    #[error("deleting logs")]
    Store(#[from] LogStoreError),
}

/// Sweeps for ever, at first at once.
pub(crate) async fn run(config: Config) {
    let leases = Leases::new(config.pool.clone());
    let mut listed: Option<Instant> = None;
    loop {
        let also = if listed.is_none_or(|at| at.elapsed() >= LIST) { Also::Orphans } else { Also::Nothing };
        match turn(&config, &leases, also).await {
            Ok(None) => {}
            Ok(Some(chunks)) => {
                if also == Also::Orphans {
                    listed = Some(Instant::now());
                }
                if chunks > 0 {
                    tracing::info!(chunks, "logs were rotated");
                }
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "logs were not rotated to the end");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What a sweep looks for beside what is too old or too much.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Also {
    Orphans,
    Nothing,
}

/// How many chunks went; nothing where another worker sweeps.
async fn turn(config: &Config, leases: &Leases, also: Also) -> Result<Option<u64>, SweepError> {
    let owner = config.owner();
    let Some(fence) = leases.claim(NAME, &owner, LEASE).await? else { return Ok(None) };
    let swept = async {
        let gone = sweep(config).await?;
        let orphans = if also == Also::Orphans { sweep_orphans(config).await? } else { 0 };
        Ok::<_, SweepError>(gone + orphans)
    };
    let swept = swept.await;
    leases.release(NAME, &owner, fence).await?;
    swept.map(Some)
}

/// How many chunks went that no row names.
async fn sweep_orphans(config: &Config) -> Result<u64, SweepError> {
    let store = config.artifacts.logs();
    let before = SystemTime::from(config.clock.now() - UNNAMED);
    let old = store.list().try_filter(|chunk| std::future::ready(chunk.since < before));
    let mut pages = std::pin::pin!(old.map_ok(|chunk| (chunk.owner, chunk.digest)).try_chunks(1_000));
    let mut gone = 0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|broken| broken.1)?;
        for (owner, digest) in logs::orphans(&config.pool, &page).await? {
            // Whoever was not answered puts the same bytes again, however late, and only then writes their row.
            gone += u64::from(store.delete_older(owner, digest, before).await?);
        }
    }
    Ok(gone)
}

/// How many chunks went.
async fn sweep(config: &Config) -> Result<u64, SweepError> {
    let LogRetention { age, bytes } = config.log_retention;
    let store = config.artifacts.logs();
    let mut gone = 0;
    loop {
        let chunks = logs::to_forget(&config.pool, age.as_secs_f64(), bytes, BATCH).await?;
        if chunks.is_empty() {
            return Ok(gone);
        }
        for chunk in chunks {
            store.delete(chunk.owner, chunk.digest).await?;
            logs::forget(&config.pool, chunk.pos).await?;
            gone += 1;
        }
    }
}
