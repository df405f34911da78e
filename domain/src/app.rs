//! App: the hosted application, independent of any deploy. Owner: Rhone. Writer: create and import operations.
//! Trap: confusing it with one running process; nothing that runs is mentioned here, and no region or cell either.

use crate::{
    aggregate::{self, Aggregate},
    ids::{AppId, ProjectId, WorkspaceId},
    text::{Name, Slug},
};
use serde::{Deserialize, Serialize};

/// An app, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct App {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: AppId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Its project.
    pub project: ProjectId,
    /// Unique in the project.
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
    #[serde(rename = "app.created")]
    Created(Created),
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("app.created", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this app exists already")]
    Exists,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
        }
    }
}

impl Aggregate for App {
    const CATEGORY: &'static str = "app";
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
