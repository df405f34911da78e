//! Canonical bytes, version 1 (ADR 0001): what an event's hash covers. The payload's bytes are covered as they are stored,
//! never re-serialised; so a dump, a restore or a newer reader cannot change a hash. What JSON leaves open is refused
//! before it is stored: floats, duplicate keys, NUL.

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::BTreeSet, fmt};

/// The JSON text of an event, exactly as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(String);

/// Why a text cannot be a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a payload is one JSON object without floats, duplicate keys or NUL: {0}")]
pub struct InvalidPayload(String);

impl Payload {
    /// Takes the text if version 1 admits it.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidPayload> {
        let text = text.into();
        let mut reader = serde_json::Deserializer::from_str(&text);
        reader
            .deserialize_map(Object)
            .and_then(|()| reader.end())
            .map_err(|error| InvalidPayload(error.to_string()))?;
        Ok(Self(text))
    }

    /// Takes an object that is in memory already, where no key stands twice: what its text may hold is seen on itself.
    pub fn of(object: &Map<String, Value>) -> Result<Self, InvalidPayload> {
        admit_all(object.iter().map(|(key, value)| (key.as_str(), value)), DEEPEST)
            .map_err(|error| InvalidPayload(error.to_string()))?;
        Ok(Self(serde_json::to_string(object).expect("a JSON value has text keys")))
    }

    /// The stored text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a value, for upcasting and reading.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(&self.0).expect("a payload was parsed when it was made")
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes fields so that no two different lists give the same bytes: each with its length, an absent one marked.
#[derive(Default)]
pub struct CanonicalBytes(Vec<u8>);

impl CanonicalBytes {
    /// Starts with a tag that says what follows, and which version of it.
    pub fn tagged(tag: &str) -> Self {
        Self(format!("{tag}\n").into_bytes())
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let length = u32::try_from(bytes.len()).expect("no field reaches 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a field that may be absent; absent is not the same as empty.
    #[must_use]
    pub fn optional(mut self, bytes: Option<impl AsRef<[u8]>>) -> Self {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => {
                self.0.extend_from_slice(&u32::MAX.to_be_bytes());
                self
            }
        }
    }

    /// All of it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Walks a value and refuses what version 1 does not admit.
struct Any;
struct Object;
struct Key;

impl<'de> Visitor<'de> for Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key_seed(Key)? {
            if let Some(twin) = keys.replace(key) {
                return Err(A::Error::custom(format!("the key `{twin}` stands twice")));
            }
            map.next_value_seed(Any)?;
        }
        Ok(())
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// Without an escape in it, it stands in the text as it is.
    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        without_nul::<E>(key)?;
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        without_nul::<E>(key)?;
        Ok(Cow::Owned(key.to_owned()))
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Any {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without floats")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        Err(E::custom(format!("the float {number:?}")))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        without_nul(text)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Any)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Object.visit_map(map)
    }
}

/// How many objects and arrays within each other are read from a text; `serde_json` refuses the next.
const DEEPEST: usize = 127;

/// The same of a value in memory; so deep it may go.
fn admit(value: &Value, deep: usize) -> Result<(), serde_json::Error> {
    match value {
        Value::Number(number) if number.is_f64() => Err(serde_json::Error::custom(format!("the float {number}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => without_nul(text),
        Value::Array(items) => admit_all(items.iter().map(|item| ("", item)), deep),
        Value::Object(fields) => admit_all(fields.iter().map(|(key, value)| (key.as_str(), value)), deep),
    }
}

fn admit_all<'a>(mut values: impl Iterator<Item = (&'a str, &'a Value)>, deep: usize) -> Result<(), serde_json::Error> {
    let Some(deep) = deep.checked_sub(1) else {
        return Err(serde_json::Error::custom("too many objects and arrays within each other"));
    };
    values.try_for_each(|(key, value)| {
        without_nul::<serde_json::Error>(key)?;
        admit(value, deep)
    })
}

fn without_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom("a NUL character")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
