//! Drain, resume or fresh session: what becomes of a session whose allocation is to stop. Pure. Owner: Rhone. Writer: drain
//! operations, into their evidence. Traps: claiming sessions moved when they are still attached to the old allocation;
//! pretending sessions teleport. A session stays where it is until it ends; what another allocation may do is to hydrate what
//! the app has persisted, or to start afresh.

use crate::{
    actor::{UnknownWord, words},
    runtime_service::{Reach, Service, Standing, Standings},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// How an app's sessions can be resumed.
    ResumeMode {
        /// Not at all: a session lives as long as its connection.
        None = "none",
        /// From the process' own memory, so by the same allocation only.
        InMemory = "in_memory",
        /// From a session store that every allocation sees.
        PersistentStore = "persistent_store",
    }
}

words! {
    /// What a session gets.
    Fate {
        /// It goes on where it is attached, until it ends or the drain deadline.
        DrainInPlace = "drain_in_place",
        /// Another allocation reads what was persisted of it and goes on from there.
        Hydrate = "hydrate",
        /// Its user begins anew.
        StartFresh = "start_fresh",
    }
}

/// Who is to serve the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The allocation that it is attached to.
    Same,
    /// Any other one.
    Another,
}

/// Whether what was persisted can be read by who is to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It can.
    Compatible,
    /// It cannot.
    Incompatible,
}

/// The decision.
pub fn decide(mode: ResumeMode, server: Server, schema: Schema) -> Fate {
    match (server, mode, schema) {
        (Server::Same, _, _) => Fate::DrainInPlace,
        (Server::Another, ResumeMode::PersistentStore, Schema::Compatible) => Fate::Hydrate,
        (Server::Another, _, _) => Fate::StartFresh,
    }
}

impl ResumeMode {
    /// What the session store allows, as it is proven here; a store that is declared, or bound and not proven, allows nothing.
    pub fn of(standings: &Standings) -> Self {
        match standings.get(&Service::SessionStore) {
            Some(Standing::Verified(backend)) if backend.reach() == Reach::Region => Self::PersistentStore,
            Some(Standing::Verified(_)) => Self::InMemory,
            Some(Standing::Unproven(_)) | None => Self::None,
        }
    }
}

impl Fate {
    /// As people say it of sessions that are still open at the drain deadline.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::DrainInPlace => "they go on where they are",
            Self::Hydrate => "another allocation hydrates what they have persisted",
            Self::StartFresh => "they start fresh",
        }
    }
}

#[cfg(test)]
mod tests;
