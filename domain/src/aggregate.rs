//! What every noun is: a state folded from its events, which decides commands. Also the given/when/then of its tests.

use crate::{
    actor::Writer,
    canonical::{InvalidPayload, Payload},
};
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed, IntoDeserializer as _, MapAccess, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};
use std::fmt::{Debug, Display};

/// A noun with a life of its own. Its state keeps only what a later decision reads.
pub trait Aggregate: Clone + Debug + Default + Send + Sync + 'static {
    /// The first half of its streams' names.
    const CATEGORY: &'static str;
    /// What may be asked.
    type Command: Command;
    /// What may have happened.
    type Event: Event;
    /// Why not.
    type Rejection: Rejection;

    /// Judges a command. Already so by this very operation: no events. Not allowed: a rejection.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Takes an event in.
    fn apply(&mut self, event: &Self::Event);

    /// In which capacity alone a command may be issued, where this one says so beyond [`crate::authorization::TABLE`].
    fn writer(&self, _command: &Self::Command) -> Option<Writer> {
        None
    }
}

/// What may be asked of a noun. Who may ask stands in [`crate::authorization::TABLE`], by this name.
pub trait Command {
    /// Every name.
    const NAMES: &'static [&'static str];

    /// `noun.verb`.
    fn name(&self) -> &'static str;
}

/// Names a noun's commands: `commands!(Command { Command::Create(_) => "app.create", })`. Every variant gets one, or it does
/// not compile; every name gets a row in the table of authorization, or a test is red.
macro_rules! commands {
    ($command:ident { $($pattern:pat => $name:expr,)* }) => {
        impl $crate::aggregate::Command for $command {
            const NAMES: &'static [&'static str] = &[$($name,)*];

            fn name(&self) -> &'static str {
                match self { $($pattern => $name,)* }
            }
        }
    };
}
pub(crate) use commands;

/// The events of a noun. Serialised as `{"type": "noun.verbed", "data": {...}}`; the log keeps both apart.
pub trait Event: Clone + Debug + Serialize + DeserializeOwned + Send + Sync {
    /// Every type with its newest schema version.
    const TYPES: &'static [(&'static str, u16)];

    /// Brings the data of an older schema version to the next one.
    fn upcast(_event_type: &str, _from: u16, data: Value) -> Value {
        data
    }
}

/// Why a command was not allowed: data, not an exception.
pub trait Rejection: Clone + Debug + Display + Send + Sync {
    /// A stable code, SCREAMING_SNAKE_CASE.
    fn code(&self) -> &'static str;

    /// Which field of the request it is about.
    fn field(&self) -> Option<&'static str> {
        None
    }

    /// What the caller expected and what is so.
    fn expected_and_actual(&self) -> Option<(String, String)> {
        None
    }
}

/// An event on its way to the log or from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// `noun.verbed`.
    pub event_type: String,
    /// Which form of the payload.
    pub schema_version: u16,
    /// The payload.
    pub payload: Payload,
}

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("event {event_type} version {schema_version} cannot be read")]
pub struct Unreadable {
    /// Its type.
    pub event_type: String,
    /// Its schema version.
    pub schema_version: u16,
    /// What is wrong.
    #[source]
    pub source: serde_json::Error,
}

/// Prepares an event for the log.
pub fn encode<E: Event>(event: &E) -> Result<Encoded, InvalidPayload> {
    let Value::Object(mut tagged) = serde_json::to_value(event).expect("an event has no map with other than text keys")
    else {
        unreachable!("an event is serialised with a tag beside its data")
    };
    let Some(Value::String(event_type)) = tagged.remove("type") else {
        unreachable!("an event is serialised with a tag beside its data")
    };
    let payload = match tagged.remove("data") {
        Some(Value::Object(data)) => Payload::of(&data)?,
        Some(other) => Payload::parse(other.to_string())?,
        None => Payload::of(&Map::new())?,
    };
    let schema_version = newest::<E>(&event_type).expect("every type of event stands in TYPES");
    Ok(Encoded { event_type, schema_version, payload })
}

/// Reads a stored event, upcasting it version by version.
pub fn decode<E: Event>(stored: &Encoded) -> Result<E, Unreadable> {
    decode_parts(&stored.event_type, stored.schema_version, &stored.payload)
}

/// The same where its type and its payload stand apart.
pub fn decode_parts<E: Event>(event_type: &str, schema_version: u16, payload: &Payload) -> Result<E, Unreadable> {
    let newest = newest::<E>(event_type).unwrap_or(schema_version);
    let event = if schema_version < newest {
        let upcast = |data, from| E::upcast(event_type, from, data);
        let data = (schema_version..newest).fold(payload.to_value(), upcast);
        read(event_type, &data.to_string())
    } else {
        read(event_type, payload.as_str())
    };
    event.map_err(|source| Unreadable { event_type: event_type.to_owned(), schema_version, source })
}

fn read<E: Event>(event_type: &str, data: &str) -> Result<E, serde_json::Error> {
    let tagged = Tagged { event_type: Some(event_type), data: Some(data) };
    <E as serde::Deserialize>::deserialize(MapAccessDeserializer::new(tagged))
}

/// An event as its serialised form has it. The type is told first: who knows it reads the data from their text, and keeps no
/// copy of them to look at again.
struct Tagged<'a> {
    event_type: Option<&'a str>,
    data: Option<&'a str>,
}

impl<'de> MapAccess<'de> for Tagged<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, serde_json::Error> {
        let key = match (self.event_type, self.data) {
            (Some(_), _) => "type",
            (None, Some(_)) => "data",
            (None, None) => return Ok(None),
        };
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, serde_json::Error> {
        if let Some(event_type) = self.event_type.take() {
            return seed.deserialize(event_type.into_deserializer());
        }
        let mut reader = serde_json::Deserializer::from_str(self.data.take().unwrap_or_default());
        let value = seed.deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }
}

fn newest<E: Event>(event_type: &str) -> Option<u16> {
    E::TYPES.iter().find(|(name, _)| *name == event_type).map(|(_, version)| *version)
}

/// The state after these events.
pub fn fold<'a, A: Aggregate>(events: impl IntoIterator<Item = &'a A::Event>) -> A {
    let mut state = A::default();
    for event in events {
        state.apply(event);
    }
    state
}

/// Given these events; see [`Given::when`].
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given(fold(&events.into_iter().collect::<Vec<_>>()))
}

/// A state to try a command on.
pub struct Given<A: Aggregate>(A);

/// What came of a command.
pub struct When<A: Aggregate>(Result<Vec<A::Event>, A::Rejection>);

impl<A: Aggregate> Given<A> {
    /// Tries a command.
    pub fn when(self, command: A::Command) -> When<A> {
        When(self.0.decide(command))
    }
}

impl<A: Aggregate> When<A>
where
    A::Event: PartialEq,
    A::Rejection: PartialEq,
{
    /// Asserts that exactly these events follow.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = A::Event>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    /// Asserts that it was refused for this reason.
    #[track_caller]
    pub fn then_rejected(self, rejection: &A::Rejection) {
        assert_eq!(self.0.as_ref(), Err(rejection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Its newest version is 3; what changed from 2 to 3 is a name, and from 1 to 2 nothing that is read.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data")]
    enum Grown {
        #[serde(rename = "grown.happened")]
        Happened { word: String },
    }

    impl Event for Grown {
        const TYPES: &'static [(&'static str, u16)] = &[("grown.happened", 3)];

        fn upcast(event_type: &str, from: u16, mut data: Value) -> Value {
            match (event_type, from) {
                ("grown.happened", 2) => serde_json::json!({ "word": data["text"].take() }),
                _ => data,
            }
        }
    }

    /// The same, by somebody who has nothing to say of older versions.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data")]
    enum Silent {
        #[serde(rename = "silent.happened")]
        Happened { word: String },
    }

    impl Event for Silent {
        const TYPES: &'static [(&'static str, u16)] = &[("silent.happened", 2)];
    }

    fn stored(event_type: &str, schema_version: u16, data: &str) -> Encoded {
        Encoded {
            event_type: event_type.into(),
            schema_version,
            payload: Payload::parse(data.to_owned()).expect("JSON"),
        }
    }

    #[test]
    fn an_older_event_is_read_version_by_version() {
        let wanted = Grown::Happened { word: "moin".into() };
        for (version, data) in [(1, r#"{"text":"moin"}"#), (2, r#"{"text":"moin"}"#), (3, r#"{"word":"moin"}"#)] {
            assert_eq!(
                decode::<Grown>(&stored("grown.happened", version, data)).expect("readable"),
                wanted,
                "{version}"
            );
        }
        assert_eq!(encode(&wanted).expect("a payload").schema_version, 3, "and written in the newest");
    }

    #[test]
    fn an_event_of_an_unknown_type_or_form_is_named() {
        let cases =
            [("grown.unheard", r#"{"word":"moin"}"#), ("grown.happened", "{}"), ("grown.happened", r#"{"word":1}"#)];
        for (event_type, data) in cases {
            let unreadable = decode::<Grown>(&stored(event_type, 3, data)).expect_err(data);
            assert_eq!((unreadable.event_type.as_str(), unreadable.schema_version), (event_type, 3));
        }
    }

    fn claims_a_free_name() -> When<crate::claim::Claim> {
        let (kind, value, holder) = (crate::claim::Kind::Hostname, "a.example.com".to_owned(), uuid::Uuid::nil());
        given::<crate::claim::Claim>([]).when(crate::claim::Command::Claim { kind, value, holder })
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn an_event_that_nobody_expected_fails_a_test() {
        claims_a_free_name().then([]);
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn a_refusal_that_does_not_come_fails_a_test() {
        claims_a_free_name().then_rejected(&crate::claim::Rejection::Taken);
    }

    #[test]
    fn data_of_which_nothing_is_said_stay_what_they_are() {
        let read = decode::<Silent>(&stored("silent.happened", 1, r#"{"word":"moin"}"#)).expect("readable");
        assert_eq!(read, Silent::Happened { word: "moin".into() });
    }
}
