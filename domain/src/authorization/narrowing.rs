//! What a token leaves of its holder's rights: all of them, or only these grants. Asked by `Authority` and nowhere else, so
//! that a command is judged once, whoever shows what. The trap: a narrow token that makes itself a wide one, by giving its
//! grants to somebody or by making another token.

use super::Grant;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// What a token leaves of its holder's rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<BTreeSet<Grant>>", into = "Option<BTreeSet<Grant>>")]
pub enum Narrowing {
    /// All of them.
    #[default]
    Whole,
    /// These, as far as the holder has them; none of them: it reads and changes nothing.
    Only(BTreeSet<Grant>),
}

/// What no narrowed token ever does: pass rights on. Whoever may let in an owner has every right, whatever the token says.
pub const NEVER_NARROWED: &[Grant] = &[Grant::WorkspaceManage, Grant::MembersManage, Grant::SupportGrant];

impl Narrowing {
    /// Only these grants; the error is one that no narrowed token has.
    pub fn only(grants: BTreeSet<Grant>) -> Result<Self, Grant> {
        match grants.iter().find(|grant| NEVER_NARROWED.contains(grant)) {
            Some(grant) => Err(*grant),
            None => Ok(Self::Only(grants)),
        }
    }

    /// Whether it leaves its holder this grant.
    pub fn leaves(&self, grant: Grant) -> bool {
        match self {
            Self::Whole => true,
            Self::Only(grants) => grants.contains(&grant) && !NEVER_NARROWED.contains(&grant),
        }
    }

    /// Whether nothing of another one goes beyond it.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, _) => true,
            (Self::Only(_), Self::Whole) => false,
            (Self::Only(own), Self::Only(other)) => other.is_subset(own),
        }
    }

    /// Whether it leaves everything.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// Whether nothing can be changed with it.
    pub fn reads_only(&self) -> bool {
        matches!(self, Self::Only(grants) if grants.is_empty())
    }
}

/// As the log and the tokens' table have it.
impl From<Option<BTreeSet<Grant>>> for Narrowing {
    fn from(grants: Option<BTreeSet<Grant>>) -> Self {
        grants.map_or(Self::Whole, Self::Only)
    }
}

impl From<Narrowing> for Option<BTreeSet<Grant>> {
    fn from(narrowing: Narrowing) -> Self {
        match narrowing {
            Narrowing::Whole => None,
            Narrowing::Only(grants) => Some(grants),
        }
    }
}

impl fmt::Display for Narrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("a token with all of its holder's rights"),
            Self::Only(_) if self.reads_only() => f.write_str("a token that only reads"),
            Self::Only(_) => f.write_str("a narrowed token"),
        }
    }
}
