//! Refusals: a rule said no. Data in the payload, with a stable code and what was expected and what is so.

use super::{operation::Gate, refusal_code::RefusalCode};
use async_graphql::{ComplexObject, SimpleObject};
use rhone_domain::aggregate::Rejection;
use serde::{Deserialize, Serialize};

/// Why a mutation was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SimpleObject)]
#[graphql(complex)]
pub(crate) struct UserError {
    /// The rule's own.
    #[graphql(skip)]
    pub(crate) code: String,
    /// The input field it is about.
    pub(crate) field: Option<String>,
    /// The rule, in words.
    pub(crate) message: String,
    /// What the caller expected.
    pub(crate) expected: Option<String>,
    /// What is so.
    pub(crate) actual: Option<String>,
    /// The gates that were judged.
    #[serde(default)]
    pub(crate) gates: Vec<Gate>,
}

impl<R: Rejection> From<&R> for UserError {
    fn from(rejection: &R) -> Self {
        let (expected, actual) = rejection.expected_and_actual().unzip();
        Self {
            code: rejection.code().to_owned(),
            field: rejection.field().map(ToOwned::to_owned),
            message: rejection.to_string(),
            expected,
            actual,
            gates: Vec::new(),
        }
    }
}

#[ComplexObject]
impl UserError {
    /// Which rule.
    async fn code(&self) -> RefusalCode {
        RefusalCode::of(&self.code)
    }
}

impl UserError {
    /// The same refusal about this field of the input.
    pub(crate) fn about(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }
}
