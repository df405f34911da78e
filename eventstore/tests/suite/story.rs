//! The story's noun: a tally that is added to and noted on. Its first event has an older form, which is still read.

use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::{Aggregate, Event, Rejection, encode},
    authorization::{Authority, Level, Need, Row},
    digest::Digest,
    envelope::{Envelope, StreamId},
    ids::{ActorId, CorrelationId, WorkspaceId},
    numbers::Version,
    personal::Sealed,
};
use rhone_eventstore::{Append, Clock, Context, Idempotency, NewEvent, StreamWrite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use uuid::Uuid;

pub(crate) const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xACE));
pub(crate) const GLOBEX: WorkspaceId = WorkspaceId(Uuid::from_u128(0x610B));
pub(crate) const ALICE: ActorId = ActorId(Uuid::from_u128(0xA11CE));
pub(crate) const BOB: ActorId = ActorId(Uuid::from_u128(0xB0B));

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) total: i64,
    pub(crate) units: Vec<String>,
    pub(crate) contact: Option<Sealed>,
}

pub(crate) enum Command {
    Add(i64),
    Note(String, Option<Sealed>),
}

impl rhone_domain::aggregate::Command for Command {
    const NAMES: &'static [&'static str] = &["tally.add", "tally.note"];

    fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "tally.add",
            Self::Note(..) => "tally.note",
        }
    }
}

const fn row(command: &'static str) -> Row {
    Row { command, writers: &[Writer::Api], need: Need::Nothing, level: Level::Workspace }
}

/// Who may issue them.
pub(crate) const TALLY: &[Row] = &[row("tally.add"), row("tally.note")];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum TallyEvent {
    #[serde(rename = "tally.added")]
    Added { by: i64, unit: String },
    #[serde(rename = "tally.noted")]
    Noted { text: String, contact: Option<Sealed> },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tally ends at 1000")
    }
}

impl Rejection for TooMuch {
    fn code(&self) -> &'static str {
        "TOO_MUCH"
    }
}

impl Event for TallyEvent {
    const TYPES: &'static [(&'static str, u16)] = &[("tally.added", 2), ("tally.noted", 1)];

    fn upcast(event_type: &str, from: u16, data: Value) -> Value {
        match (event_type, from) {
            ("tally.added", 1) => json!({ "by": data["amount"], "unit": "each" }),
            _ => data,
        }
    }
}

impl Aggregate for Tally {
    const CATEGORY: &'static str = "tally";
    type Command = Command;
    type Event = TallyEvent;
    type Rejection = TooMuch;

    fn decide(&self, command: Command) -> Result<Vec<TallyEvent>, TooMuch> {
        match command {
            Command::Add(0) => Ok(vec![]),
            Command::Add(by) if self.total + by > 1000 => Err(TooMuch),
            Command::Add(by) => Ok(vec![TallyEvent::Added { by, unit: "each".into() }]),
            Command::Note(text, contact) => Ok(vec![TallyEvent::Noted { text, contact }]),
        }
    }

    fn apply(&mut self, event: &TallyEvent) {
        match event {
            TallyEvent::Added { by, unit } => {
                self.total += by;
                self.units.push(unit.clone());
            }
            TallyEvent::Noted { contact, .. } => self.contact.clone_from(contact),
        }
    }
}

pub(crate) fn clock() -> Clock {
    Clock::system()
}

pub(crate) fn stream() -> StreamId {
    StreamId::new(Tally::CATEGORY, clock().new_id::<Uuid>())
}

pub(crate) fn alice() -> Actor {
    Actor { id: ALICE, kind: ActorKind::User, on_behalf_of: None }
}

pub(crate) fn context() -> Context {
    Context {
        actor: alice(),
        writer: Writer::Api,
        authority: Authority::itself().by(TALLY),
        workspace: ACME,
        correlation: CorrelationId(clock().new_id()),
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    }
}

/// An event of ACME's, by Alice, as the given version of a stream.
pub(crate) fn event(stream: &StreamId, version: u64) -> NewEvent {
    event_in(ACME, stream, version)
}

pub(crate) fn event_in(workspace: WorkspaceId, stream: &StreamId, version: u64) -> NewEvent {
    told_in(workspace, stream, version, &TallyEvent::Added { by: 1, unit: "each".into() })
}

/// Any event, by Alice.
pub(crate) fn told_in(workspace: WorkspaceId, stream: &StreamId, version: u64, told: &impl Event) -> NewEvent {
    let encoded = encode(told).expect("an event without floats");
    let envelope = Envelope {
        event_id: clock().new_id(),
        stream: stream.clone(),
        version: Version(version),
        event_type: encoded.event_type,
        schema_version: encoded.schema_version,
        workspace,
        region: None,
        cell: None,
        actor: alice(),
        writer: Writer::Api,
        correlation: CorrelationId(clock().new_id()),
        causation: None,
        idempotency_key: None,
        traceparent: None,
        occurred_at: clock().now(),
    };
    NewEvent::new(envelope, encoded.payload)
}

pub(crate) fn write(stream: &StreamId, expected: u64, events: u64) -> StreamWrite {
    StreamWrite {
        stream: stream.clone(),
        expected: Version(expected),
        events: (1..=events).map(|n| event(stream, expected + n)).collect(),
    }
}

/// An append of ACME's to one stream.
pub(crate) fn append(stream: &StreamId, expected: u64, events: u64) -> Append {
    Append { writes: vec![write(stream, expected, events)], ..Append::new(ACME) }
}

pub(crate) fn request(key: &str, asked: &str, answer: Value) -> Idempotency {
    Idempotency { workspace: ACME, actor: ALICE, key: key.into(), fingerprint: Digest::of(&[asked.as_bytes()]), answer }
}
