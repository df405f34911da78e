//! History: any noun by its category, folded event by event, and what each event changed in it. Pure: whoever asks reads the
//! events. The aggregates here are those that decide, so that what is replayed is what was judged. Trap: a second fold,
//! written for showing, that drifts away from the one that rules.

mod bundle;
mod commands;
mod difference;
mod tree;
mod watched;

pub use bundle::{Bundle, BundleEvent, BundleRefused, BundledStream, FORMAT, Replayed, emptied};
pub use commands::command_of;
pub use difference::{Change, changes};
pub use tree::{Line, tree};
pub use watched::{FieldChange, OF_AN_ENVIRONMENT, Shape, UNWATCHED, WATCHED, Watched, WatchedField, watched_changes};

use crate::{
    aggregate::{self, Aggregate, Encoded, Unreadable},
    catalogue,
    digest::Digest,
    envelope::StreamId,
    ids::AppId,
    numbers::Version,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Debug;

/// An aggregate whose type only its category tells.
pub trait Folding: Debug + Send {
    /// Takes an event of its stream in.
    fn take(&mut self, event: &Encoded) -> Result<(), Unreadable>;

    /// Its state, as JSON, with sealed personal fields shown as just that.
    fn state(&self) -> Value;
}

#[derive(Debug)]
struct Folded<A>(A);

impl<A: Aggregate + Serialize> Folding for Folded<A> {
    fn take(&mut self, event: &Encoded) -> Result<(), Unreadable> {
        self.0.apply(&aggregate::decode::<A::Event>(event)?);
        Ok(())
    }

    fn state(&self) -> Value {
        redacted(serde_json::to_value(&self.0).expect("a state has text keys and finite numbers only"))
    }
}

/// A fold that has taken in nothing yet.
pub fn folding_of<A: Aggregate + Serialize>() -> Box<dyn Folding> {
    Box::new(Folded(A::default()))
}

/// The fold of a category; none where no noun is called so.
pub fn folding(category: &str) -> Option<Box<dyn Folding>> {
    catalogue::nouns().into_iter().find(|noun| noun.category == category).map(|noun| (noun.folding)())
}

/// A stream walked along, event by event.
#[derive(Debug)]
pub struct Walk {
    folding: Box<dyn Folding>,
    /// The state, once somebody asked for it. Null before the first event, so that its changes name all that it brought.
    state: Option<Value>,
}

impl Walk {
    /// At the beginning; none where no noun is called so.
    pub fn of(category: &str) -> Option<Self> {
        Some(Self { folding: folding(category)?, state: Some(Value::Null) })
    }

    /// One event further.
    pub fn pass(&mut self, event: &Encoded) -> Result<(), Unreadable> {
        self.state = None;
        self.folding.take(event)
    }

    /// One event further: the state before.
    pub fn take(&mut self, event: &Encoded) -> Result<Value, Unreadable> {
        let before = self.state.take().unwrap_or_else(|| self.folding.state());
        self.pass(event)?;
        Ok(before)
    }

    /// Where it is.
    pub fn state(&mut self) -> &Value {
        self.state.get_or_insert_with(|| self.folding.state())
    }
}

/// The digest of a state: the same stream at the same version has the same, wherever it is folded.
pub fn state_hash(stream: &StreamId, version: Version, state: &Value) -> Digest {
    // Keys of a `Value` are in order, so that there is one text of it.
    let text = json!({ "stream": stream, "version": version, "state": state }).to_string();
    Digest::of(&[b"rhone.state.v1\n", text.as_bytes()])
}

/// The digest of all that an app is: of its streams' states, given in the order of their names.
pub fn app_states_hash<'a>(app: AppId, states: impl IntoIterator<Item = (&'a StreamId, Digest)>) -> Digest {
    let states = states.into_iter().map(|(stream, hash)| json!({ "stream": stream, "stateHash": hash }));
    let text = json!({ "app": app, "states": states.collect::<Vec<_>>() }).to_string();
    Digest::of(&[b"rhone.app-states.v1\n", text.as_bytes()])
}

/// With every sealed personal field shown as just that; once more changes nothing.
pub fn redacted(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("ciphertext") && fields.contains_key("nonce") => {
            json!({ "sealed": fields.get("field"), "subject": fields.get("subject") })
        }
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, redacted(value))).collect(),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

#[cfg(test)]
mod tests;
