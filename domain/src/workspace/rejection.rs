//! Why a workspace says no.

use super::{LONGEST_INVITATION, LONGEST_SUPPORT, MOST_INVITATIONS, Role};
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
    /// Invitations end.
    #[error("an invitation is open for at least a second and at most {} days", LONGEST_INVITATION.num_days())]
    InvitationTooLong,
    /// Not without an end.
    #[error("at most {MOST_INVITATIONS} invitations of a workspace are open at a time; revoke one first")]
    TooManyInvitations,
    /// There is none, or it was used or revoked.
    #[error("invitationId is of no open invitation of this workspace")]
    NoInvitation,
    /// Unknown, used, expired or revoked: which of them is not a stranger's business.
    #[error("secret opens no invitation")]
    InvitationGone,
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
            Self::InvitationTooLong => "INVITATION_TOO_LONG",
            Self::TooManyInvitations => "TOO_MANY_INVITATIONS",
            Self::NoInvitation => "NO_INVITATION",
            Self::InvitationGone => "INVITATION_GONE",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists | Self::NotFound | Self::TooManyInvitations => None,
            Self::NoMember | Self::MemberExists { .. } | Self::LastOwner => Some("memberId"),
            Self::NotYoursToGive { .. } | Self::WorkspaceWide { .. } => Some("grants"),
            Self::SupportTooLong => Some("seconds"),
            Self::NoSupport => Some("accessId"),
            Self::InvitationTooLong => Some("expiresInSeconds"),
            Self::NoInvitation => Some("invitationId"),
            Self::InvitationGone => Some("secret"),
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
            | Self::NoSupport
            | Self::InvitationTooLong
            | Self::TooManyInvitations
            | Self::NoInvitation
            | Self::InvitationGone => None,
        }
    }
}
