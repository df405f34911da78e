//! A migration operation, step by step: succeeds; with every step asked twice; and ends definitely at every closed gate, when
//! it is cancelled, and after its deadline.

use super::*;
use crate::{
    aggregate::{Aggregate as _, fold},
    operation::{self, Work},
    story::{
        ACME, CELL_1, FIRST, GREEN, GREEN_BYTES, LYON, PRODUCTION, SHOP, at, because, declared as declares, facts,
        migration, promotable, proof, ran,
    },
};

struct Given {
    told: Migration,
    operation: Operation,
    migrations: Migrations,
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
    vec![Acknowledgement { gate: gate.into(), reason: because("nobody reads the notes") }]
}

fn given(impact: Impact) -> Given {
    let told = told(impact);
    Given {
        operation: fold(&[operation::Event::Requested(asked(&told))]),
        migrations: Migrations::default(),
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

impl Given {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self) -> Step {
        next(&World { now: at(self.now), operation: &self.operation, facts: self.facts(), epoch: Epoch(3) })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            told: &self.told,
            migrations: &self.migrations,
            deployment: &self.deployment,
            artifact: self.artifact.as_ref(),
        }
    }

    /// Carries the next step out; whether there was one.
    fn step(&mut self) -> bool {
        let step = self.next();
        assert_eq!(step, self.next(), "asked twice, it answers alike");
        let command = match step {
            Step::Enter(stage, evidence) => operation::Command::Enter { stage, evidence },
            Step::Do(Act::Record(recorded)) => {
                for event in self.migrations.decide(migrations::Command::Record(recorded.clone())).expect("allowed") {
                    self.migrations.apply(&event);
                }
                let again = self.migrations.decide(migrations::Command::Record(recorded));
                assert_eq!(again, Ok(vec![]), "done twice, it is on record once");
                operation::Command::Enter { stage: Stage::Verified, evidence: Evidence::default() }
            }
            Step::Fail(failure) => operation::Command::Fail(failure),
            Step::Cancel => operation::Command::Cancel,
            Step::Wait(_) | Step::Done => return false,
        };
        for event in self.operation.decide(command).expect("a step that its machine knows") {
            self.operation.apply(&event);
        }
        true
    }

    fn run(mut self) -> Self {
        while self.step() {}
        self
    }
}

#[test]
fn a_migration_is_recorded_with_its_proof_and_the_epoch_of_the_route() {
    let done = given(Impact::Additive).run();
    assert_eq!(done.operation.stage, Some(Stage::Verified));
    let [recorded] = &done.migrations.ran[..] else { panic!("{:?}", done.migrations) };
    assert_eq!((recorded.epoch, recorded.by, recorded.ran_by), (Epoch(3), FIRST, RanBy::External));
    assert_eq!(done.operation.evidence.gates.len(), 3);
}

#[test]
fn what_closes_the_way_back_is_acknowledged_or_refused() {
    for impact in Impact::ALL {
        let grave = impact.closes_the_way_back();
        let silent = given(*impact).run();
        assert_eq!(silent.migrations.ran.is_empty(), grave, "{impact}");
        let said = given(*impact).with(|g| g.told.acknowledgements = acknowledged("database")).run();
        assert_eq!(said.migrations.ran.len(), 1, "{impact}");
        let other = given(*impact).with(|g| g.told.acknowledgements = acknowledged("vango_state")).run();
        assert_eq!(other.migrations.ran.is_empty(), grave, "another gate was acknowledged: {impact}");
    }
}

#[test]
fn every_closed_gate_ends_it_at_every_stage_and_leaves_nothing_on_record() {
    type Closes = fn(&mut Given);
    let cases: [(&str, Closes); 6] = [
        ("MIGRATION_NOT_DECLARED", |g| g.artifact = None),
        ("MIGRATION_NOT_DECLARED", |g| g.artifact = Some(facts())),
        ("MIGRATION_NOT_DECLARED", |g| g.deployment = Deployment::default()),
        ("MIGRATION_NOT_DECLARED", |g| g.told.impact = Impact::None),
        ("MIGRATION_MISMATCH", |g| {
            let other =
                Recorded { digest: crate::story::BLUE_BYTES, ..ran("0002_drop_notes", Impact::Additive, Epoch(1)) };
            g.migrations = fold(&[migrations::Event::Recorded(other)]);
        }),
        ("DEADLINE_PASSED", |g| g.now = 60),
    ];
    for (code, closes) in cases {
        for steps in 0..3 {
            let mut world = given(Impact::Additive);
            for _ in 0..steps {
                assert!(world.step());
            }
            let before = world.operation.stage;
            let ended = world.with(closes).run();
            assert_eq!(ended.operation.stage, Some(Stage::Failed), "{code} at {before:?}");
            assert_eq!(ended.operation.failure.as_ref().map(|f| f.code.as_str()), Some(code), "at {before:?}");
            assert!(ended.migrations.find(&migration("0002_drop_notes")).is_none_or(|one| one.epoch == Epoch(1)));
        }
    }
}

#[test]
fn what_is_on_record_with_the_same_bytes_is_told_again_and_stays_as_it_is() {
    let known = ran("0002_drop_notes", Impact::Additive, Epoch(1));
    let again = given(Impact::Additive).with(|g| g.migrations = fold(&[migrations::Event::Recorded(known.clone())]));
    let done = again.run();
    assert_eq!((done.operation.stage, done.migrations.ran), (Some(Stage::Verified), vec![known]));
}

#[test]
fn it_is_cancelled_until_it_migrates() {
    for (steps, end) in [(0, Stage::Cancelled), (1, Stage::Cancelled), (2, Stage::Verified)] {
        let mut world = given(Impact::Additive);
        for _ in 0..steps {
            assert!(world.step());
        }
        let asked = world.operation.decide(operation::Command::RequestCancel { reason: because("too early") });
        assert_eq!(asked.is_ok(), end == Stage::Cancelled);
        asked.unwrap_or_default().iter().for_each(|event| world.operation.apply(event));
        let ended = world.run();
        assert_eq!(ended.operation.stage, Some(end));
        assert_eq!(ended.migrations.ran.is_empty(), end == Stage::Cancelled);
    }
}
