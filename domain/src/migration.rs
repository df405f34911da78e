//! The process manager of migration operations: pure. It puts on record, with proof, that a migration which an artifact declares
//! ran against an environment's database. Writer: the pipeline. Rhone does not run migrations yet; `migrating` is the stage at
//! which somebody outside has run it and its record is written. Trap: a migration that a deploy brings along unseen; it is an
//! operation of its own, with gates of its own, before any promotion.

use crate::{
    artifact_facts::{ArtifactFacts, MigrationFacts},
    database_impact::Impact,
    deployment::Deployment,
    digest::Digest,
    gate::{self, Code, Judged, Refusal},
    ids::{AppId, DeploymentId, EnvironmentId},
    migrations::{self, Migrations, RanBy, Recorded},
    numbers::Epoch,
    operation::{Acknowledgement, Evidence, Failure, Operation, Requested, Stage},
    process,
    text::{MigrationName, Proof},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A migration that ran, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The app.
    pub app: AppId,
    /// Whose database.
    pub environment: EnvironmentId,
    /// Which deployment declares it.
    pub deployment: DeploymentId,
    /// Its name.
    pub migration: MigrationName,
    /// Exactly which one, as declared.
    pub digest: Digest,
    /// What it does, as declared.
    pub impact: Impact,
    /// Who ran it.
    pub ran_by: RanBy,
    /// How that is known.
    pub evidence: Proof,
    /// What is taken upon oneself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledgements: Vec<Acknowledgement>,
}

/// All that the next step depends on.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// What its gates look at.
    pub facts: Facts<'a>,
    /// The epoch of the environment's route.
    pub epoch: Epoch,
}

/// What its gates look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is told.
    pub told: &'a Migration,
    /// What is on record in the environment.
    pub migrations: &'a Migrations,
    /// The deployment that declares it.
    pub deployment: &'a Deployment,
    /// What its bytes say; none if they are not on record.
    pub artifact: Option<&'a ArtifactFacts>,
}

/// What a migration operation does besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Put it on record, and enter verified in the same append.
    Record(Recorded),
}

/// What to do next.
pub type Step = process::Step<Act>;

/// The next step of an operation.
#[expect(clippy::wildcard_enum_match_arm, reason = "the stages of other machines, none of which it can stand at")]
pub fn next(world: &World<'_>) -> Step {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() && requested.machine().may_cancel(stage) {
        return Step::Cancel;
    }
    if world.now >= requested.deadline {
        return Step::Fail(failed("DEADLINE_PASSED", "the deadline passed before the migration was on record"));
    }
    let judged = judge(&world.facts);
    if let Some(refusal) = gate::closed(&judged) {
        return Step::Fail(refusal.failure());
    }
    match stage {
        Stage::Requested => {
            Step::Enter(Stage::PolicyCheck, Evidence { gates: gate::gates(&judged), ..Evidence::default() })
        }
        Stage::PolicyCheck => Step::Enter(Stage::Migrating, Evidence::default()),
        Stage::Migrating => Step::Do(Act::Record(recorded(world, requested))),
        _ => Step::Done,
    }
}

/// Its gates: it is declared exactly so, nothing else ran under its name, and what closes the way back is acknowledged.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    vec![declared(facts), on_record(facts), impact(facts)]
}

fn declared(facts: &Facts<'_>) -> Judged {
    let told = facts.told;
    let refused = |reason: &str| {
        Judged::closed(
            "declared",
            Refusal::new(Code::MigrationNotDeclared, Some("migrationId"), reason),
            told.digest.to_string(),
        )
    };
    if facts.deployment.validated.is_none() || facts.deployment.failed.is_some() {
        return refused("the deployment that declares it is not validated");
    }
    let exactly =
        |one: &&MigrationFacts| (&one.id, one.digest, one.impact) == (&told.migration, told.digest, told.impact);
    match facts.artifact.and_then(|artifact| artifact.migrations.iter().find(exactly)) {
        Some(_) => Judged::open("declared", "the artifact declares exactly this migration", told.digest.to_string()),
        None => refused("the artifact of this deployment declares no such migration"),
    }
}

fn on_record(facts: &Facts<'_>) -> Judged {
    let told = facts.told;
    let known = facts.migrations.find(&told.migration);
    let evidence = known.map_or_else(|| "not on record".to_owned(), |known| known.digest.to_string());
    match known {
        Some(known) if known.digest != told.digest => {
            let rejection = migrations::Rejection::OtherBytes {
                id: told.migration.clone(),
                expected: told.digest,
                actual: known.digest,
            };
            Judged::closed("migration", Refusal::of(&rejection), evidence)
        }
        Some(_) => Judged::open("migration", "it is on record already, and stays so", evidence),
        None => Judged::open("migration", "nothing is on record under its name", evidence),
    }
}

fn impact(facts: &Facts<'_>) -> Judged {
    let told = facts.told;
    if !told.impact.closes_the_way_back() {
        return Judged::open("database", "the code before it still works", told.impact.as_str());
    }
    let reason =
        format!("{} is {}: once it is on record, routes do not go back behind it", told.migration, told.impact);
    Judged::to_acknowledge(&told.acknowledgements, "database", &reason, told.impact.as_str())
}

fn recorded(world: &World<'_>, requested: &Requested) -> Recorded {
    let told = world.facts.told;
    Recorded {
        environment: told.environment,
        id: told.migration.clone(),
        digest: told.digest,
        impact: told.impact,
        epoch: world.epoch,
        ran_by: told.ran_by,
        evidence: told.evidence.clone(),
        by: requested.id,
    }
}

fn failed(code: &str, message: &str) -> Failure {
    Failure { code: code.into(), message: message.into(), expected: None, actual: None, route_changed: false }
}

#[cfg(test)]
pub(crate) mod tests;
