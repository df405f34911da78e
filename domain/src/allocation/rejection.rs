//! Why an allocation is not changed. The trap: an answer that does not say what was ordered and what was found.

use super::State;
use crate::{aggregate, digest::Digest};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken.
    #[error("this allocation exists already")]
    Exists,
    /// There is none.
    #[error("there is no such allocation")]
    NotFound,
    /// Its life does not go that way.
    #[error("an allocation that is {from} cannot become {to}")]
    NotFrom {
        /// Where it is.
        from: State,
        /// Where it was to go.
        to: State,
    },
    /// The runner executes other bytes than ordered.
    #[error("the runner verified {actual} where {expected} was ordered")]
    WrongDigest {
        /// Ordered.
        expected: Digest,
        /// Found.
        actual: Digest,
    },
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::NotFrom { .. } => "INVALID_TRANSITION",
            Self::WrongDigest { .. } => "WRONG_DIGEST",
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::WrongDigest { expected, actual } => Some((expected.to_string(), actual.to_string())),
            Self::NotFrom { from, to } => Some((to.to_string(), from.to_string())),
            Self::Exists | Self::NotFound => None,
        }
    }
}
