//! Who is behind what happened: the nearest person, or program of a person, up the causes of an event; a worker carries on what
//! somebody asked for. Read from the log itself, so that it never lags behind. The trap avoided: a question for each line; all
//! that are asked for together are one statement.

use crate::timeline::FURTHEST;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

/// Somebody who asked for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub actor: Uuid,
    /// Of which kind.
    pub kind: String,
    /// For whom.
    pub on_behalf_of: Option<Uuid>,
}

/// How a stream began, and when an operation went on last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Who is behind its first event; none where Rhone itself is.
    pub origin: Option<Origin>,
    /// When the log received it.
    pub at: DateTime<Utc>,
    /// When an operation entered the stage at which it stands.
    pub moved_at: Option<DateTime<Utc>>,
}

/// Who is behind each of these events; what nobody outside of Rhone is behind is missing.
pub async fn of_events(connection: &mut PgConnection, events: &[Uuid]) -> Result<HashMap<Uuid, Origin>, sqlx::Error> {
    let query = format!("{} SELECT * FROM nearest", nearest("e.event_id = ANY($1)"));
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(events).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("asked")?, origin(row)?.ok_or(sqlx::Error::RowNotFound)?))).collect()
}

/// How each of these streams began.
pub async fn of_streams(
    connection: &mut PgConnection,
    streams: &[String],
) -> Result<HashMap<String, Beginning>, sqlx::Error> {
    let query = format!(
        "{} SELECT first.stream, first.recorded_at, nearest.actor, nearest.actor_kind, nearest.on_behalf_of, moved.at AS moved_at
         FROM log.events first LEFT JOIN nearest ON nearest.asked = first.event_id
         LEFT JOIN LATERAL (
             SELECT e.recorded_at AS at FROM log.events e WHERE e.stream = first.stream
               AND e.event_type IN ('operation.stage_entered', 'operation.failed', 'operation.cancelled')
             ORDER BY e.version DESC LIMIT 1) moved ON true
         WHERE first.stream = ANY($1) AND first.version = 1",
        nearest("e.stream = ANY($1) AND e.version = 1")
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(streams).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        let (at, moved_at) = (row.try_get("recorded_at")?, row.try_get("moved_at")?);
        Ok((row.try_get("stream")?, Beginning { origin: origin(row)?, at, moved_at }))
    };
    rows.iter().map(read).collect()
}

/// The tables `above` and `nearest`: of each event for which this holds, who is the first up its causes that is none of us.
fn nearest(of: &str) -> String {
    format!(
        "WITH RECURSIVE above AS (
             SELECT e.event_id AS asked, e.causation, e.actor, e.actor_kind, e.on_behalf_of, 0 AS depth
             FROM log.events e WHERE {of}
             UNION ALL
             SELECT above.asked, e.causation, e.actor, e.actor_kind, e.on_behalf_of, above.depth + 1
             FROM above JOIN log.events e ON e.event_id = above.causation
             WHERE above.actor_kind IN ('worker', 'runner') AND above.depth < {FURTHEST}
         ), nearest AS (
             SELECT asked, actor, actor_kind, on_behalf_of FROM above WHERE actor_kind NOT IN ('worker', 'runner')
         )"
    )
}

fn origin(row: &PgRow) -> Result<Option<Origin>, sqlx::Error> {
    let Some(actor) = row.try_get("actor")? else { return Ok(None) };
    Ok(Some(Origin { actor, kind: row.try_get("actor_kind")?, on_behalf_of: row.try_get("on_behalf_of")? }))
}
