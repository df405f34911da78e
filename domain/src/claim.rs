//! Claim: the right to a name that only one thing may have (ADR 0005). Its stream is derived from scope and value, so the
//! log's own version check decides a race. Writer: whatever creates or releases the holder, in the same append.
//! Trap: checking a read model for uniqueness.

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    ids::derived,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

words! {
    /// What kind of name is claimed.
    Kind {
        /// A workspace's slug, global.
        WorkspaceSlug = "workspace_slug",
        /// A project's slug, within its workspace.
        ProjectSlug = "project_slug",
        /// An app's slug, within its project.
        AppSlug = "app_slug",
        /// An environment's slug, within its app.
        EnvironmentSlug = "environment_slug",
        /// A region's slug, global.
        RegionSlug = "region_slug",
        /// A cell's slug, within its region.
        CellSlug = "cell_slug",
        /// A host's slug, within its cell.
        HostSlug = "host_slug",
        /// A hostname, global.
        Hostname = "hostname",
    }
}

/// The stream of the claim on `value` of this kind within `scope` (nil: global).
pub fn id(kind: Kind, scope: Uuid, value: &str) -> Uuid {
    derived(&["claim", kind.as_str(), &scope.to_string(), value])
}

/// A claim, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Claim {
    /// Who has it now.
    pub holder: Option<Uuid>,
}

impl Claim {
    /// A name that another tenant has: who that is remains unsaid. Nobody ever has the nil id, so every holder is refused.
    pub fn of_somebody_else() -> Self {
        Self { holder: Some(Uuid::nil()) }
    }
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Take the name.
    Claim {
        /// What kind.
        kind: Kind,
        /// The name.
        value: String,
        /// For whom.
        holder: Uuid,
    },
    /// Give it back.
    Release {
        /// Who has it.
        holder: Uuid,
    },
}

aggregate::commands!(Command {
    Command::Claim { .. } => "claim.claim",
    Command::Release { .. } => "claim.release",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// The name is taken.
    #[serde(rename = "claim.claimed")]
    Claimed { kind: Kind, value: String, holder: Uuid },
    /// The name is free again.
    #[serde(rename = "claim.released")]
    Released { holder: Uuid },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("claim.claimed", 1), ("claim.released", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Somebody else has it.
    #[error("this name is taken")]
    Taken,
    /// It is not theirs to give back.
    #[error("this name is not held by the one that releases it")]
    NotHeld,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Taken => "NAME_TAKEN",
            Self::NotHeld => "NOT_HELD",
        }
    }
}

impl Aggregate for Claim {
    const CATEGORY: &'static str = "claim";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match (self.holder, command) {
            (None, Command::Claim { kind, value, holder }) => Ok(vec![Event::Claimed { kind, value, holder }]),
            (Some(same), Command::Claim { holder, .. }) if same == holder => Ok(vec![]),
            (Some(_), Command::Claim { .. }) => Err(Rejection::Taken),
            (Some(same), Command::Release { holder }) if same == holder => Ok(vec![Event::Released { holder }]),
            (_, Command::Release { .. }) => Err(Rejection::NotHeld),
        }
    }

    fn apply(&mut self, event: &Event) {
        self.holder = match event {
            Event::Claimed { holder, .. } => Some(*holder),
            Event::Released { .. } => None,
        };
    }
}

#[cfg(test)]
mod tests;
