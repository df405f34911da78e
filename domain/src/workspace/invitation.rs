//! Invitations: who shows a secret in time comes in, once. Writer: the workspace. Of the secret only its SHA-256 is known here.
//! Acceptance is one event that closes the invitation and lets the member in: were it two, somebody could read a used
//! invitation without its member, and a membership would be explained by a command that nobody issued. Trap: an invitation
//! that outlives the right to invite; it lasts no longer than its inviter may give what it gives.

use super::{Event, Rejection, Role, Workspace};
use crate::{
    authorization::{self, Membership},
    digest::Digest,
    ids::{ActorId, InvitationId},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The longest time in which an invitation is open.
pub const LONGEST_INVITATION: TimeDelta = TimeDelta::days(30);

/// How many invitations a workspace has open at a time.
pub const MOST_INVITATIONS: usize = 100;

/// An invitation that nobody has used or revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// As what one comes in.
    pub role: Role,
    /// The SHA-256 of the secret.
    pub secret: Digest,
    /// Who invited.
    pub by: ActorId,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl Workspace {
    pub(super) fn invite(&self, id: InvitationId, new: Invitation) -> Result<Vec<Event>, Rejection> {
        let Invitation { role, secret, by, since, until } = new;
        if until <= since || until - since > LONGEST_INVITATION {
            return Err(Rejection::InvitationTooLong);
        }
        self.has_all(by, authorization::grants_of(role))?;
        if self.invitations.contains_key(&id) {
            return Err(Rejection::Exists);
        }
        if self.invitations.values().filter(|one| since < one.until).count() >= MOST_INVITATIONS {
            return Err(Rejection::TooManyInvitations);
        }
        Ok(vec![Event::MemberInvited { invitation: id, role, secret, by, since, until }])
    }

    pub(super) fn revoke_invitation(&self, id: InvitationId, by: ActorId) -> Result<Vec<Event>, Rejection> {
        let invitation = self.invitations.get(&id).ok_or(Rejection::NoInvitation)?;
        self.has_all(by, authorization::grants_of(invitation.role))?;
        Ok(vec![Event::InvitationRevoked { invitation: id }])
    }

    pub(super) fn accept(&self, secret: Digest, actor: ActorId, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let opens = |of: &Invitation| of.secret == secret && at < of.until;
        let found = self.invitations.iter().find(|(_, of)| opens(of)).ok_or(Rejection::InvitationGone)?;
        let (invitation, role) = (*found.0, found.1.role);
        self.has_all(found.1.by, authorization::grants_of(role)).map_err(|_| Rejection::InvitationGone)?;
        match self.members.get(&actor) {
            Some(member) => Err(Rejection::MemberExists { role: member.role }),
            None => Ok(vec![Event::InvitationAccepted { invitation, actor, role }]),
        }
    }

    /// Those that were over when another one was made are forgotten, so that there are never many.
    pub(super) fn invited(&mut self, id: InvitationId, new: Invitation) {
        self.invitations.retain(|_, one| new.since < one.until);
        self.invitations.insert(id, new);
    }

    pub(super) fn accepted(&mut self, id: InvitationId, actor: ActorId, role: Role) {
        self.invitations.remove(&id);
        self.members.insert(actor, Membership::of(role));
    }
}
