//! The envelope of an event (ADR 0001): who, what, why, when and where, decided before the first event was written because
//! append-only forbids adding to it later. The trap: a hash over anything the database may rewrite. It covers what the
//! writer said and not where the log put it (era, tx, pos) nor when the log received it.

use crate::{
    actor::{Actor, Writer},
    canonical::{CanonicalBytes, Payload},
    digest::Digest,
    ids::{CellId, CorrelationId, EventId, RegionId, WorkspaceId},
    numbers::Version,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// A stream: one aggregate's events. Written `category:uuid`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(String);

/// Why a text is not a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stream is written `category:uuid`")]
pub struct InvalidStream;

impl StreamId {
    /// The stream of one aggregate.
    pub fn new(category: &str, id: impl Into<Uuid>) -> Self {
        Self(format!("{category}:{}", id.into()))
    }

    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of aggregate.
    pub fn category(&self) -> &str {
        self.parts().0
    }

    /// Which one.
    pub fn id(&self) -> Uuid {
        Uuid::parse_str(self.parts().1).expect("a stream's id was checked when it was made")
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').expect("a stream has a category")
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamId {
    type Err = InvalidStream;

    fn from_str(text: &str) -> Result<Self, InvalidStream> {
        let (category, id) = text.split_once(':').ok_or(InvalidStream)?;
        let lower = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let id = Uuid::parse_str(id).map_err(|_| InvalidStream)?;
        if lower(category) { Ok(Self::new(category, id)) } else { Err(InvalidStream) }
    }
}

/// All that is said about an event besides its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Unique in its stream.
    pub event_id: EventId,
    /// Which aggregate.
    pub stream: StreamId,
    /// The how manieth of its stream, from 1.
    pub version: Version,
    /// `noun.verbed`.
    pub event_type: String,
    /// Which form of the payload.
    pub schema_version: u16,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Where, when it has a place.
    pub region: Option<RegionId>,
    /// Where in the region.
    pub cell: Option<CellId>,
    /// Who.
    pub actor: Actor,
    /// In which capacity.
    pub writer: Writer,
    /// All that one cause brought about.
    pub correlation: CorrelationId,
    /// The event that led to this one.
    pub causation: Option<EventId>,
    /// The key of the request.
    pub idempotency_key: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// When, by the writer's clock; whole microseconds.
    pub occurred_at: DateTime<Utc>,
}

impl Envelope {
    /// Canonical bytes, version 1.
    pub fn canonical(&self, payload: &Payload) -> Vec<u8> {
        CanonicalBytes::tagged("rhone.event.v1")
            .field(self.event_id.0.as_bytes())
            .field(self.stream.as_str())
            .field(self.version.to_string())
            .field(&self.event_type)
            .field(self.schema_version.to_string())
            .field(self.workspace.0.as_bytes())
            .optional(self.region.map(|id| *id.0.as_bytes()))
            .optional(self.cell.map(|id| *id.0.as_bytes()))
            .field(self.actor.id.0.as_bytes())
            .field(self.actor.kind.as_str())
            .optional(self.actor.on_behalf_of.map(|id| *id.0.as_bytes()))
            .field(self.writer.as_str())
            .field(self.correlation.0.as_bytes())
            .optional(self.causation.map(|id| *id.0.as_bytes()))
            .optional(self.idempotency_key.as_ref())
            .optional(self.traceparent.as_ref())
            .field(self.occurred_at.timestamp_micros().to_string())
            .field(payload.as_str())
            .into_bytes()
    }

    /// The event's hash: SHA-256 over its canonical bytes.
    pub fn hash(&self, payload: &Payload) -> Digest {
        Digest::of(&[&self.canonical(payload)])
    }
}

#[cfg(test)]
mod tests;
