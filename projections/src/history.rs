//! The past as the log has it: whole streams, read with the eyes of whoever asks, and folded to a moment. No table of its own.
//! Trap: regions and cells are everybody's to read in the log; here a stream is only shown to who belongs to its workspace, by
//! a condition of the statement besides row-level security.

mod app;

pub use app::{AppMoment, AppStreams, app_moment, streams_of_apps};

use crate::timeline;
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::{Aggregate as _, Unreadable},
    digest::Digest,
    envelope::StreamId,
    history::{Bundle, BundleEvent, BundleRefused, BundledStream, Walk, emptied, state_hash},
    ids::CorrelationId,
    numbers::Version,
    refusal::{self, Refusals},
};
use rhone_eventstore::{
    AsOf, ReadError, Recorded,
    postgres::{EVENT_COLUMNS, event_from_row},
};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why something of the past cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Database(#[from] sqlx::Error),
    /// A row that is no event.
    #[error("a stored event is corrupt")]
    Corrupt(#[from] ReadError),
    /// A noun that this program does not know.
    #[error("there is no category `{0}`")]
    Category(String),
    /// An event that this program cannot read.
    #[error("{stream} cannot be folded")]
    Unreadable {
        /// Which stream.
        stream: StreamId,
        /// Which event and why.
        #[source]
        source: Unreadable,
    },
    /// Streams that make no bundle.
    #[error("the events make no bundle")]
    Bundle(#[from] BundleRefused),
    /// More than one answer may hold.
    #[error("there are more than {0} events")]
    TooMany(i64),
}

/// A noun at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Which stream.
    pub stream: StreamId,
    /// Up to which of its events.
    pub version: Version,
    /// What it was then.
    pub state: Value,
    /// The state's digest.
    pub state_hash: Digest,
    /// When the log received its last event.
    pub recorded_at: DateTime<Utc>,
}

/// The moment of a stream; none where it had no event by then.
pub fn moment(stream: &StreamId, events: &[Recorded], as_of: AsOf) -> Result<Option<Moment>, HistoryError> {
    let mut walk = walk(stream)?;
    let mut last = None;
    for event in events.iter().take_while(|event| as_of.reaches(event)) {
        pass(&mut walk, event)?;
        last = Some(event);
    }
    let Some(last) = last else { return Ok(None) };
    let (version, state) = (last.envelope.version, walk.state().clone());
    let state_hash = state_hash(stream, version, &state);
    Ok(Some(Moment { stream: stream.clone(), version, state, state_hash, recorded_at: last.recorded_at }))
}

/// The beginning of a stream.
pub fn walk(stream: &StreamId) -> Result<Walk, HistoryError> {
    Walk::of(stream.category()).ok_or_else(|| HistoryError::Category(stream.category().to_owned()))
}

/// One event further.
pub fn pass(walk: &mut Walk, event: &Recorded) -> Result<(), HistoryError> {
    let stream = || event.envelope.stream.clone();
    walk.pass(&event.encoded()).map_err(|source| HistoryError::Unreadable { stream: stream(), source })
}

/// One event further: the state before.
pub fn step(walk: &mut Walk, event: &Recorded) -> Result<Value, HistoryError> {
    let stream = || event.envelope.stream.clone();
    walk.take(&event.encoded()).map_err(|source| HistoryError::Unreadable { stream: stream(), source })
}

/// The most events that one question reads.
pub const MOST: i64 = 50_000;

/// The events of these streams, each in order, with the caller's eyes; a stream without events is missing.
pub async fn streams(
    connection: &mut PgConnection,
    streams: &[StreamId],
) -> Result<BTreeMap<StreamId, Vec<Recorded>>, HistoryError> {
    let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
    let query = format!(
        "SELECT {EVENT_COLUMNS} FROM log.events
         WHERE stream = ANY($1) AND workspace = ANY ((SELECT authority.workspaces())::uuid[])
         ORDER BY events.stream, events.version LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(names).bind(MOST + 1).fetch_all(connection).await?;
    if i64::try_from(rows.len()).is_ok_and(|rows| rows > MOST) {
        return Err(HistoryError::TooMany(MOST));
    }
    let mut found = BTreeMap::<StreamId, Vec<Recorded>>::new();
    for row in &rows {
        let event = event_from_row(row)?;
        found.entry(event.envelope.stream.clone()).or_default().push(event);
    }
    Ok(found)
}

/// All that one cause brought about, what led to it, and the streams that all of that touched up to there; none where nothing
/// has this cause.
pub async fn bundle(connection: &mut PgConnection, correlation: Uuid) -> Result<Option<Bundle>, HistoryError> {
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let entries = timeline::of_cause(connection, correlation, most).await?;
    if entries.len() > most {
        return Err(HistoryError::TooMany(MOST));
    }
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(None) };
    let mut versions = BTreeMap::<StreamId, u64>::new();
    for entry in &entries {
        let stream = entry.stream.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        versions.insert(stream, entry.version.unsigned_abs());
    }
    let wanted: Vec<StreamId> = versions.keys().cloned().collect();
    let found = streams(connection, &wanted).await?;
    let (mut bundled, mut refusals) = (Vec::new(), Vec::new());
    for (stream, mut events) in found {
        let most = versions.get(&stream).copied().unwrap_or_default();
        events.retain(|event| event.envelope.version.0 <= most);
        let Some(workspace) = events.first().map(|event| event.envelope.workspace) else { continue };
        refusals.push(StreamId::new(Refusals::CATEGORY, refusal::id(workspace, &stream)));
        bundled.push(BundledStream::new(stream, events.iter().map(told).collect())?);
    }
    let between = |event: &Recorded| first.position <= event.position && event.position <= last.position;
    let mut refused: Vec<Recorded> =
        streams(connection, &refusals).await?.into_values().flatten().filter(between).collect();
    refused.sort_by_key(|event| event.position);
    Ok(Some(Bundle::new(CorrelationId(correlation), bundled, refused.iter().map(told).collect())?))
}

fn told(event: &Recorded) -> BundleEvent {
    let (entry, envelope) = (timeline::Entry::of(event), &event.envelope);
    BundleEvent {
        position: entry.position.to_string(),
        event_id: entry.event,
        stream: envelope.stream.clone(),
        version: envelope.version,
        event_type: entry.event_type,
        schema_version: envelope.schema_version,
        actor: entry.actor,
        actor_kind: entry.actor_kind,
        on_behalf_of: entry.on_behalf_of,
        writer: entry.writer,
        correlation: entry.correlation,
        causation: entry.causation,
        traceparent: entry.traceparent,
        summary: entry.summary,
        payload: emptied(event.payload.to_value()),
        occurred_at: entry.occurred_at,
        recorded_at: entry.recorded_at,
    }
}
