//! A support bundle: all that one cause brought about, and the streams it touched up to there, so that whoever gets it folds
//! them to the same states without our database. Sealed personal fields are emptied and idempotency keys left out. Its own
//! digest is over all of it: against damage and a careless hand, not against a forger, who could make another one. Traps: a
//! redaction that the fold cannot read any more, so that a sealed field keeps its form; and a part that no state covers.

use super::{Walk, state_hash};
use crate::{
    aggregate::{Encoded, Unreadable},
    canonical::{InvalidPayload, Payload},
    digest::Digest,
    envelope::StreamId,
    ids::CorrelationId,
    numbers::Version,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// What every bundle of this form begins with.
pub const FORMAT: &str = "rhone.support_bundle.v2";
/// What those of the first form begin with, which have no digest of their own. They are still read.
const FIRST: &str = "rhone.support_bundle.v1";

/// The bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: String,
    /// Of which cause; an operation's id where there is one.
    pub correlation: CorrelationId,
    /// Every stream it touched, in the order of their names.
    pub streams: Vec<BundledStream>,
    /// What was refused on them meanwhile, in the log's order.
    pub refused: Vec<BundleEvent>,
    /// What answered through each edge, as the operation has it on record.
    pub edges: Vec<Value>,
    /// SHA-256 of all the rest, as JSON without blanks and with the keys of each object in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A stream, from its first event to the last one of the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundledStream {
    /// Which.
    pub stream: StreamId,
    /// The last event's version.
    pub version: Version,
    /// The digest of its state then.
    pub state_hash: Digest,
    /// Its events, in order.
    pub events: Vec<BundleEvent>,
}

/// An event, told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the envelope")]
pub struct BundleEvent {
    pub position: String,
    pub event_id: Uuid,
    pub stream: StreamId,
    pub version: Version,
    pub event_type: String,
    pub schema_version: u16,
    pub actor: Uuid,
    pub actor_kind: String,
    pub on_behalf_of: Option<Uuid>,
    pub writer: String,
    pub correlation: Uuid,
    pub causation: Option<Uuid>,
    pub traceparent: Option<String>,
    pub summary: String,
    pub payload: Value,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BundleRefused {
    /// Another form, or none.
    #[error("`{0}` is no form of a support bundle that this program knows")]
    Format(String),
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
    /// A payload that is none.
    #[error("{stream} version {version} has no payload")]
    Payload {
        /// Which stream.
        stream: StreamId,
        /// Which event.
        version: Version,
        /// Why not.
        #[source]
        source: InvalidPayload,
    },
    /// An event is missing, doubled or of another stream.
    #[error("{stream} has version {found} where {wanted} belongs")]
    Order {
        /// Which stream.
        stream: StreamId,
        /// What belongs there.
        wanted: Version,
        /// What is there.
        found: Version,
    },
    /// The fold gives another state than the exporter's.
    #[error("{stream} at version {version} folds to {found}, and {wanted} was exported")]
    Differs {
        /// Which stream.
        stream: StreamId,
        /// Up to where.
        version: Version,
        /// As exported.
        wanted: Digest,
        /// As folded here.
        found: Digest,
    },
    /// What is said of the edges is not what the operation has on record.
    #[error("the edges are not those that {operation} has on record")]
    Edges {
        /// Which operation.
        operation: StreamId,
    },
    /// Something in it is not what was exported.
    #[error("the bundle's digest is {found}, and {wanted} was exported")]
    Changed {
        /// As exported.
        wanted: Digest,
        /// As it is.
        found: Digest,
    },
    /// Without its digest nobody can say whether it is whole.
    #[error("the bundle's digest is missing")]
    DigestMissing,
}

/// A state that a bundle's stream folds to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Which stream.
    pub stream: StreamId,
    /// Up to where.
    pub version: Version,
    /// What it is then.
    pub state: Value,
    /// The state's digest.
    pub state_hash: Digest,
}

impl BundledStream {
    /// These events of a stream, with their payloads as they are in the log.
    pub fn new(stream: StreamId, mut events: Vec<BundleEvent>) -> Result<Self, BundleRefused> {
        for event in &mut events {
            event.payload = emptied(event.payload.take());
        }
        let mut bundled = Self { stream, version: Version(0), state_hash: Digest::ZERO, events };
        let replayed = bundled.fold()?;
        (bundled.version, bundled.state_hash) = (replayed.version, replayed.state_hash);
        Ok(bundled)
    }

    fn fold(&self) -> Result<Replayed, BundleRefused> {
        let category = self.stream.category();
        let mut walk = Walk::of(category).ok_or_else(|| BundleRefused::Category(category.to_owned()))?;
        let mut version = Version(0);
        for event in &self.events {
            let (stream, wanted) = (self.stream.clone(), version.next());
            if event.version != wanted || event.stream != self.stream {
                return Err(BundleRefused::Order { stream, wanted, found: event.version });
            }
            version = wanted;
            walk.pass(&event.encoded()?).map_err(|source| BundleRefused::Unreadable { stream, source })?;
        }
        let state = walk.state().clone();
        let state_hash = state_hash(&self.stream, version, &state);
        Ok(Replayed { stream: self.stream.clone(), version, state, state_hash })
    }
}

impl BundleEvent {
    fn encoded(&self) -> Result<Encoded, BundleRefused> {
        let invalid = |source| BundleRefused::Payload { stream: self.stream.clone(), version: self.version, source };
        let payload = Payload::parse(self.payload.to_string()).map_err(invalid)?;
        Ok(Encoded { event_type: self.event_type.clone(), schema_version: self.schema_version, payload })
    }
}

impl Bundle {
    /// A bundle of these streams; what the edges answered is read off the operation.
    pub fn new(
        correlation: CorrelationId,
        streams: Vec<BundledStream>,
        refused: Vec<BundleEvent>,
    ) -> Result<Self, BundleRefused> {
        let edges = edges(correlation, &proven(&streams)?);
        let mut made = Self { format: FORMAT.to_owned(), correlation, streams, refused, edges, digest: None };
        made.digest = Some(made.own_digest());
        Ok(made)
    }

    /// Reads a bundle back and folds every stream of it with the rules of this program; refused unless each state is the one
    /// that was exported, and everything else is as well.
    pub fn replay(&self) -> Result<Vec<Replayed>, BundleRefused> {
        if self.format != FORMAT && self.format != FIRST {
            return Err(BundleRefused::Format(self.format.clone()));
        }
        let replayed = proven(&self.streams)?;
        if self.edges != edges(self.correlation, &replayed) {
            return Err(BundleRefused::Edges { operation: operation(self.correlation) });
        }
        match (self.digest, self.own_digest()) {
            (None, _) if self.format == FIRST => Ok(replayed),
            (None, _) => Err(BundleRefused::DigestMissing),
            (Some(wanted), found) if wanted == found => Ok(replayed),
            (Some(wanted), found) => Err(BundleRefused::Changed { wanted, found }),
        }
    }

    fn own_digest(&self) -> Digest {
        let mut all = serde_json::to_value(self).expect("every key of a bundle is a text");
        if let Some(fields) = all.as_object_mut() {
            fields.remove("digest");
        }
        Digest::of(&[all.to_string().as_bytes()])
    }
}

fn proven(streams: &[BundledStream]) -> Result<Vec<Replayed>, BundleRefused> {
    streams.iter().map(BundledStream::proven).collect()
}

fn operation(correlation: CorrelationId) -> StreamId {
    StreamId::new("operation", correlation.0)
}

/// What answered through each edge, by the operation's own state.
fn edges(correlation: CorrelationId, replayed: &[Replayed]) -> Vec<Value> {
    let stream = operation(correlation);
    let state = replayed.iter().find(|replayed| replayed.stream == stream).map(|found| &found.state);
    state.and_then(|state| state.pointer("/evidence/edges")?.as_array().cloned()).unwrap_or_default()
}

impl BundledStream {
    fn proven(&self) -> Result<Replayed, BundleRefused> {
        let replayed = self.fold()?;
        if (replayed.version, replayed.state_hash) == (self.version, self.state_hash) {
            return Ok(replayed);
        }
        let (stream, version, wanted, found) =
            (self.stream.clone(), replayed.version, self.state_hash, replayed.state_hash);
        Err(BundleRefused::Differs { stream, version, wanted, found })
    }
}

/// With every sealed personal field emptied, in its form, so that it is read and says nothing.
pub fn emptied(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("ciphertext") && fields.contains_key("nonce") => json!({
            "subject": fields.get("subject"), "field": fields.get("field"), "nonce": "", "ciphertext": "",
        }),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, emptied(value))).collect(),
        Value::Array(items) => items.into_iter().map(emptied).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}
