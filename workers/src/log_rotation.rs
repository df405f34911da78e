//! Logs that are too old, and the oldest of whoever printed too much, are deleted: the bytes first, then the row that names them.
//! The trap avoided: a row that is gone while its bytes stay, which nobody would ever find again; a row without bytes is only
//! passed over by readers, and the next sweep ends it.

use crate::config::{Config, LogRetention};
use rhone_eventstore::lease::Leases;
use rhone_projections::logs;
use rhone_providers::log_store::LogStoreError;
use std::time::Duration;

const NAME: &str = "log-rotation";
/// What one allocation may print beyond its bound meanwhile is bounded by its runner.
const EVERY: Duration = Duration::from_mins(1);
/// The longest a sweep may take before another worker may begin one.
const LEASE: Duration = Duration::from_mins(10);
/// How many chunks are looked for in one statement.
const BATCH: i32 = 1_000;

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
    loop {
        match turn(&config, &leases).await {
            Ok(0) => {}
            Ok(chunks) => tracing::info!(chunks, "logs were rotated"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "logs were not rotated to the end");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn turn(config: &Config, leases: &Leases) -> Result<u64, SweepError> {
    let owner = config.owner();
    let Some(fence) = leases.claim(NAME, &owner, LEASE).await? else { return Ok(0) };
    let swept = sweep(config).await;
    leases.release(NAME, &owner, fence).await?;
    swept
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
