//! Reading: a stream, or everything in order up to the transaction watermark. The trap avoided: asking for the watermark in
//! a statement of its own; an event that commits in between would stand before it and never be returned.

use super::Acting;
use crate::{
    log::{ReadError, Recorded},
    position::{LogIncarnation, Position},
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Actor,
    canonical::Payload,
    digest::Digest,
    envelope::{Envelope, StreamId},
    numbers::Version,
};
use sqlx::{PgPool, Row as _, postgres::PgRow};
use std::{collections::HashMap, fmt::Display, str::FromStr};
use uuid::Uuid;

/// The columns that [`event_from_row`] reads, for queries of others over `log.events`.
pub const EVENT_COLUMNS: &str = "era, tx::text AS tx, pos, stream, version, event_id, event_type, schema_version, \
    workspace, region, cell, actor, actor_kind, on_behalf_of, writer, correlation, causation, idempotency_key, \
    traceparent, occurred_at, recorded_at, payload::text AS payload, hash";

const STREAM: &str = "SELECT * FROM log.read_stream($1, $2, $3, $4)";
const STREAMS: &str = "SELECT * FROM log.read_streams($1, $2, $3)";
const OPENED: &str = "SELECT * FROM authority.read_opened($1, $2, $3)";
const ALL: &str = "SELECT * FROM log.read_all($1, $2::text::xid8, $3, $4)";
const INCARNATION: &str = "SELECT system, timeline, era FROM log.incarnation()";

pub(super) async fn stream(
    pool: &PgPool,
    acting: Acting,
    stream: &StreamId,
    after: Version,
) -> Result<Vec<Recorded>, ReadError> {
    let query = match acting.secret {
        Some(secret) => sqlx::query(OPENED).bind(secret.0.to_vec()),
        None => {
            sqlx::query(STREAM).bind(acting.actor.map(|actor| actor.0)).bind(acting.scope.map(|workspace| workspace.0))
        }
    };
    let rows = query
        .bind(stream.as_str())
        .bind(i64::try_from(after.0).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(ReadError::Unavailable)?;
    rows.iter().map(event_from_row).collect()
}

/// Those of these streams that have any event, each in its order.
pub(super) async fn streams(
    pool: &PgPool,
    acting: Acting,
    streams: &[StreamId],
) -> Result<HashMap<StreamId, Vec<Recorded>>, ReadError> {
    let rows = sqlx::query(STREAMS)
        .bind(acting.actor.map(|actor| actor.0))
        .bind(acting.scope.map(|workspace| workspace.0))
        .bind(streams.iter().map(|stream| stream.as_str().to_owned()).collect::<Vec<_>>())
        .fetch_all(pool)
        .await
        .map_err(ReadError::Unavailable)?;
    let mut found = HashMap::<StreamId, Vec<Recorded>>::with_capacity(streams.len());
    for row in &rows {
        let event = event_from_row(row)?;
        found.entry(event.envelope.stream.clone()).or_default().push(event);
    }
    Ok(found)
}

pub(super) async fn all(pool: &PgPool, after: Position, limit: u32) -> Result<Vec<Recorded>, ReadError> {
    let rows = sqlx::query(ALL)
        .bind(i32::try_from(after.era).unwrap_or(i32::MAX))
        .bind(after.tx.to_string())
        .bind(i64::try_from(after.pos).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(ReadError::Unavailable)?;
    rows.iter().map(event_from_row).collect()
}

pub(super) async fn incarnation(pool: &PgPool) -> Result<LogIncarnation, ReadError> {
    let row = sqlx::query(INCARNATION).fetch_one(pool).await.map_err(ReadError::Unavailable)?;
    Fields { row: &row, place: "log.incarnation".into() }.incarnation()
}

/// An event from a row with [`EVENT_COLUMNS`].
pub fn event_from_row(row: &PgRow) -> Result<Recorded, ReadError> {
    let mut fields = Fields { row, place: "a row".into() };
    let stream: String = fields.get("stream")?;
    let version: i64 = fields.get("version")?;
    fields.place = format!("{stream} version {version}");
    let envelope = fields.envelope(&stream, version)?;
    let payload: String = fields.get("payload")?;
    let hash: Vec<u8> = fields.get("hash")?;
    Ok(Recorded {
        position: fields.position()?,
        recorded_at: fields.get("recorded_at")?,
        payload: fields.checked("payload", Payload::parse(payload))?,
        hash: Digest(fields.checked("hash", hash.try_into().map_err(|_| "not 32 bytes"))?),
        envelope,
    })
}

/// The position of an append's answer; none if it had no events.
pub(super) fn position_of(row: &PgRow) -> Result<Option<Position>, sqlx::Error> {
    let Some(pos) = row.try_get::<Option<i64>, _>("pos")? else {
        return Ok(None);
    };
    let fields = Fields { row, place: "an append's answer".into() };
    let position = fields.position_at(pos);
    position.map(Some).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A row, and how to name it when it is corrupt.
struct Fields<'a> {
    row: &'a PgRow,
    place: String,
}

impl Fields<'_> {
    fn get<'r, T>(&'r self, column: &str) -> Result<T, ReadError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.checked(column, self.row.try_get(column))
    }

    fn id<T: From<Uuid>>(&self, column: &str) -> Result<T, ReadError> {
        self.get::<Uuid>(column).map(T::from)
    }

    fn optional_id<T: From<Uuid>>(&self, column: &str) -> Result<Option<T>, ReadError> {
        self.get::<Option<Uuid>>(column).map(|id| id.map(T::from))
    }

    fn word<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, ReadError> {
        let text: String = self.get(column)?;
        self.checked(column, text.parse())
    }

    fn checked<T, E: Display>(&self, column: &str, value: Result<T, E>) -> Result<T, ReadError> {
        value.map_err(|error| ReadError::Corrupt { place: self.place.clone(), reason: format!("{column}: {error}") })
    }

    fn position(&self) -> Result<Position, ReadError> {
        self.position_at(self.get("pos")?)
    }

    fn position_at(&self, pos: i64) -> Result<Position, ReadError> {
        let era: i32 = self.get("era")?;
        Ok(Position {
            era: self.checked("era", era.try_into())?,
            tx: self.word("tx")?,
            pos: self.checked("pos", pos.try_into())?,
        })
    }

    fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        let timeline: i32 = self.get("timeline")?;
        let era: i32 = self.get("era")?;
        Ok(LogIncarnation {
            system: self.word("system")?,
            timeline: self.checked("timeline", timeline.try_into())?,
            era: self.checked("era", era.try_into())?,
        })
    }

    fn envelope(&self, stream: &str, version: i64) -> Result<Envelope, ReadError> {
        let schema_version: i16 = self.get("schema_version")?;
        Ok(Envelope {
            event_id: self.id("event_id")?,
            stream: self.checked("stream", stream.parse())?,
            version: Version(self.checked("version", version.try_into())?),
            event_type: self.get("event_type")?,
            schema_version: self.checked("schema_version", schema_version.try_into())?,
            workspace: self.id("workspace")?,
            region: self.optional_id("region")?,
            cell: self.optional_id("cell")?,
            actor: Actor {
                id: self.id("actor")?,
                kind: self.word("actor_kind")?,
                on_behalf_of: self.optional_id("on_behalf_of")?,
            },
            writer: self.word("writer")?,
            correlation: self.id("correlation")?,
            causation: self.optional_id("causation")?,
            idempotency_key: self.get("idempotency_key")?,
            traceparent: self.get("traceparent")?,
            occurred_at: self.get::<DateTime<Utc>>("occurred_at")?,
        })
    }
}
