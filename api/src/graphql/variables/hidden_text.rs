//! The value of a variable as it comes in. The trap avoided: the library's own text, which a derived `Debug` prints and whose
//! refusal of a wrong type quotes what it got.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use rhone_domain::hidden::Hidden;

/// A text that no log, error or answer repeats.
#[derive(Clone, Debug)]
pub(crate) struct HiddenText(Hidden);

impl HiddenText {
    pub(crate) fn into_hidden(self) -> Hidden {
        self.0
    }
}

#[Scalar]
impl ScalarType for HiddenText {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::custom("must be a text")) };
        Ok(Self(Hidden::new(text)))
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}
