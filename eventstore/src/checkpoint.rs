//! How far a projection or a publisher has come: written in the same transaction as its rows, under its fence. The trap
//! avoided: two writers of one projection; `take` raises the checkpoint's fence first, and from then on the former
//! holder's `advance` fails together with the rows it came with.

use crate::position::Position;
use rhone_domain::{ids::EventId, numbers::Fence};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// Which checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    /// The projection's name.
    pub projection: &'a str,
    /// Its version; versions are built side by side.
    pub version: i32,
}

/// A checkpoint as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last event that is in the rows.
    pub position: Position,
    /// Under which fence it may be moved.
    pub fence: Fence,
    /// The event it stopped at and why, if it stopped.
    pub failure: Option<(EventId, String)>,
}

/// Why a checkpoint did not move.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A newer holder has taken it: roll back and stop.
    #[error("the checkpoint was taken by a newer holder")]
    Lost,
    /// The database failed.
    #[error("the checkpoint could not be written")]
    Unavailable(#[source] sqlx::Error),
}

impl From<sqlx::Error> for CheckpointError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|refusal| refusal.code().map(std::borrow::Cow::into_owned));
        match code.as_deref() {
            Some("RH003") => Self::Lost,
            Some(_) | None => Self::Unavailable(error),
        }
    }
}

/// The checkpoint, if there is one; only to look at.
pub async fn load(connection: &mut PgConnection, key: Key<'_>) -> Result<Option<Checkpoint>, CheckpointError> {
    let row = sqlx::query(
        "SELECT era, tx::text AS tx, pos, fence, failed_event, error
         FROM log.checkpoints WHERE projection = $1 AND version = $2",
    )
    .bind(key.projection)
    .bind(key.version)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Takes the checkpoint under a fence, beginning at the log's start if there is none; refused to a lower fence than the
/// last. A failure it stood at is forgotten: the event is tried again.
pub async fn take(connection: &mut PgConnection, key: Key<'_>, fence: Fence) -> Result<Checkpoint, CheckpointError> {
    let row =
        sqlx::query("SELECT era, tx::text AS tx, pos, fence, failed_event, error FROM log.take_checkpoint($1, $2, $3)")
            .bind(key.projection)
            .bind(key.version)
            .bind(number(fence.0)?)
            .fetch_one(connection)
            .await?;
    read(&row)
}

/// Moves the checkpoint to the last event in the rows of the same transaction.
pub async fn advance(
    connection: &mut PgConnection,
    key: Key<'_>,
    fence: Fence,
    to: Position,
) -> Result<(), CheckpointError> {
    sqlx::query("SELECT log.advance_checkpoint($1, $2, $3, $4, $5::text::xid8, $6)")
        .bind(key.projection)
        .bind(key.version)
        .bind(number(fence.0)?)
        .bind(i32::try_from(to.era).map_err(encode)?)
        .bind(to.tx.to_string())
        .bind(number(to.pos)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Records that the projection stopped at this event, and why; nothing is skipped.
pub async fn fail(
    connection: &mut PgConnection,
    key: Key<'_>,
    fence: Fence,
    event: EventId,
    error: &str,
) -> Result<(), CheckpointError> {
    sqlx::query("SELECT log.fail_checkpoint($1, $2, $3, $4, $5)")
        .bind(key.projection)
        .bind(key.version)
        .bind(number(fence.0)?)
        .bind(event.0)
        .bind(error)
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Checkpoint, CheckpointError> {
    let era: i32 = row.try_get("era")?;
    let tx: String = row.try_get("tx")?;
    let pos: i64 = row.try_get("pos")?;
    let fence: i64 = row.try_get("fence")?;
    let failed: Option<Uuid> = row.try_get("failed_event")?;
    let error: Option<String> = row.try_get("error")?;
    Ok(Checkpoint {
        position: Position {
            era: era.try_into().map_err(decode)?,
            tx: tx.parse().map_err(decode)?,
            pos: pos.try_into().map_err(decode)?,
        },
        fence: Fence(fence.try_into().map_err(decode)?),
        failure: failed.map(|event| (EventId(event), error.unwrap_or_default())),
    })
}

fn number(number: u64) -> Result<i64, CheckpointError> {
    i64::try_from(number).map_err(encode)
}

fn encode(error: std::num::TryFromIntError) -> CheckpointError {
    CheckpointError::Unavailable(sqlx::Error::Encode(error.into()))
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> CheckpointError {
    CheckpointError::Unavailable(sqlx::Error::Decode(error.into()))
}
