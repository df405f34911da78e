//! Database impact: what a change of owner finds done to the database, and what that closes. Pure, from what artifacts declare
//! and what is on record in the environment. Trap: taking it for a part of the state impact; a warm deploy is not a safe
//! rollback. A route goes back in a second; a dropped column does not.

use crate::{
    actor::{UnknownWord, words},
    artifact_facts::MigrationFacts,
    gate::Code,
    migrations::{Migrations, Recorded},
    numbers::Epoch,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// What a migration does to the database; the later, the graver.
    Impact {
        /// Nothing.
        None = "none",
        /// It adds; whoever does not know of it is not disturbed.
        Additive = "additive",
        /// It changes, and the code before it still works.
        BackwardCompatible = "backward_compatible",
        /// It takes away what the code before it needs.
        Destructive = "destructive",
        /// Nobody says.
        Unknown = "unknown",
    }
}

impl Impact {
    /// Whether the code before it can no longer be trusted with the database.
    pub fn closes_the_way_back(self) -> bool {
        matches!(self, Self::Destructive | Self::Unknown)
    }
}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Open,
    /// Go on if somebody takes it upon themselves.
    Acknowledge,
    /// Not as it is, and why, as a stable code.
    Blocked(Code),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseImpact {
    /// The gravest of what was found.
    pub impact: Impact,
    /// What follows.
    pub answer: Answer,
    /// In words.
    pub reason: String,
    /// The migrations it is about.
    pub migrations: Vec<String>,
}

/// A promotion: what the next artifact declares must have run here as declared. What the present owner does not declare and
/// closes the way back is for somebody to acknowledge. And what the present owner counts on and the next artifact does not know
/// is a way back, by whatever name somebody goes it.
pub fn promotion(next: &[MigrationFacts], present: &[MigrationFacts], ran: &Migrations) -> DatabaseImpact {
    if let Some(missing) = missing(next, ran) {
        return missing;
    }
    let unknown = |one: &&Recorded| declares(present, one) && !declares(next, one) && one.impact.closes_the_way_back();
    let unknown = ran.ran.iter().filter(unknown).collect::<Vec<_>>();
    if !unknown.is_empty() {
        return closed(&unknown, "ran, which the present owner counts on and this deployment does not know");
    }
    let undone = ran.undone.iter().filter(|one| declares(present, one) && !declares(next, one)).collect::<Vec<_>>();
    if let Some(restored) = restored(&undone) {
        return restored;
    }
    let new = ran.ran.iter().filter(|one| declares(next, one) && !declares(present, one)).collect::<Vec<_>>();
    let impact = gravest(&new);
    let names = names(&new);
    let (answer, reason) = match impact {
        Impact::None if names.is_empty() => (Answer::Open, "it counts on no migration that is new to the owner".into()),
        Impact::None | Impact::Additive | Impact::BackwardCompatible => {
            (Answer::Open, format!("{} ran, and the present owner still works ({impact})", names.join(", ")))
        }
        Impact::Destructive | Impact::Unknown => {
            let reason = format!("{} ({impact}) closes the way back to the present owner", names.join(", "));
            (Answer::Acknowledge, reason)
        }
    };
    DatabaseImpact { impact, answer, reason, migrations: names }
}

/// A rollback to an artifact that last took the traffic at this epoch: what ran since, and is not its own, must leave it
/// working.
pub fn rollback(target: &[MigrationFacts], taken: Epoch, ran: &Migrations) -> DatabaseImpact {
    if let Some(missing) = missing(target, ran) {
        return missing;
    }
    let since = |one: &&Recorded| one.epoch >= taken && !declares(target, one);
    let found = ran.ran.iter().filter(since).collect::<Vec<_>>();
    let (impact, names) = (gravest(&found), names(&found));
    if impact.closes_the_way_back() {
        let graver = found.iter().filter(|one| one.impact.closes_the_way_back()).copied().collect::<Vec<_>>();
        return DatabaseImpact { migrations: names, ..closed(&graver, "ran since this deployment owned the traffic") };
    }
    if let Some(restored) = restored(&ran.undone.iter().filter(since).collect::<Vec<_>>()) {
        return restored;
    }
    let reason = if names.is_empty() {
        "nothing was migrated since it owned the traffic".to_owned()
    } else {
        format!("{} ran since, and it still works ({impact})", names.join(", "))
    };
    DatabaseImpact { impact, answer: Answer::Open, reason, migrations: names }
}

/// A way back that was open again once the data were restored, by whatever name somebody goes it: somebody takes it upon
/// themselves that what was written since is lost.
fn restored(undone: &[&Recorded]) -> Option<DatabaseImpact> {
    let (impact, names) = (gravest(undone), names(undone));
    let reason =
        format!("the data were restored to what they were before {}; what was written since is lost", names.join(", "));
    let grave = impact.closes_the_way_back();
    grave.then_some(DatabaseImpact { impact, answer: Answer::Acknowledge, reason, migrations: names })
}

/// A way back that these close, and both ways out of it.
fn closed(found: &[&Recorded], why: &str) -> DatabaseImpact {
    let (impact, names) = (gravest(found), names(found));
    let first = names.first().map_or("it", String::as_str);
    let reason = format!(
        "{} ({impact}) {why}, and a route that goes back does not take the database with it. Forward-fix: promote a deployment \
         that works with the database as it is; nothing is lost. Data restore: restore the database to before {first}, record \
         that with its proof, and roll back with an acknowledgement; what was written since is lost",
        names.join(", ")
    );
    DatabaseImpact { impact, answer: Answer::Blocked(Code::DatabaseBlocksRollback), reason, migrations: names }
}

/// What is declared and did not run here, or ran as something else.
fn missing(declared: &[MigrationFacts], ran: &Migrations) -> Option<DatabaseImpact> {
    let other = |one: &&MigrationFacts| ran.find(&one.id).is_some_and(|known| known.digest != one.digest);
    let pending = |one: &&MigrationFacts| ran.find(&one.id).is_none();
    let said = |all: Vec<&MigrationFacts>| all.iter().map(|one| one.id.to_string()).collect::<Vec<_>>();
    let blocked = |code, impact, reason: String, migrations| {
        Some(DatabaseImpact { impact, answer: Answer::Blocked(code), reason, migrations })
    };
    let others = said(declared.iter().filter(other).collect());
    if !others.is_empty() {
        let reason = format!("other bytes than the declared ones ran here as {}", others.join(", "));
        return blocked(Code::MigrationMismatch, Impact::Unknown, reason, others);
    }
    let open = declared.iter().filter(pending).collect::<Vec<_>>();
    let impact = open.iter().map(|one| one.impact).max().unwrap_or(Impact::None);
    let open = said(open);
    if open.is_empty() {
        return None;
    }
    let reason = format!("migration pending: {} has not run in this environment ({impact})", open.join(", "));
    blocked(Code::MigrationPending, impact, reason, open)
}

fn declares(declared: &[MigrationFacts], ran: &Recorded) -> bool {
    declared.iter().any(|one| one.id == ran.id)
}

fn gravest(found: &[&Recorded]) -> Impact {
    found.iter().map(|one| one.impact).max().unwrap_or(Impact::None)
}

fn names(found: &[&Recorded]) -> Vec<String> {
    found.iter().map(|one| one.id.to_string()).collect()
}

#[cfg(test)]
mod tests;
