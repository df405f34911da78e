//! Lists of input objects that say in which field they are wrong: the library names the type alone, and a caller who sent a
//! text where a list of objects belongs is told of the field like everywhere else.

use async_graphql::{InputType, InputValueError, InputValueResult, Value, registry::Registry};
use std::borrow::Cow;

/// An input object that stands in a list, in a field of always the same name.
pub(crate) trait Element: InputType {
    /// The field.
    const FIELD: &'static str;
}

/// A list of them.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T>(pub(crate) Vec<T>);

impl<T: Element> InputType for Listed<T> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let wrong = |_| InputValueError::custom(format!("{}: must be a list of {}", T::FIELD, T::type_name()));
        Vec::<T>::parse(value).map(Self).map_err(wrong)
    }

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }
}
