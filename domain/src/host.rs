//! Host: a machine with one runner; belongs to a cell. Owner: Rhone. Writer: platform provisioning.
//! Trap: taking its heartbeat for a fact of the log; when it was last seen stands in a plain table.

use crate::{
    aggregate::{self, Aggregate},
    ids::{CellId, HostId, RegionId},
    text::Slug,
};
use serde::{Deserialize, Serialize};

/// A host, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Host {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: HostId,
    /// Its region.
    pub region: RegionId,
    /// Its cell.
    pub cell: CellId,
    /// Unique in the cell.
    pub slug: Slug,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Bring it into being.
    Create(Created),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// It exists.
    #[serde(rename = "host.registered")]
    Created(Created),
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("host.registered", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this host exists already")]
    Exists,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
        }
    }
}

impl Aggregate for Host {
    const CATEGORY: &'static str = "host";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, Command::Create(created): Command) -> Result<Vec<Event>, Rejection> {
        match &self.created {
            None => Ok(vec![Event::Created(created)]),
            Some(same) if *same == created => Ok(vec![]),
            Some(_) => Err(Rejection::Exists),
        }
    }

    fn apply(&mut self, Event::Created(created): &Event) {
        self.created = Some(created.clone());
    }
}

#[cfg(test)]
mod tests;
