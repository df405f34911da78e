//! Whole migration operations, in memory: what they put on record, and every closed gate at every step.

use super::*;
use crate::{
    aggregate::{Aggregate as _, fold},
    operation::{self, Work},
    runs::{Fault, Play, Run, Times, meddled_at_each_step, run, succeeds},
    story::{
        ACME, CELL_1, FIRST, GREEN, GREEN_BYTES, LYON, PRODUCTION, SHOP, at, because, declared as declares, facts,
        migration, promotable, proof, ran,
    },
};

/// A migration that is told, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    told: Migration,
    operation: Vec<operation::Event>,
    migrations: Vec<migrations::Event>,
    deployment: Deployment,
    artifact: Option<ArtifactFacts>,
    now: i64,
}

fn told(impact: Impact) -> Migration {
    Migration {
        app: SHOP,
        environment: PRODUCTION,
        deployment: GREEN,
        migration: migration("0002_drop_notes"),
        digest: GREEN_BYTES,
        impact,
        ran_by: RanBy::External,
        evidence: proof("the migration tool said so"),
        acknowledgements: vec![],
    }
}

fn acknowledged(gate: &str) -> Vec<Acknowledgement> {
    vec![Acknowledgement { gate: gate.into(), reason: because("nobody reads the notes"), covers: None }]
}

pub(crate) fn telling(impact: Impact) -> Memory {
    let told = told(impact);
    Memory {
        operation: vec![operation::Event::Requested(asked(&told))],
        migrations: vec![],
        deployment: promotable(GREEN),
        artifact: Some(ArtifactFacts { migrations: vec![declares("0002_drop_notes", impact)], ..facts() }),
        told,
        now: 0,
    }
}

fn asked(told: &Migration) -> Requested {
    Requested {
        id: FIRST,
        workspace: ACME,
        region: LYON,
        cell: Some(CELL_1),
        reason: None,
        deadline: at(60),
        work: Work::Migration(told.clone()),
    }
}

impl Memory {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn facts<'a>(&'a self, migrations: &'a Migrations) -> Facts<'a> {
        Facts { told: &self.told, migrations, deployment: &self.deployment, artifact: self.artifact.as_ref() }
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        let (command, record) = match step.clone() {
            Step::Enter(stage, evidence) => (operation::Command::Enter { stage, evidence }, None),
            Step::Do(Act::Record(recorded)) => {
                let verified = operation::Command::Enter { stage: Stage::Verified, evidence: Evidence::default() };
                (verified, Some(migrations::Command::Record(recorded)))
            }
            Step::Fail(failure) => (operation::Command::Fail(failure), None),
            Step::Cancel => (operation::Command::Cancel, None),
            Step::Wait(_) | Step::Done => return None,
        };
        let operation = fold::<Operation>(&self.operation).decide(command).ok()?;
        let recorded =
            record.map_or(Some(vec![]), |record| fold::<Migrations>(&self.migrations).decide(record).ok())?;
        self.operation.extend(operation);
        self.migrations.extend(recorded);
        Some(())
    }

    fn ran(&self) -> Vec<Recorded> {
        fold::<Migrations>(&self.migrations).ran
    }

    fn ends(self) -> Run<Self> {
        run(self, Times::Twice, Fault::Nothing)
    }
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let (operation, migrations) = (fold(&self.operation), fold(&self.migrations));
        next(&World { now: self.now(), operation: &operation, facts: self.facts(&migrations), epoch: Epoch(3) })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.now += 1;
    }

    fn outlast(&mut self) {
        self.now = 60;
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        vec![self.operation.len(), self.migrations.len()]
    }

    fn left(&self) -> String {
        format!("{} on record", self.ran().len())
    }
}

#[test]
fn a_migration_is_recorded_with_its_proof_and_the_epoch_of_the_route() {
    let done = succeeds(&telling(Impact::Additive), Stage::Verified).world;
    let [recorded] = &done.ran()[..] else { panic!("{:?}", done.migrations) };
    assert_eq!((recorded.epoch, recorded.by, recorded.ran_by), (Epoch(3), FIRST, RanBy::External));
    assert_eq!(fold::<Operation>(&done.operation).evidence.gates.len(), 3);
}

#[test]
fn what_closes_the_way_back_is_acknowledged_or_refused() {
    for impact in Impact::ALL {
        let grave = impact.closes_the_way_back();
        let silent = telling(*impact).ends().world;
        assert_eq!(silent.ran().is_empty(), grave, "{impact}");
        let said = telling(*impact).with(|g| g.told.acknowledgements = acknowledged("database")).ends().world;
        assert_eq!(said.ran().len(), 1, "{impact}");
        let other = telling(*impact).with(|g| g.told.acknowledgements = acknowledged("vango_state")).ends().world;
        assert_eq!(other.ran().is_empty(), grave, "another gate was acknowledged: {impact}");
    }
}

#[test]
fn every_closed_gate_ends_it_at_every_step_and_leaves_nothing_on_record() {
    type Closes = fn(&mut Memory);
    let cases: [(&str, Closes); 6] = [
        ("MIGRATION_NOT_DECLARED", |g| g.artifact = None),
        ("MIGRATION_NOT_DECLARED", |g| g.artifact = Some(facts())),
        ("MIGRATION_NOT_DECLARED", |g| g.deployment = Deployment::default()),
        ("MIGRATION_NOT_DECLARED", |g| g.told.impact = Impact::None),
        ("MIGRATION_MISMATCH", |g| {
            let other =
                Recorded { digest: crate::story::BLUE_BYTES, ..ran("0002_drop_notes", Impact::Additive, Epoch(1)) };
            g.migrations = vec![migrations::Event::Recorded(other)];
        }),
        ("DEADLINE_PASSED", Memory::outlast),
    ];
    for (code, closes) in cases {
        let found = meddled_at_each_step(&telling(Impact::Additive), closes);
        assert_eq!(found.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(), STAGES);
        for (stage, ended) in found {
            let failed = ended.end.failure.map(|failure| failure.code);
            assert_eq!((ended.end.after, failed.as_deref()), (stage, Some(code)));
            assert!(ended.world.ran().iter().all(|one| one.epoch == Epoch(1)), "{code} at {stage}: nothing of its own");
        }
    }
}

const STAGES: [Stage; 3] = [Stage::Requested, Stage::PolicyCheck, Stage::Migrating];

#[test]
fn what_is_on_record_with_the_same_bytes_is_told_again_and_stays_as_it_is() {
    let known = ran("0002_drop_notes", Impact::Additive, Epoch(1));
    let again = telling(Impact::Additive).with(|g| g.migrations = vec![migrations::Event::Recorded(known.clone())]);
    let done = succeeds(&again, Stage::Verified);
    assert_eq!(done.world.ran(), vec![known]);
}
