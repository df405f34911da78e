//! Why a token says no.

use super::{LONGEST, SHORTEST};
use crate::{aggregate, authorization::Grant};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken.
    #[error("this token exists already")]
    Exists,
    /// Unknown, ended, over, another's, or wider than what is shown: which of them is nobody's business.
    #[error("tokenId is of no token that is yours, valid, and no wider than the one you show")]
    NoToken,
    /// A narrow one that passes rights on would make itself a wide one.
    #[error("a narrowed token never holds {grant}: it passes rights on")]
    PassesRightsOn {
        /// Which grant.
        grant: Grant,
    },
    /// In rights or in reach.
    #[error("no token makes one that may more than itself")]
    Wider,
    /// In time.
    #[error("no token makes one that is valid longer than itself")]
    OutlivesMaker,
    /// Tokens end.
    #[error("a token is valid for at least {} seconds and at most {} days", SHORTEST.num_seconds(), LONGEST.num_days())]
    Lifetime,
    /// A person's is made by themselves.
    #[error("a person's token is made by themselves, and by nobody for them")]
    NotForAMachine,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NoToken => "NO_TOKEN",
            Self::PassesRightsOn { .. } => "PASSES_RIGHTS_ON",
            Self::Wider => "TOKEN_WIDER",
            Self::OutlivesMaker => "TOKEN_OUTLIVES_MAKER",
            Self::Lifetime => "TOKEN_LIFETIME",
            Self::NotForAMachine => "NOT_FOR_A_MACHINE",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists | Self::NotForAMachine => None,
            Self::NoToken => Some("tokenId"),
            Self::PassesRightsOn { .. } | Self::Wider => Some("grants"),
            Self::OutlivesMaker | Self::Lifetime => Some("expiresInSeconds"),
        }
    }
}
