//! Why variables stay as they are; each names the key it is about, and none a value.

use super::{Key, MOST, SET_BYTES, VALUE_BYTES};
use crate::{aggregate, numbers::EnvSet};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The stream is another environment's.
    #[error("these are another environment's variables")]
    OtherLane,
    /// Neither set nor unset.
    #[error("nothing is set and nothing is unset")]
    Nothing,
    /// Somebody else made another set meanwhile.
    #[error("the environment's set is {actual} and no longer {expected}")]
    StaleSet {
        /// Decided on.
        expected: EnvSet,
        /// Now.
        actual: EnvSet,
    },
    /// The ciphertexts are bound to another number than the next set has.
    #[error("the values were sealed for set {actual} where {expected} is next")]
    SealedForAnother {
        /// The next one.
        expected: EnvSet,
        /// Sealed for.
        actual: EnvSet,
    },
    /// Two wishes about one key.
    #[error("{key}: cannot be set and unset at once")]
    SetAndUnset {
        /// Which.
        key: Key,
    },
    /// It is not there to go.
    #[error("{key}: is not set")]
    NotSet {
        /// Which.
        key: Key,
    },
    /// An app could not be started with it.
    #[error("{key}: the value may have at most {VALUE_BYTES} bytes")]
    ValueTooLong {
        /// Which.
        key: Key,
    },
    /// Too many variables.
    #[error("the set would have {count} variables; at most {MOST} are allowed")]
    TooMany {
        /// So many.
        count: usize,
    },
    /// Too much together.
    #[error("the set would count {bytes} bytes; at most {SET_BYTES} are allowed")]
    TooLarge {
        /// So much.
        bytes: u64,
    },
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::OtherLane | Self::NotSet { .. } => "NOT_FOUND",
            Self::Nothing | Self::SetAndUnset { .. } => "INVALID",
            Self::StaleSet { .. } => "STALE_SET",
            Self::SealedForAnother { .. } => "SEALED_FOR_ANOTHER_SET",
            Self::ValueTooLong { .. } => "VALUE_TOO_LONG",
            Self::TooMany { .. } => "TOO_MANY_VARIABLES",
            Self::TooLarge { .. } => "SET_TOO_LARGE",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::OtherLane | Self::SealedForAnother { .. } => None,
            Self::StaleSet { .. } => Some("expectedSet"),
            Self::NotSet { .. } => Some("key"),
            Self::Nothing
            | Self::SetAndUnset { .. }
            | Self::ValueTooLong { .. }
            | Self::TooMany { .. }
            | Self::TooLarge { .. } => Some("variables"),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::StaleSet { expected, actual } | Self::SealedForAnother { expected, actual } => {
                Some((expected.to_string(), actual.to_string()))
            }
            Self::TooMany { count } => Some((format!("at most {MOST}"), count.to_string())),
            Self::TooLarge { bytes } => Some((format!("at most {SET_BYTES}"), bytes.to_string())),
            Self::OtherLane
            | Self::Nothing
            | Self::SetAndUnset { .. }
            | Self::NotSet { .. }
            | Self::ValueTooLong { .. } => None,
        }
    }
}
