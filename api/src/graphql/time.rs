//! Times as they come in: read where the name of their field is known, like ids and texts, so that a malformed one is refused by
//! it. The trap avoided: the library's own refusal, which names the type and not the field.

use crate::fault::Fault;
use async_graphql::{InputType, InputValueResult, Value, registry::Registry};
use chrono::{DateTime, Utc};
use std::borrow::Cow;

/// A `DateTime` of an input, sound or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(Option<DateTime<Utc>>);

impl Time {
    /// What it says, or a refusal that names `field`.
    pub(crate) fn read(self, field: impl Into<Cow<'static, str>>) -> Result<DateTime<Utc>, Fault> {
        let rule = "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z";
        self.0.ok_or_else(|| Fault::bad_input(field, rule))
    }
}

/// The same of one that may be left out.
pub(crate) fn read(field: &'static str, time: Option<Time>) -> Result<Option<DateTime<Utc>>, Fault> {
    time.map(|time| time.read(field)).transpose()
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(Some(time))
    }
}

/// In the schema it is the output's `DateTime`.
impl InputType for Time {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <DateTime<Utc> as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <DateTime<Utc> as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        Ok(Self(<DateTime<Utc> as InputType>::parse(value).ok()))
    }

    fn to_value(&self) -> Value {
        self.0.map_or(Value::Null, |time| InputType::to_value(&time))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    //! A time is read, or refused by its field.
    use super::*;

    #[test]
    fn a_malformed_time_is_refused_by_its_field_whatever_it_is() {
        let parsed = |value: Value| Time::parse(Some(value)).expect("never refused without a name");
        assert_eq!(parsed("1970-01-01T00:00:00Z".into()).read("since").ok(), Some(DateTime::<Utc>::UNIX_EPOCH));
        for wrong in [Value::from("yesterday"), Value::from(""), Value::from(7), Value::from(true), Value::Null] {
            let fault = parsed(wrong.clone()).read("since").expect_err("no time");
            assert_eq!(fault.field.as_deref(), Some("since"), "{wrong}");
        }
    }
}
