//! Cell: isolation unit of a region, with its runners and service bindings. Owner: Rhone. Writer: platform provisioning.
//! Trap: hard-coding the first cell into what users see; a cell is never part of an app's identity.

use crate::{
    aggregate::{self, Aggregate},
    ids::{CellId, RegionId},
    text::Slug,
};
use serde::{Deserialize, Serialize};

/// A cell, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cell {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: CellId,
    /// Its region.
    pub region: RegionId,
    /// Unique in the region.
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
    #[serde(rename = "cell.created")]
    Created(Created),
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("cell.created", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this cell exists already")]
    Exists,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
        }
    }
}

impl Aggregate for Cell {
    const CATEGORY: &'static str = "cell";
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
