//! Region: geographic boundary of placement, residency and failover. Owner: Rhone. Writer: platform provisioning.
//! Trap: thinking that several regions are only a matter of DNS; every record that has a place names it.

use crate::{
    aggregate::{self, Aggregate},
    ids::RegionId,
    text::{Name, Slug},
};
use serde::{Deserialize, Serialize};

/// A region, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Region {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: RegionId,
    /// Unique on the platform.
    pub slug: Slug,
    /// For people.
    pub name: Name,
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
    #[serde(rename = "region.created")]
    Created(Created),
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("region.created", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this region exists already")]
    Exists,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
        }
    }
}

impl Aggregate for Region {
    const CATEGORY: &'static str = "region";
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
