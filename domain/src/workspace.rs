//! Workspace: the tenant. Owner: Rhone. Writer: API operations with RBAC and audit. Durability: the log.
//! Trap: letting an app's runtime change tenancy; nothing but a user's command reaches this stream.

use crate::{
    actor::words,
    aggregate::{self, Aggregate},
    ids::{ActorId, WorkspaceId},
    personal::Sealed,
    text::{Name, Slug},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::actor::UnknownWord;

words! {
    /// What a member may do.
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
    /// Who belongs to it.
    pub members: BTreeMap<ActorId, Role>,
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
    /// Let somebody in, or change what they may do.
    AddMember {
        /// Who.
        actor: ActorId,
        /// As what.
        role: Role,
    },
}

aggregate::commands!(Command {
    Command::Create { .. } => "workspace.create",
    Command::AddMember { .. } => "workspace.add_member",
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
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("workspace.created", 1), ("workspace.member_added", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken.
    #[error("this workspace exists already")]
    Exists,
    /// Nothing to change.
    #[error("there is no such workspace")]
    NotFound,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
        }
    }
}

impl Aggregate for Workspace {
    const CATEGORY: &'static str = "workspace";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match (self.id, command) {
            (None, Command::Create { id, slug, name, contact_email, owner }) => {
                Ok(vec![Event::Created { id, slug, name, contact_email, owner }])
            }
            (Some(_), Command::Create { .. }) => Err(Rejection::Exists),
            (None, Command::AddMember { .. }) => Err(Rejection::NotFound),
            (Some(_), Command::AddMember { actor, role }) if self.members.get(&actor) == Some(&role) => Ok(vec![]),
            (Some(_), Command::AddMember { actor, role }) => Ok(vec![Event::MemberAdded { actor, role }]),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created { id, owner, .. } => {
                self.id = Some(*id);
                self.members.insert(*owner, Role::Owner);
            }
            Event::MemberAdded { actor, role } => {
                self.members.insert(*actor, *role);
            }
        }
    }
}

#[cfg(test)]
mod tests;
