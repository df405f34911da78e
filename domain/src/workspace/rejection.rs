//! Why a workspace says no.

use super::{LONGEST_SUPPORT, Role};
use crate::{aggregate, authorization::Grant};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken.
    #[error("this workspace exists already")]
    Exists,
    /// Nothing to change.
    #[error("there is no such workspace")]
    NotFound,
    /// Who is not there cannot be changed.
    #[error("memberId is of no member of this workspace")]
    NoMember,
    /// Who is there is not added again.
    #[error("this is a member already, as {role}")]
    MemberExists {
        /// As what.
        role: Role,
    },
    /// A workspace without an owner could never get one again.
    #[error("the last owner can be neither removed nor made anything else")]
    LastOwner,
    /// Nobody gives what they do not have, or takes from those who have more.
    #[error("who does not have the grant {grant} gives it to nobody and takes it from nobody")]
    NotYoursToGive {
        /// Which grant.
        grant: Grant,
    },
    /// Some grants make no sense in a part of a workspace.
    #[error("the grant {grant} is for whole workspaces; it comes with a role")]
    WorkspaceWide {
        /// Which grant.
        grant: Grant,
    },
    /// Support ends.
    #[error("support acts for at least a second and at most {} days", LONGEST_SUPPORT.num_days())]
    SupportTooLong,
    /// There is none.
    #[error("accessId is of no support access of this workspace")]
    NoSupport,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::NoMember => "NO_MEMBER",
            Self::MemberExists { .. } => "MEMBER_EXISTS",
            Self::LastOwner => "LAST_OWNER",
            Self::NotYoursToGive { .. } => "NOT_YOURS_TO_GIVE",
            Self::WorkspaceWide { .. } => "WORKSPACE_WIDE",
            Self::SupportTooLong => "SUPPORT_TOO_LONG",
            Self::NoSupport => "NO_SUPPORT",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists | Self::NotFound => None,
            Self::NoMember | Self::MemberExists { .. } | Self::LastOwner => Some("memberId"),
            Self::NotYoursToGive { .. } | Self::WorkspaceWide { .. } => Some("grants"),
            Self::SupportTooLong => Some("seconds"),
            Self::NoSupport => Some("accessId"),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::NotYoursToGive { grant } => Some((grant.to_string(), "not held".to_owned())),
            Self::MemberExists { role } => Some(("no member".to_owned(), role.to_string())),
            Self::Exists
            | Self::NotFound
            | Self::NoMember
            | Self::LastOwner
            | Self::WorkspaceWide { .. }
            | Self::SupportTooLong
            | Self::NoSupport => None,
        }
    }
}
