//! Artifact: immutable build output, named by its digest. Owner: build pipeline. Writer: build worker.
//! Durability: artifact store plus this stream. Trap: rebuilding at promotion; there is no command that changes one.

use crate::{
    aggregate::{self, Aggregate},
    artifact_facts::ArtifactFacts,
    digest::Digest,
    ids::{ArtifactId, WorkspaceId},
};
use serde::{Deserialize, Serialize};

/// An artifact, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Artifact {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which, in this workspace.
    pub id: ArtifactId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Exactly which bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
    /// What its files say.
    pub facts: ArtifactFacts,
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
    #[serde(rename = "artifact.registered")]
    Created(Created),
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("artifact.registered", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this artifact exists already")]
    Exists,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
        }
    }
}

impl Aggregate for Artifact {
    const CATEGORY: &'static str = "artifact";
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
