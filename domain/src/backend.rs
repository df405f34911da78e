//! Backend: a real resource by its proven identity, and who uses it for what. A stream of its own, derived from the identity,
//! so that two bindings that race for one database meet here. Owner: Rhone. Writer: provider operations, in the append that
//! verifies or ends a binding. Durability: the log. Trap: preview and production the same mutable database, by accident;
//! and a broadcast backend that is a product database too.

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    environment,
    ids::{AppId, BindingId, EnvironmentId, WorkspaceId, derived},
    text::{Reason, Slug},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};
use uuid::Uuid;

words! {
    /// For what a backend is used.
    Purpose {
        /// Product data that nothing else holds.
        Truth = "truth",
        /// Fan-out that may forget.
        Broadcast = "broadcast",
        /// Anything else.
        Service = "service",
    }
}

/// The stream of the resource with this identity.
pub fn id(identity: &str) -> Uuid {
    derived(&["backend", identity])
}

/// A backend, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backend {
    /// Who uses it.
    pub uses: BTreeMap<BindingId, Use>,
}

/// One use of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// By which binding.
    pub binding: BindingId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// The environment.
    pub environment: EnvironmentId,
    /// Its short name.
    pub slug: Slug,
    /// What the environment is for.
    pub kind: environment::Kind,
    /// For what.
    pub purpose: Purpose,
    /// Why it is meant to be shared with environments of another kind; none: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Reason>,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Use it.
    Take(Use),
    /// Use it no longer.
    Release {
        /// Which binding.
        binding: BindingId,
    },
}

aggregate::commands!(Command {
    Command::Take(_) => "backend.take",
    Command::Release { .. } => "backend.release",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// It is used.
    #[serde(rename = "backend.taken")]
    Taken(Use),
    /// It is used no longer.
    #[serde(rename = "backend.released")]
    Released { binding: BindingId },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("backend.taken", 1), ("backend.released", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// An environment of another kind has this database.
    #[error("{kind} environment {slug} has the same database; declare it shared, with a reason, if that is meant")]
    SharedDatabase {
        /// Of which kind that one is.
        kind: environment::Kind,
        /// Its short name.
        slug: Slug,
    },
    /// Somebody else has this database; who, is nobody's business.
    #[error("this database is bound outside of this workspace")]
    ForeignDatabase,
    /// It would be truth and fan-out at once.
    #[error("the same backend is a product database and a broadcast backend; fan-out forgets, and truth must not")]
    BroadcastIsTruth,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::SharedDatabase { .. } | Self::ForeignDatabase => "SHARED_DATABASE",
            Self::BroadcastIsTruth => "BROADCAST_IS_TRUTH",
        }
    }
}

impl Aggregate for Backend {
    const CATEGORY: &'static str = "backend";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Take(of) if self.uses.get(&of.binding) == Some(&of) => Ok(vec![]),
            Command::Take(of) => self.may_take(&of).map(|()| vec![Event::Taken(of)]),
            Command::Release { binding } if self.uses.contains_key(&binding) => Ok(vec![Event::Released { binding }]),
            Command::Release { .. } => Ok(vec![]),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Taken(of) => drop(self.uses.insert(of.binding, of.clone())),
            Event::Released { binding } => drop(self.uses.remove(binding)),
        }
    }
}

impl Backend {
    /// Whether another use stands in the way of this one.
    pub fn may_take(&self, of: &Use) -> Result<(), Rejection> {
        self.uses.values().filter(|other| other.binding != of.binding).try_for_each(|other| beside(of, other))
    }
}

fn beside(of: &Use, other: &Use) -> Result<(), Rejection> {
    match (of.purpose, other.purpose) {
        (Purpose::Truth, Purpose::Broadcast) | (Purpose::Broadcast, Purpose::Truth) => Err(Rejection::BroadcastIsTruth),
        (Purpose::Truth, Purpose::Truth) if other.workspace != of.workspace => Err(Rejection::ForeignDatabase),
        (Purpose::Truth, Purpose::Truth) if other.kind != of.kind && of.shared.is_none() => {
            Err(Rejection::SharedDatabase { kind: other.kind, slug: other.slug.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
