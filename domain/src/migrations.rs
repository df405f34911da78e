//! Migrations: what ran against the database of an environment, with what it did and the proof of it. Owner: the app's people;
//! Rhone records. Writer: migration operations. Durability: this stream; the database itself is the provider's.
//! Trap: believing that a route that went back took the database with it. Rhone does not run migrations yet: what is recorded
//! here ran elsewhere, and says so.

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    database_impact::Impact,
    digest::Digest,
    ids::{EnvironmentId, OperationId},
    numbers::Epoch,
    text::{MigrationName, Proof, Reason},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// Who ran a migration.
    RanBy {
        /// Somebody outside Rhone, who tells of it and shows proof.
        External = "external",
    }
}

/// What ran in an environment, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrations {
    /// What ran and still counts, in order.
    pub ran: Vec<Recorded>,
    /// What a restore of the data undid, in order.
    pub undone: Vec<Recorded>,
}

/// A migration that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Where.
    pub environment: EnvironmentId,
    /// Its name.
    pub id: MigrationName,
    /// Exactly which one.
    pub digest: Digest,
    /// What it did to the database.
    pub impact: Impact,
    /// The epoch of the environment's route when it was recorded.
    pub epoch: Epoch,
    /// Who ran it.
    pub ran_by: RanBy,
    /// How that is known.
    pub evidence: Proof,
    /// Which operation recorded it.
    pub by: OperationId,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Put on record that one ran.
    Record(Recorded),
    /// Put on record that the data were restored to what they were before one ran.
    Restore {
        /// The first that is undone.
        before: MigrationName,
        /// How that is known.
        evidence: Proof,
        /// Why.
        reason: Reason,
    },
}

aggregate::commands!(Command {
    Command::Record(_) => "migrations.record",
    Command::Restore { .. } => "migrations.restore",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// One ran.
    #[serde(rename = "migrations.recorded")]
    Recorded(Recorded),
    /// The data are what they were before these ran.
    #[serde(rename = "migrations.restored")]
    Restored { undone: Vec<MigrationName>, evidence: Proof, reason: Reason },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("migrations.recorded", 1), ("migrations.restored", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The name stands for something else here.
    #[error("migration {id} ran here as {actual}, not as {expected}")]
    OtherBytes {
        /// Which.
        id: MigrationName,
        /// What is said to have run.
        expected: Digest,
        /// What is on record.
        actual: Digest,
    },
    /// It is on record with another impact.
    #[error("migration {id} is on record as {actual}")]
    OtherImpact {
        /// Which.
        id: MigrationName,
        /// What is said of it.
        expected: Impact,
        /// What is on record.
        actual: Impact,
    },
    /// It never ran, or was undone.
    #[error("migration {0} is not on record here")]
    NotRecorded(MigrationName),
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::OtherBytes { .. } => "MIGRATION_MISMATCH",
            Self::OtherImpact { .. } => "MIGRATION_IMPACT_MISMATCH",
            Self::NotRecorded(_) => "MIGRATION_NOT_RECORDED",
        }
    }

    fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::OtherBytes { .. } => "digest",
            Self::OtherImpact { .. } => "impact",
            Self::NotRecorded(_) => "migrationId",
        })
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::OtherBytes { expected, actual, .. } => Some((expected.to_string(), actual.to_string())),
            Self::OtherImpact { expected, actual, .. } => Some((expected.to_string(), actual.to_string())),
            Self::NotRecorded(_) => None,
        }
    }
}

impl Aggregate for Migrations {
    const CATEGORY: &'static str = "migrations";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Record(recorded) => match self.find(&recorded.id) {
                None => Ok(vec![Event::Recorded(recorded)]),
                Some(known) => same(known, recorded).map(|()| vec![]),
            },
            Command::Restore { before, evidence, reason } => {
                let from = self.ran.iter().position(|one| one.id == before).ok_or(Rejection::NotRecorded(before))?;
                let undone = self.ran[from..].iter().map(|one| one.id.clone()).collect();
                Ok(vec![Event::Restored { undone, evidence, reason }])
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Recorded(recorded) => {
                self.undone.retain(|one| one.id != recorded.id);
                self.ran.push(recorded.clone());
            }
            Event::Restored { undone, .. } => {
                let (gone, kept) = std::mem::take(&mut self.ran).into_iter().partition(|one| undone.contains(&one.id));
                let gone: Vec<Recorded> = gone;
                self.ran = kept;
                self.undone.extend(gone);
            }
        }
    }
}

impl Migrations {
    /// The one of this name, if it ran and still counts.
    pub fn find(&self, id: &MigrationName) -> Option<&Recorded> {
        self.ran.iter().find(|one| one.id == *id)
    }
}

fn same(known: &Recorded, said: Recorded) -> Result<(), Rejection> {
    if known.digest != said.digest {
        return Err(Rejection::OtherBytes { id: said.id, expected: said.digest, actual: known.digest });
    }
    if known.impact != said.impact {
        return Err(Rejection::OtherImpact { id: said.id, expected: said.impact, actual: known.impact });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
