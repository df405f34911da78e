//! Verification without the database: an export of events is judged by itself. The trap avoided: re-serialising a payload;
//! an exported payload is a string, so that the bytes under the hash survive every JSON tool on the way.

use crate::{log::Recorded, position::Position};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::{Actor, Writer},
    canonical::Payload,
    digest::Digest,
    envelope::{Envelope, StreamId},
    ids::{CellId, CorrelationId, EventId, RegionId, WorkspaceId},
    numbers::Version,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    io::{self, BufRead, Write},
};

/// One line of an export.
#[expect(missing_docs, reason = "the fields are those of `Envelope` and `Recorded`")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedEvent {
    pub position: Position,
    pub recorded_at: DateTime<Utc>,
    pub event_id: EventId,
    pub stream: StreamId,
    pub version: Version,
    pub event_type: String,
    pub schema_version: u16,
    pub workspace: WorkspaceId,
    pub region: Option<RegionId>,
    pub cell: Option<CellId>,
    pub actor: Actor,
    pub writer: Writer,
    pub correlation: CorrelationId,
    pub causation: Option<EventId>,
    pub idempotency_key: Option<String>,
    pub traceparent: Option<String>,
    pub occurred_at: DateTime<Utc>,
    pub payload: String,
    pub hash: Digest,
}

impl From<&Recorded> for ExportedEvent {
    fn from(event: &Recorded) -> Self {
        let envelope = event.envelope.clone();
        Self {
            position: event.position,
            recorded_at: event.recorded_at,
            event_id: envelope.event_id,
            stream: envelope.stream,
            version: envelope.version,
            event_type: envelope.event_type,
            schema_version: envelope.schema_version,
            workspace: envelope.workspace,
            region: envelope.region,
            cell: envelope.cell,
            actor: envelope.actor,
            writer: envelope.writer,
            correlation: envelope.correlation,
            causation: envelope.causation,
            idempotency_key: envelope.idempotency_key,
            traceparent: envelope.traceparent,
            occurred_at: envelope.occurred_at,
            payload: event.payload.as_str().to_owned(),
            hash: event.hash,
        }
    }
}

impl ExportedEvent {
    /// The hash its fields have; none if the payload is not one that was ever admitted.
    pub fn computed_hash(&self) -> Option<Digest> {
        let payload = Payload::parse(self.payload.as_str()).ok()?;
        Some(self.envelope().hash(&payload))
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            event_id: self.event_id,
            stream: self.stream.clone(),
            version: self.version,
            event_type: self.event_type.clone(),
            schema_version: self.schema_version,
            workspace: self.workspace,
            region: self.region,
            cell: self.cell,
            actor: self.actor,
            writer: self.writer,
            correlation: self.correlation,
            causation: self.causation,
            idempotency_key: self.idempotency_key.clone(),
            traceparent: self.traceparent.clone(),
            occurred_at: self.occurred_at,
        }
    }
}

/// Writes events as lines of JSON.
pub fn export<'a>(events: impl IntoIterator<Item = &'a Recorded>, mut to: impl Write) -> io::Result<()> {
    for event in events {
        serde_json::to_writer(&mut to, &ExportedEvent::from(event))?;
        to.write_all(b"\n")?;
    }
    to.flush()
}

/// Reads an export back; empty lines are passed over.
pub fn import(from: impl BufRead) -> io::Result<Vec<ExportedEvent>> {
    let mut events = Vec::new();
    for line in from.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            events.push(serde_json::from_str(&line)?);
        }
    }
    Ok(events)
}

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many events were read.
    pub events: u64,
    /// Of how many streams.
    pub streams: u64,
    /// What is wrong; nothing, if the log is what was written.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// An event is not what was hashed.
    Altered {
        /// Of this stream.
        stream: StreamId,
        /// With this version.
        version: Version,
    },
    /// Versions do not count from 1 without gaps.
    NotContiguous {
        /// Of this stream.
        stream: StreamId,
        /// What should follow.
        expected: Version,
        /// What follows.
        found: Version,
    },
    /// An event stands twice.
    Repeated {
        /// In this stream.
        stream: StreamId,
        /// With this id.
        event_id: EventId,
    },
    /// Events do not stand in the log's order.
    OutOfOrder {
        /// The first that comes too late.
        position: Position,
    },
}

/// Judges whole streams in the log's order.
pub fn verify<'a>(events: impl IntoIterator<Item = &'a ExportedEvent>) -> Report {
    let mut report = Report::default();
    let mut versions = HashMap::<&StreamId, Version>::new();
    let mut ids = HashSet::new();
    let mut last = Position::START;
    for event in events {
        report.events += 1;
        if event.computed_hash() != Some(event.hash) {
            report.problems.push(Problem::Altered { stream: event.stream.clone(), version: event.version });
        }
        if !ids.insert((&event.stream, event.event_id)) {
            report.problems.push(Problem::Repeated { stream: event.stream.clone(), event_id: event.event_id });
        }
        let expected = versions.get(&event.stream).copied().unwrap_or_default().next();
        if event.version != expected {
            report.problems.push(Problem::NotContiguous {
                stream: event.stream.clone(),
                expected,
                found: event.version,
            });
        }
        versions.insert(&event.stream, event.version);
        if event.position <= last {
            report.problems.push(Problem::OutOfOrder { position: event.position });
        }
        last = event.position;
    }
    report.streams = versions.len() as u64;
    report
}

#[cfg(test)]
mod tests;
