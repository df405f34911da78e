//! What a tailing read model is: tables of its own schema, filled from the log, and nothing else. Rows never depend on a
//! clock or a random number, so that rebuilt equals live. The trap: skipping an event that cannot be read; it stops.

use rhone_domain::{aggregate::Unreadable, ids::EventId};
use rhone_eventstore::{Position, Recorded, checkpoint::Key};
use sqlx::{PgConnection, PgPool, Row as _};
use std::{future::Future, time::Duration};

/// A read model that follows the log. Its tables are named without their schema; its schema is its name.
pub trait Projection: Send + Sync + 'static {
    /// Its name, which is also its schema's.
    const NAME: &'static str;
    /// Raised when its rows mean something else. Until `rhone rebuild` has built the new form beside the old one and swapped
    /// them, the old rows stay as they are, nothing is written onto them, and an alarm says so.
    const VERSION: i32;
    /// Its tables. Each has a column `workspace`: whoever belongs to it may read the row, everybody where it is null.
    const TABLES: &'static str;

    /// Takes events in, in order.
    fn apply(connection: &mut PgConnection, events: &[Recorded])
    -> impl Future<Output = Result<(), ApplyError>> + Send;
}

/// Why a batch could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An event that cannot be read: the projection stops here and says so.
    #[error("event {event} cannot be projected")]
    Poison {
        /// Which.
        event: EventId,
        /// Why.
        #[source]
        source: Unreadable,
    },
    /// The database failed.
    #[error("the rows could not be written")]
    Database(#[from] sqlx::Error),
}

impl ApplyError {
    /// Blames an event.
    pub fn poison(event: &Recorded) -> impl FnOnce(Unreadable) -> Self {
        let event = event.envelope.event_id;
        move |source| Self::Poison { event, source }
    }
}

/// The checkpoint of the live form of a projection.
pub fn key<P: Projection>() -> Key<'static> {
    Key { projection: P::NAME, version: P::VERSION }
}

/// How far the live form of a projection has come.
pub async fn position(connection: &mut PgConnection, key: Key<'_>) -> Result<Option<Position>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT era || '-' || tx::text || '-' || pos AS position FROM log.checkpoints
         WHERE projection = $1 AND version = $2",
    )
    .bind(key.projection)
    .bind(key.version)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let text: String = row.try_get("position")?;
    text.parse().map(Some).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Whether the live forms of all of these have come so far.
async fn have_come(connection: &mut PgConnection, keys: &[Key<'_>], target: Position) -> Result<bool, sqlx::Error> {
    let positions: Vec<String> = sqlx::query_scalar(
        "SELECT era || '-' || tx::text || '-' || pos FROM log.checkpoints
         WHERE (projection, version) IN (SELECT * FROM unnest($1::text[], $2::integer[]))",
    )
    .bind(keys.iter().map(|key| key.projection).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.version).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut come = 0;
    for text in &positions {
        let position: Position = text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        come += usize::from(position >= target);
    }
    Ok(come == keys.len())
}

/// Waits, for a bounded time, until all of these projections have taken in a position; false when they did not.
pub async fn reached(pool: &PgPool, keys: &[Key<'_>], target: Position, most: Duration) -> Result<bool, sqlx::Error> {
    let wait = async {
        let mut pause = Duration::from_millis(2);
        loop {
            let mut connection = pool.acquire().await?;
            if have_come(&mut connection, keys, target).await? {
                return Ok(());
            }
            drop(connection);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    };
    match tokio::time::timeout(most, wait).await {
        Ok(outcome) => outcome.map(|()| true),
        Err(_) => Ok(false),
    }
}
