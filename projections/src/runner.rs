//! Runs a projection: claims it, reads what comes next, writes rows and checkpoint in one transaction under a fence, and
//! stops with an alarm at an event it cannot read. Any number of processes may run it; one at a time does.

use crate::{
    projection::{ApplyError, Projection, key},
    schema::{self, Form},
};
use metrics::{counter, gauge, histogram};
use rhone_domain::{ids::EventId, numbers::Fence};
use rhone_eventstore::{
    Bell, Clock, PgLog, Position, ReadError, Recorded, Tail, Transaction,
    checkpoint::{self, CheckpointError, Key},
    lease::Leases,
};
use sqlx::{PgConnection, PgPool};
use std::time::{Duration, Instant};

/// The longest time for which read models stand still after a worker has died.
const LEASE: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_millis(1_500);
const BATCH: u32 = 1_000;

/// Why a projection pauses.
#[derive(Debug, thiserror::Error)]
pub enum Pause {
    /// Another process took it over.
    #[error("another process runs this projection")]
    Taken,
    /// The live rows are of another version: nothing is written onto them.
    #[error("the rows are of version {live}, this program writes version {wanted}: run `rhone rebuild`")]
    OtherForm {
        /// Of the rows.
        live: i32,
        /// This program's.
        wanted: i32,
    },
    /// An event cannot be read.
    #[error("stopped at event {event}: {reason}")]
    Poison {
        /// Which.
        event: EventId,
        /// Why.
        reason: String,
    },
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The checkpoint could not be moved.
    #[error("the checkpoint could not be moved")]
    Checkpoint(#[source] CheckpointError),
}

impl From<CheckpointError> for Pause {
    fn from(error: CheckpointError) -> Self {
        if matches!(error, CheckpointError::Lost) { Self::Taken } else { Self::Checkpoint(error) }
    }
}

/// Runs a projection for ever, pausing where it must.
pub async fn run<P: Projection>(pool: PgPool, owner: String, bell: Bell, clock: Clock) {
    loop {
        let pause = turn::<P>(&pool, &owner, &bell, &clock).await;
        match &pause {
            Err(Pause::Taken) | Ok(()) => {}
            Err(pause @ (Pause::Poison { .. } | Pause::OtherForm { .. })) => {
                gauge!("rhone_projection_stopped", "projection" => P::NAME).set(1.0);
                tracing::error!(projection = P::NAME, error = %pause, "a projection stopped; nothing is skipped");
            }
            Err(pause) => {
                let error: &dyn std::error::Error = pause;
                tracing::warn!(projection = P::NAME, error, "a projection pauses");
            }
        }
        let pause = if matches!(pause, Err(Pause::Poison { .. } | Pause::OtherForm { .. })) {
            Duration::from_secs(10)
        } else {
            Duration::from_millis(500)
        };
        tokio::time::sleep(pause).await;
    }
}

/// Holds the projection for as long as it can.
async fn turn<P: Projection>(pool: &PgPool, owner: &str, bell: &Bell, clock: &Clock) -> Result<(), Pause> {
    let (leases, lease) = (Leases::new(pool.clone()), lease_name(P::NAME));
    let Some(fence) = leases.claim(&lease, owner, LEASE).await? else { return Ok(()) };
    let mut connection = pool.acquire().await?;
    if let Form::Other { live } = schema::form::<P>(&mut connection).await? {
        leases.release(&lease, owner, fence).await?;
        return Err(Pause::OtherForm { live, wanted: P::VERSION });
    }
    let from = checkpoint::take(&mut connection, key::<P>(), fence).await?.position;
    drop(connection);
    gauge!("rhone_projection_stopped", "projection" => P::NAME).set(0.0);
    let mut tail = Tail::new(PgLog::new(pool.clone()), from, BATCH, bell);
    let mut renewed = Instant::now();
    loop {
        let batch = tokio::time::timeout(RENEW, tail.next()).await;
        if renewed.elapsed() >= RENEW {
            if !leases.renew(&lease, owner, fence, LEASE).await? {
                return Err(Pause::Taken);
            }
            renewed = Instant::now();
        }
        let Ok(batch) = batch else { continue };
        let batch = batch?;
        let Some(last) = batch.last() else { continue };
        let (position, recorded_at) = (last.position, last.recorded_at);
        take_in::<P>(pool, fence, &batch).await?;
        tail.advance(position);
        let lag = (clock.now() - recorded_at).num_milliseconds().max(0);
        #[expect(clippy::cast_precision_loss, reason = "a lag in milliseconds is far below 2^52")]
        gauge!("rhone_projection_lag_seconds", "projection" => P::NAME).set(lag as f64 / 1_000.0);
        counter!("rhone_projection_events_total", "projection" => P::NAME).increment(batch.len() as u64);
    }
}

/// The lease under which a projection is run.
pub fn lease_name(projection: &str) -> String {
    format!("projection:{projection}")
}

async fn take_in<P: Projection>(pool: &PgPool, fence: Fence, batch: &[Recorded]) -> Result<(), Pause> {
    let begun = Instant::now();
    let outcome = write::<P>(pool, P::NAME, key::<P>(), fence, batch).await;
    histogram!("rhone_projection_batch_seconds", "projection" => P::NAME).record(begun.elapsed().as_secs_f64());
    if let Err(Pause::Poison { event, reason }) = &outcome {
        let mut connection = pool.acquire().await?;
        checkpoint::fail(&mut connection, key::<P>(), fence, *event, reason).await?;
    }
    outcome
}

/// Writes a batch into a schema, and moves that checkpoint, in one transaction.
pub async fn write<P: Projection>(
    pool: &PgPool,
    schema: &str,
    key: Key<'_>,
    fence: Fence,
    batch: &[Recorded],
) -> Result<(), Pause> {
    let Some(last) = batch.last().map(|last| last.position) else { return Ok(()) };
    match attempt::<P>(pool, schema, key, fence, batch, last).await {
        Err(Pause::Database(error)) if is_about_data(&error) && batch.len() > 1 => {
            one_by_one::<P>(pool, schema, key, fence, batch).await
        }
        Err(Pause::Database(error)) if is_about_data(&error) => {
            Err(Pause::Poison { event: batch[0].envelope.event_id, reason: error.to_string() })
        }
        outcome => outcome,
    }
}

/// Finds the event that a batch failed on. Each is a transaction of its own, so an append may be seen half for a moment.
async fn one_by_one<P: Projection>(
    pool: &PgPool,
    schema: &str,
    key: Key<'_>,
    fence: Fence,
    batch: &[Recorded],
) -> Result<(), Pause> {
    for event in batch {
        Box::pin(write::<P>(pool, schema, key, fence, std::slice::from_ref(event))).await?;
    }
    Ok(())
}

async fn attempt<P: Projection>(
    pool: &PgPool,
    schema: &str,
    key: Key<'_>,
    fence: Fence,
    batch: &[Recorded],
    last: Position,
) -> Result<(), Pause> {
    let mut transaction = Transaction::begin(pool).await?;
    use_schema(&mut transaction, schema).await?;
    P::apply(&mut transaction, batch).await.map_err(|error| match error {
        ApplyError::Poison { event, source } => Pause::Poison { event, reason: format!("{source}: {}", source.source) },
        ApplyError::Database(error) => Pause::Database(error),
    })?;
    checkpoint::advance(&mut transaction, key, fence, last).await?;
    Ok(transaction.commit().await?)
}

async fn use_schema(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT set_config('search_path', $1, true)").bind(schema).execute(connection).await?;
    Ok(())
}

/// SQLSTATE classes 22 (data) and 23 (integrity): the same batch will fail again.
fn is_about_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
