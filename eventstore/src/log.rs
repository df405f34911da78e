//! What a log can do, whoever keeps it: one append that is all or nothing, and reads in one order. Two keep it, Postgres and
//! memory, under one suite. The trap avoided: an error that hides whether the append happened; `Unknown` says so by name.

use crate::position::{LogIncarnation, Position};
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::{Encoded, Event, Unreadable, decode_parts},
    canonical::{InvalidPayload, Payload},
    digest::Digest,
    envelope::{Envelope, StreamId},
    ids::{ActorId, WorkspaceId},
    numbers::{Fence, Version},
};
use serde_json::Value;
use std::{future::Future, sync::Arc};

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// All that is said about it.
    pub envelope: Envelope,
    /// What it says.
    pub payload: Payload,
    /// SHA-256 over both.
    pub hash: Digest,
}

impl NewEvent {
    /// Hashes an event.
    pub fn new(envelope: Envelope, payload: Payload) -> Self {
        let hash = envelope.hash(&payload);
        Self { envelope, payload, hash }
    }

    /// The event itself.
    pub fn decode<E: Event>(&self) -> Result<E, Unreadable> {
        decode_parts(&self.envelope.event_type, self.envelope.schema_version, &self.payload)
    }
}

/// An event as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where in the log.
    pub position: Position,
    /// When the log received it, by the database's clock.
    pub recorded_at: DateTime<Utc>,
    /// All that is said about it.
    pub envelope: Envelope,
    /// What it says.
    pub payload: Payload,
    /// As it was given; see [`crate::verify`].
    pub hash: Digest,
}

impl Recorded {
    /// What a decoder needs.
    pub fn encoded(&self) -> Encoded {
        Encoded {
            event_type: self.envelope.event_type.clone(),
            schema_version: self.envelope.schema_version,
            payload: self.payload.clone(),
        }
    }

    /// The event itself, upcast to its newest form.
    pub fn decode<E: Event>(&self) -> Result<E, Unreadable> {
        decode_parts(&self.envelope.event_type, self.envelope.schema_version, &self.payload)
    }
}

/// A request that is answered once, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Under which tenant the key is kept; not always the one written to (a workspace's creation has none yet).
    pub workspace: WorkspaceId,
    /// Whose key.
    pub actor: ActorId,
    /// The key.
    pub key: String,
    /// What was asked; the same key with another fingerprint is refused.
    pub fingerprint: Digest,
    /// What every later twin is answered.
    pub answer: Value,
}

/// The lease under which the append is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceCheck {
    /// Its name.
    pub lease: String,
    /// The fence it gave; refused when another has been given since, or when it has run out.
    pub fence: Fence,
}

/// The events for one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamWrite {
    /// Which stream.
    pub stream: StreamId,
    /// Its version when it was judged.
    pub expected: Version,
    /// What follows, numbered from `expected + 1`.
    pub events: Vec<NewEvent>,
}

/// All that happens together or not at all.
#[derive(Clone, Debug)]
pub struct Append {
    /// The tenant of every event in it.
    pub workspace: WorkspaceId,
    /// The request's key, if it has one.
    pub idempotency: Option<Idempotency>,
    /// The lease, if it is made under one.
    pub fence: Option<FenceCheck>,
    /// What is written.
    pub writes: Vec<StreamWrite>,
    /// Streams that were only read, and the versions that were judged.
    pub asserts: Vec<(StreamId, Version)>,
    /// Authority rows written in the same transaction.
    pub inline: Vec<Value>,
}

impl Append {
    /// Nothing yet, for this tenant.
    pub fn new(workspace: WorkspaceId) -> Self {
        Self { workspace, idempotency: None, fence: None, writes: Vec::new(), asserts: Vec::new(), inline: Vec::new() }
    }
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It happened now.
    Done {
        /// The place of its last event; none if it had no events.
        position: Option<Position>,
    },
    /// It had happened before, under the same key.
    Replayed {
        /// What was answered then.
        answer: Value,
        /// The place of its last event; none if it had no events.
        position: Option<Position>,
    },
}

/// Why an append did not happen, or may have.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A stream has moved on: judge again.
    #[error("{stream} is at version {actual}, not {expected}")]
    Conflict {
        /// Which stream.
        stream: StreamId,
        /// What was judged.
        expected: Version,
        /// What is so.
        actual: Version,
    },
    /// The key was used for something else.
    #[error("the idempotency key `{key}` was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// Another worker holds the lease, or it has run out.
    #[error("the lease `{lease}` is no longer held under fence {fence}")]
    StaleFence {
        /// Its name.
        lease: String,
        /// The fence that was refused.
        fence: Fence,
    },
    /// The stream belongs to another tenant.
    #[error("{stream} belongs to another workspace")]
    ForeignStream {
        /// Which stream.
        stream: StreamId,
    },
    /// A rule of the authority rows, by its code (`RH0..`).
    #[error("refused with {code}: {message}")]
    Refused {
        /// Five characters.
        code: String,
        /// For people.
        message: String,
        /// For programs, if the rule gives any.
        detail: Option<String>,
    },
    /// An event that cannot be stored as it is.
    #[error("an event cannot be stored")]
    Invalid(#[source] InvalidPayload),
    /// The log does not take what it was given: a mistake of ours.
    #[error("the append is malformed: {0}")]
    Malformed(String),
    /// It did not happen; it may work later.
    #[error("the log is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The connection was lost after sending: it may have happened. Ask again under the same key.
    #[error("the outcome of an append is unknown")]
    Unknown(#[source] sqlx::Error),
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log cannot be reached.
    #[error("the log is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// A stored row is not an event.
    #[error("the event at {place} is corrupt: {reason}")]
    Corrupt {
        /// Its stream and version or position.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// An event of a type or form this program does not know.
    #[error("{stream} cannot be folded")]
    Unreadable {
        /// Which stream.
        stream: StreamId,
        /// Which event and why.
        #[source]
        source: Unreadable,
    },
}

/// A log. Positions rise with the commits as readers see them; nothing is shown before all before it is known.
pub trait Log: Send + Sync + 'static {
    /// Does all of it or nothing.
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// A stream's events after a version, in order.
    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
    ) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send;

    /// Everything after a position, in order: about `limit` events, never part of an append.
    fn read_all(&self, after: Position, limit: u32) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send;

    /// Which life of the log this is.
    fn incarnation(&self) -> impl Future<Output = Result<LogIncarnation, ReadError>> + Send;
}

impl<L: Log> Log for Arc<L> {
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        (**self).append(append)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
    ) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send {
        (**self).read_stream(stream, after)
    }

    fn read_all(&self, after: Position, limit: u32) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send {
        (**self).read_all(after, limit)
    }

    fn incarnation(&self) -> impl Future<Output = Result<LogIncarnation, ReadError>> + Send {
        (**self).incarnation()
    }
}
