//! App: the hosted application, independent of any deploy; from which repository it comes, if it says so, and with which
//! credentials its sources are read. Owner: Rhone. Writer: create and import operations, and people who manage its source and
//! its secrets. Durability: the log. Trap: confusing it with one running process; nothing that runs is mentioned here, and no
//! region or cell either: a source is where the next deploy looks, never what the last one was made of.

mod rejection;

pub use rejection::Rejection;

use crate::{
    aggregate::{self, Aggregate},
    app_source::{Source, head},
    ids::{AppId, ProjectId, WorkspaceId},
    numbers::EnvSet,
    source_credential::{MOST, SourceCredential, SourceHost, Wanted},
    text::{GitReference, Name, Repository, Slug},
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

/// What is known of one that was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// What is known of any app.
    #[serde(flatten)]
    pub created: Created,
    /// Where it comes from.
    pub source: Source,
}

/// An app, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct App {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
    /// Where it comes from; none of one that was created and never told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
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
    /// Bring it into being, and say where it comes from.
    Import(Imported),
    /// Say where it comes from, from now on.
    SetSource {
        /// Its repository.
        repository: Repository,
        /// What is meant where nobody says; what was meant before when omitted.
        reference: Option<GitReference>,
    },
    /// Say that it comes from nowhere in particular.
    RemoveSource,
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
    Command::Import(_) => "app.import",
    Command::SetSource { .. } => "app.set_source",
    Command::RemoveSource => "app.remove_source",
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
    /// It exists, and comes from there.
    #[serde(rename = "app.imported")]
    Imported(Imported),
    /// It comes from there from now on.
    #[serde(rename = "app.source_set")]
    SourceSet(Source),
    /// It comes from nowhere in particular.
    #[serde(rename = "app.source_removed")]
    SourceRemoved {
        /// Where it came from.
        repository: Repository,
    },
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
    const TYPES: &'static [(&'static str, u16)] = &[
        ("app.created", 1),
        ("app.imported", 1),
        ("app.source_set", 1),
        ("app.source_removed", 1),
        ("app.source_credential_set", 1),
        ("app.source_credential_removed", 1),
    ];
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
            (Command::Import(imported), None) => Ok(vec![Event::Imported(imported)]),
            (Command::Import(imported), Some(known)) if self.is(known, &imported) => Ok(vec![]),
            (Command::Create(_) | Command::Import(_), Some(_)) => Err(Rejection::Exists),
            (
                Command::SetSource { .. }
                | Command::RemoveSource
                | Command::SetSourceCredential { .. }
                | Command::RemoveSourceCredential { .. },
                None,
            ) => Err(Rejection::NotFound),
            (Command::SetSource { repository, reference }, Some(_)) => Ok(self.set_source(repository, reference)),
            (Command::RemoveSource, Some(_)) => match &self.source {
                Some(Source { repository, .. }) => Ok(vec![Event::SourceRemoved { repository: repository.clone() }]),
                None => Err(Rejection::NoSource),
            },
            (Command::SetSourceCredential { host, wanted, at }, Some(_)) => self.set_credential(host, wanted, at),
            (Command::RemoveSourceCredential { host }, Some(_)) => match self.source_credentials.get(&host) {
                Some(held) => Ok(vec![Event::SourceCredentialRemoved { host, generation: held.generation }]),
                None => Err(Rejection::NoCredential { host }),
            },
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.created = Some(created.clone()),
            Event::Imported(Imported { created, source }) => {
                (self.created, self.source) = (Some(created.clone()), Some(source.clone()));
            }
            Event::SourceSet(source) => self.source = Some(source.clone()),
            Event::SourceRemoved { .. } => self.source = None,
            Event::SourceCredentialSet(set) => {
                self.generations.insert(set.host.clone(), set.generation);
                self.source_credentials.insert(set.host.clone(), set.clone());
            }
            Event::SourceCredentialRemoved { host, .. } => drop(self.source_credentials.remove(host)),
        }
    }
}

impl App {
    /// What a deploy is made of: what is said, and where nothing is said, the app's own. No other repository is read at the
    /// app's own reference: that is the name of something else there.
    pub fn meant(&self, repository: Option<Repository>, reference: Option<GitReference>) -> Result<Source, Rejection> {
        match (repository, reference, &self.source) {
            (Some(repository), Some(reference), _) => Ok(Source { repository, reference }),
            (Some(_), None, _) => Err(Rejection::ReferenceMissing),
            (None, _, None) => Err(Rejection::SourceUnknown),
            (None, Some(reference), Some(own)) => Ok(Source { repository: own.repository.clone(), reference }),
            (None, None, Some(own)) => Ok(own.clone()),
        }
    }

    /// Whether it is already what would be imported.
    fn is(&self, known: &Created, imported: &Imported) -> bool {
        *known == imported.created && self.source.as_ref() == Some(&imported.source)
    }

    /// Whoever corrects an address that moved does not thereby say that another branch is meant.
    fn set_source(&self, repository: Repository, reference: Option<GitReference>) -> Vec<Event> {
        let before = self.source.as_ref().map(|source| source.reference.clone());
        let source = Source { repository, reference: reference.or(before).unwrap_or_else(head) };
        if self.source.as_ref() == Some(&source) { vec![] } else { vec![Event::SourceSet(source)] }
    }

    fn set_credential(&self, host: SourceHost, wanted: Wanted, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
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
