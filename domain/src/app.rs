//! App: the hosted application, independent of any deploy, and with which credentials its sources are read. Owner: Rhone.
//! Writer: create and import operations, and people who manage its secrets. Durability: the log. Trap: confusing it with one
//! running process; nothing that runs is mentioned here, and no region or cell either.

use crate::{
    aggregate::{self, Aggregate},
    ids::{AppId, ProjectId, WorkspaceId},
    numbers::EnvSet,
    source_credential::{MOST, SourceCredential, SourceHost, Wanted},
    text::{Name, Slug},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// An app, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct App {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
    /// With what its sources are read: at most one credential for each host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub source_credentials: BTreeMap<SourceHost, SourceCredential>,
    /// The newest generation of each host's credential, of a removed one too: no ciphertext is ever bound to a number twice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<SourceHost, EnvSet>,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Bring it into being.
    Create(Created),
    /// Read its sources of a host with this from now on.
    SetSourceCredential {
        /// Which host.
        host: SourceHost,
        /// With what.
        wanted: Wanted,
        /// When.
        at: DateTime<Utc>,
    },
    /// Read its sources of a host as nobody in particular again.
    RemoveSourceCredential {
        /// Which host.
        host: SourceHost,
    },
}

aggregate::commands!(Command {
    Command::Create(_) => "app.create",
    Command::SetSourceCredential { .. } => "app.set_source_credential",
    Command::RemoveSourceCredential { .. } => "app.remove_source_credential",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// It exists.
    #[serde(rename = "app.created")]
    Created(Created),
    /// Its sources of a host are read with this; what was before for the same host is used no longer.
    #[serde(rename = "app.source_credential_set")]
    SourceCredentialSet(SourceCredential),
    /// Its sources of a host are read as nobody in particular.
    #[serde(rename = "app.source_credential_removed")]
    SourceCredentialRemoved {
        /// Which host.
        host: SourceHost,
        /// The one that is used no longer.
        generation: EnvSet,
    },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] =
        &[("app.created", 1), ("app.source_credential_set", 1), ("app.source_credential_removed", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this app exists already")]
    Exists,
    /// There is none.
    #[error("there is no such app")]
    NotFound,
    /// Nothing to remove.
    #[error("the app holds no credential for {host}")]
    NoCredential {
        /// Which host.
        host: SourceHost,
    },
    /// Too many hosts.
    #[error("the app would hold credentials for {count} hosts; at most {MOST} are allowed")]
    TooManyCredentials {
        /// So many.
        count: usize,
    },
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound | Self::NoCredential { .. } => "NOT_FOUND",
            Self::TooManyCredentials { .. } => "TOO_MANY_CREDENTIALS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists | Self::NotFound => None,
            Self::NoCredential { .. } | Self::TooManyCredentials { .. } => Some("host"),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::TooManyCredentials { count } => Some((format!("at most {MOST}"), count.to_string())),
            Self::Exists | Self::NotFound | Self::NoCredential { .. } => None,
        }
    }
}

impl Aggregate for App {
    const CATEGORY: &'static str = "app";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match (command, &self.created) {
            (Command::Create(created), None) => Ok(vec![Event::Created(created)]),
            (Command::Create(created), Some(known)) if *known == created => Ok(vec![]),
            (Command::Create(_), Some(_)) => Err(Rejection::Exists),
            (Command::SetSourceCredential { .. } | Command::RemoveSourceCredential { .. }, None) => {
                Err(Rejection::NotFound)
            }
            (Command::SetSourceCredential { host, wanted, at }, Some(_)) => self.set(host, wanted, at),
            (Command::RemoveSourceCredential { host }, Some(_)) => match self.source_credentials.get(&host) {
                Some(held) => Ok(vec![Event::SourceCredentialRemoved { host, generation: held.generation }]),
                None => Err(Rejection::NoCredential { host }),
            },
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.created = Some(created.clone()),
            Event::SourceCredentialSet(set) => {
                self.generations.insert(set.host.clone(), set.generation);
                self.source_credentials.insert(set.host.clone(), set.clone());
            }
            Event::SourceCredentialRemoved { host, .. } => drop(self.source_credentials.remove(host)),
        }
    }
}

impl App {
    fn set(&self, host: SourceHost, wanted: Wanted, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let held = self.source_credentials.get(&host);
        if held.is_some_and(|held| held.digest == wanted.digest && held.username == wanted.username) {
            return Ok(vec![]);
        }
        let count = self.source_credentials.len() + usize::from(held.is_none());
        if count > MOST {
            return Err(Rejection::TooManyCredentials { count });
        }
        let generation = self.generations.get(&host).copied().unwrap_or_default().next();
        let Wanted { username, digest, value } = wanted;
        Ok(vec![Event::SourceCredentialSet(SourceCredential { host, username, generation, digest, value, at })])
    }
}

#[cfg(test)]
mod tests;
