//! Workspace: the tenant. Owner: Rhone. Writer: API operations with RBAC and audit. Durability: the log.
//! Trap: letting an app's runtime change tenancy; nothing but a user's command reaches this stream. Who says what others may
//! do is judged here by the same grants: nobody gives what they do not have, or takes from those who have more.
//! Invitations stand in `invitation.rs`, support in `support.rs`.

use crate::{
    actor::words,
    aggregate::{self, Aggregate},
    authorization::{self, Grant, Level, Membership, Scope},
    digest::Digest,
    ids::{ActorId, EnvironmentId, InvitationId, ProjectId, SupportId, WorkspaceId},
    personal::Sealed,
    text::{Name, Reason, Slug},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use crate::actor::UnknownWord;

mod invitation;
mod rejection;
mod support;
pub use invitation::{Invitation, LONGEST_INVITATION, MOST_INVITATIONS};
pub use rejection::Rejection;
pub use support::{Ended, LONGEST_SUPPORT, Support};

words! {
    /// What a member may do: a set of grants (`authorization::grants_of`).
    Role {
        /// Everything, billing and deletion too.
        Owner = "owner",
        /// Apps and members.
        Admin = "admin",
        /// Deploys and logs.
        Member = "member",
    }
}

/// A workspace, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Workspace {
    /// Who it is; none before it exists.
    pub id: Option<WorkspaceId>,
    /// Who belongs to it, and what they may do.
    pub members: BTreeMap<ActorId, Membership>,
    /// For whom support may act, or might.
    pub support: BTreeMap<SupportId, Support>,
    /// With which secrets one may come in.
    pub invitations: BTreeMap<InvitationId, Invitation>,
}

/// In what grants hold, beside those of the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// In one project, with all its environments.
    Project(ProjectId),
    /// In one environment.
    Environment(EnvironmentId),
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open it, with its first owner.
    Create {
        /// The new workspace.
        id: WorkspaceId,
        /// Globally unique short name; its claim is part of the same append.
        slug: Slug,
        /// For people.
        name: Name,
        /// Whom to write to.
        contact_email: Option<Sealed>,
        /// The first member.
        owner: ActorId,
    },
    /// Let somebody in.
    AddMember {
        /// Who.
        actor: ActorId,
        /// As what.
        role: Role,
        /// Who says so.
        by: ActorId,
    },
    /// Make a member something else.
    SetRole {
        /// Who.
        actor: ActorId,
        /// What.
        role: Role,
        /// Who says so.
        by: ActorId,
    },
    /// Let somebody be a member no longer.
    RemoveMember {
        /// Who.
        actor: ActorId,
        /// Who says so.
        by: ActorId,
    },
    /// Say what a member may do in one place beside what the role allows; what was said before about it is over.
    SetGrants {
        /// Who.
        actor: ActorId,
        /// Where.
        reach: Reach,
        /// What.
        grants: BTreeSet<Grant>,
        /// Who says so.
        by: ActorId,
    },
    /// Let support act for a member.
    GrantSupport {
        /// Which time of support.
        access: SupportId,
        /// For whom, who also says so.
        user: ActorId,
        /// Why.
        reason: Reason,
        /// When this is asked.
        at: DateTime<Utc>,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Let it act no longer.
    EndSupport {
        /// Which.
        access: SupportId,
        /// Who says so.
        by: ActorId,
    },
    /// Let in whoever shows a secret.
    Invite {
        /// The new invitation.
        invitation: InvitationId,
        /// What it says.
        new: Invitation,
    },
    /// Let nobody in with it any more.
    RevokeInvitation {
        /// Which.
        invitation: InvitationId,
        /// Who says so.
        by: ActorId,
    },
    /// Come in.
    AcceptInvitation {
        /// The SHA-256 of what was shown.
        secret: Digest,
        /// Who comes.
        actor: ActorId,
        /// When this is asked.
        at: DateTime<Utc>,
    },
}

aggregate::commands!(Command {
    Command::Create { .. } => "workspace.create",
    Command::AddMember { .. } => "workspace.add_member",
    Command::SetRole { .. } => "workspace.set_role",
    Command::RemoveMember { .. } => "workspace.remove_member",
    Command::SetGrants { .. } => "workspace.set_grants",
    Command::GrantSupport { .. } => "workspace.grant_support",
    Command::EndSupport { .. } => "workspace.end_support",
    Command::Invite { .. } => "workspace.invite",
    Command::RevokeInvitation { .. } => "workspace.revoke_invitation",
    Command::AcceptInvitation { .. } => "workspace.accept_invitation",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// It exists.
    #[serde(rename = "workspace.created")]
    Created { id: WorkspaceId, slug: Slug, name: Name, contact_email: Option<Sealed>, owner: ActorId },
    /// Somebody belongs to it.
    #[serde(rename = "workspace.member_added")]
    MemberAdded { actor: ActorId, role: Role },
    /// A member is something else now.
    #[serde(rename = "workspace.member_role_changed")]
    MemberRoleChanged { actor: ActorId, role: Role },
    /// Somebody belongs to it no longer.
    #[serde(rename = "workspace.member_removed")]
    MemberRemoved { actor: ActorId },
    /// In one place a member may do exactly this beside what the role allows.
    #[serde(rename = "workspace.grants_set")]
    GrantsSet { actor: ActorId, reach: Reach, grants: BTreeSet<Grant> },
    /// Support may act for a member.
    #[serde(rename = "workspace.support_granted")]
    SupportGranted { access: SupportId, user: ActorId, reason: Reason, until: DateTime<Utc> },
    /// It may not any more.
    #[serde(rename = "workspace.support_ended")]
    SupportEnded { access: SupportId },
    /// Whoever shows the secret of this SHA-256 may come in.
    #[serde(rename = "workspace.member_invited")]
    MemberInvited {
        invitation: InvitationId,
        role: Role,
        secret: Digest,
        by: ActorId,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    },
    /// Nobody may any more.
    #[serde(rename = "workspace.invitation_revoked")]
    InvitationRevoked { invitation: InvitationId },
    /// Somebody did, and belongs to it.
    #[serde(rename = "workspace.invitation_accepted")]
    InvitationAccepted { invitation: InvitationId, actor: ActorId, role: Role },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("workspace.created", 1),
        ("workspace.member_added", 1),
        ("workspace.member_role_changed", 1),
        ("workspace.member_removed", 1),
        ("workspace.grants_set", 1),
        ("workspace.support_granted", 1),
        ("workspace.support_ended", 1),
        ("workspace.member_invited", 1),
        ("workspace.invitation_revoked", 1),
        ("workspace.invitation_accepted", 1),
    ];
}

impl Aggregate for Workspace {
    const CATEGORY: &'static str = "workspace";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create { .. } if self.id.is_some() => Err(Rejection::Exists),
            Command::Create { id, slug, name, contact_email, owner } => {
                Ok(vec![Event::Created { id, slug, name, contact_email, owner }])
            }
            _ if self.id.is_none() => Err(Rejection::NotFound),
            Command::AddMember { actor, role, by } => self.add(actor, role, by),
            Command::SetRole { actor, role, by } => self.set_role(actor, role, by),
            Command::RemoveMember { actor, by } => {
                self.outranks_or_is(by, actor)?;
                self.keeps_an_owner(actor, None)?;
                Ok(vec![Event::MemberRemoved { actor }])
            }
            Command::SetGrants { actor, reach, grants, by } => self.set_grants(actor, reach, grants, by),
            Command::GrantSupport { access, user, reason, at, until } => {
                self.member(user)?;
                if until <= at || until - at > LONGEST_SUPPORT {
                    return Err(Rejection::SupportTooLong);
                }
                match self.support.get(&access) {
                    Some(_) => Err(Rejection::Exists),
                    None => Ok(vec![Event::SupportGranted { access, user, reason, until }]),
                }
            }
            Command::EndSupport { access, by } => self.end_support(access, by),
            Command::Invite { invitation, new } => self.invite(invitation, new),
            Command::RevokeInvitation { invitation, by } => self.revoke_invitation(invitation, by),
            Command::AcceptInvitation { secret, actor, at } => self.accept(secret, actor, at),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created { id, owner, .. } => {
                self.id = Some(*id);
                self.members.insert(*owner, Membership::of(Role::Owner));
            }
            Event::MemberAdded { actor, role } | Event::MemberRoleChanged { actor, role } => {
                self.members.entry(*actor).or_insert_with(|| Membership::of(*role)).role = *role;
            }
            Event::MemberRemoved { actor } => {
                self.members.remove(actor);
            }
            Event::GrantsSet { actor, reach, grants } => {
                if let Some(member) = self.members.get_mut(actor) {
                    member.set(*reach, grants.clone());
                }
            }
            Event::SupportGranted { access, user, reason, until } => {
                let (user, reason, until) = (*user, reason.clone(), *until);
                self.support.insert(*access, Support { user, reason, until, ended: Ended::NotYet });
            }
            Event::SupportEnded { access } => {
                if let Some(support) = self.support.get_mut(access) {
                    support.ended = Ended::Early;
                }
            }
            Event::MemberInvited { invitation, role, secret, by, since, until } => {
                let (role, secret, by, since, until) = (*role, *secret, *by, *since, *until);
                self.invited(*invitation, Invitation { role, secret, by, since, until });
            }
            Event::InvitationRevoked { invitation } => {
                self.invitations.remove(invitation);
            }
            Event::InvitationAccepted { invitation, actor, role } => self.accepted(*invitation, *actor, *role),
        }
    }
}

impl Workspace {
    fn member(&self, actor: ActorId) -> Result<&Membership, Rejection> {
        self.members.get(&actor).ok_or(Rejection::NoMember)
    }

    fn add(&self, actor: ActorId, role: Role, by: ActorId) -> Result<Vec<Event>, Rejection> {
        match self.members.get(&actor) {
            Some(member) if member.role == role => Ok(vec![]),
            Some(member) => Err(Rejection::MemberExists { role: member.role }),
            None => {
                self.has_all(by, authorization::grants_of(role))?;
                Ok(vec![Event::MemberAdded { actor, role }])
            }
        }
    }

    fn set_role(&self, actor: ActorId, role: Role, by: ActorId) -> Result<Vec<Event>, Rejection> {
        if self.member(actor)?.role == role {
            return Ok(vec![]);
        }
        self.outranks_or_is(by, actor)?;
        self.has_all(by, authorization::grants_of(role))?;
        self.keeps_an_owner(actor, Some(role))?;
        Ok(vec![Event::MemberRoleChanged { actor, role }])
    }

    fn set_grants(
        &self,
        actor: ActorId,
        reach: Reach,
        grants: BTreeSet<Grant>,
        by: ActorId,
    ) -> Result<Vec<Event>, Rejection> {
        let member = self.member(actor)?;
        if let Some(grant) = grants.iter().find(|grant| authorization::WHOLE.contains(grant)) {
            return Err(Rejection::WorkspaceWide { grant: *grant });
        }
        self.has_all(by, &grants.iter().copied().collect::<Vec<_>>())?;
        if member.within(reach).cloned().unwrap_or_default() == grants {
            return Ok(vec![]);
        }
        Ok(vec![Event::GrantsSet { actor, reach, grants }])
    }

    /// Nobody gives what they do not have.
    fn has_all(&self, by: ActorId, grants: &[Grant]) -> Result<(), Rejection> {
        let giver = self.members.get(&by);
        let has = |grant: Grant| giver.is_some_and(|one| one.holds(grant, Level::Workspace, Scope::default()));
        match grants.iter().find(|grant| !has(**grant)) {
            Some(grant) => Err(Rejection::NotYoursToGive { grant: *grant }),
            None => Ok(()),
        }
    }

    /// Nobody takes from those who have more; everybody may take from themselves.
    fn outranks_or_is(&self, by: ActorId, actor: ActorId) -> Result<(), Rejection> {
        let member = self.member(actor)?;
        if by == actor { Ok(()) } else { self.has_all(by, authorization::grants_of(member.role)) }
    }

    /// A workspace without an owner could never get one again.
    fn keeps_an_owner(&self, actor: ActorId, becomes: Option<Role>) -> Result<(), Rejection> {
        let another = self.members.iter().any(|(id, member)| *id != actor && member.role == Role::Owner);
        let is_owner = self.members.get(&actor).is_some_and(|member| member.role == Role::Owner);
        if is_owner && becomes != Some(Role::Owner) && !another { Err(Rejection::LastOwner) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
