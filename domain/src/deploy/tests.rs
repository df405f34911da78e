//! Whole deploys, in memory: each succeeds, with every step twice and lost; ends definitely with a fault at each step; and
//! stops at a closed gate with the gate on record.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    deployment,
    gate::{Code, Refusal},
    operation,
    runs::{Fault, Play, Times, after, at_each_step, run, succeeds},
    story::{ACME, ALICE, CELL_1, FIRST, GREEN, GREEN_BYTES, LYON, PRODUCTION, SECOND, SHOP, at, facts},
};

const DEADLINE_AT: i64 = 60;

/// What the gates will say once the release is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gates {
    Open,
    Closed(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    now: i64,
    gates: Gates,
    /// What the store gives back; a store that gives back other bytes makes the release fail.
    kept: Digest,
    operation: Vec<operation::Event>,
    release: Vec<deployment::Event>,
    promotions: Vec<OperationId>,
}

fn deploy(then: Then) -> Deploy {
    Deploy {
        app: SHOP,
        environment: PRODUCTION,
        deployment: GREEN,
        origin: Origin::Git {
            repository: Repository::parse("repository", "https://example.com/shop").expect("a repository"),
            reference: GitReference::parse("reference", "main").expect("a reference"),
        },
        then,
        requested_by: ALICE,
    }
}

pub(crate) fn deploying(then: Then, gates: Gates) -> Memory {
    let requested = Requested {
        id: FIRST,
        workspace: ACME,
        region: LYON,
        cell: Some(CELL_1),
        reason: None,
        deadline: at(DEADLINE_AT),
        work: Work::Deploy(Box::new(deploy(then))),
    };
    Memory {
        now: 0,
        gates,
        kept: GREEN_BYTES,
        operation: vec![operation::Event::Requested(requested)],
        release: vec![],
        promotions: vec![],
    }
}

impl Memory {
    fn judged(&self) -> Vec<Judged> {
        let kinds = ["artifact", "route_policy", "generated"];
        let judge = |kind| match self.gates {
            Gates::Closed(closed) if closed == kind => {
                Judged::closed(kind, Refusal::new(Code::GeneratedStale, None, "it is closed"), "seen")
            }
            Gates::Open | Gates::Closed(_) => Judged::open(kind, "it is open", "seen"),
        };
        kinds.into_iter().map(judge).collect()
    }

    fn judge(&self, command: operation::Command) -> Option<Vec<operation::Event>> {
        fold::<Operation>(&self.operation).decide(command).ok()
    }

    fn enter(&mut self, stage: Stage, evidence: Evidence) -> Option<bool> {
        let events = self.judge(operation::Command::Enter { stage, evidence })?;
        let entered = !events.is_empty();
        self.operation.extend(events);
        Some(entered)
    }

    fn release(&mut self, command: deployment::Command) -> Option<()> {
        let events = fold::<Deployment>(&self.release).decide(command).ok()?;
        self.release.extend(events);
        Some(())
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        match step.clone() {
            Step::Enter(stage, evidence) => drop(self.enter(stage, evidence)?),
            Step::Do(Act::Fetch) => {
                let fetched = Fetched { attempt: Fence(1), commit: None, took_ms: 7 };
                self.enter(Stage::Building, Evidence { fetched: Some(fetched), ..Evidence::default() })?;
            }
            Step::Do(Act::Build) => {
                let built = Built {
                    attempt: Fence(1),
                    plan: "python".into(),
                    sandbox: Some("bubblewrap".into()),
                    size: 3,
                    files: 1,
                    took_ms: 9,
                };
                self.enter(Stage::Validating, Evidence { built: Some(built), ..Evidence::default() })?;
                self.release(deployment::Command::Create(crate::story::created(GREEN)))?;
            }
            Step::Do(Act::Validate) => {
                self.release(deployment::Command::Validate { digest: self.kept, facts: Box::new(facts()) })?;
            }
            Step::Do(Act::Promote) => {
                if self.enter(Stage::PreviewReady, evidence_of_promotion(&self.judged(), SECOND))? {
                    self.promotions.push(SECOND);
                }
            }
            Step::Fail(failure) => {
                let events = self.judge(operation::Command::Fail(failure))?;
                self.operation.extend(events);
            }
            Step::Cancel => {
                let events = self.judge(operation::Command::Cancel)?;
                self.operation.extend(events);
            }
            Step::Wait(_) | Step::Done => return None,
        }
        Some(())
    }
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let release = fold::<Deployment>(&self.release);
        let judged = if release.created.is_some() { self.judged() } else { vec![] };
        next(&World { now: self.now(), operation: &fold(&self.operation), deployment: &release, judged: &judged })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.now += 1;
    }

    fn outlast(&mut self) {
        self.now = self.now.max(DEADLINE_AT);
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        vec![self.operation.len(), self.release.len(), self.promotions.len()]
    }

    fn left(&self) -> String {
        let release = if self.release.is_empty() { "nothing" } else { "a release" };
        format!("{release}, {} promotions", self.promotions.len())
    }
}

fn end(memory: Memory) -> (Stage, Operation, Memory) {
    let done = run(memory, Times::Once, Fault::Nothing);
    (done.end.stage, fold(&done.world.operation), done.world)
}

#[test]
fn a_deploy_succeeds_with_every_step_twice_and_lost_and_its_promotion_is_asked_for_once() {
    let done = succeeds(&deploying(Then::Promote, Gates::Open), Stage::PreviewReady);
    assert_eq!(done.world.promotions, [SECOND]);
    let evidence = fold::<Operation>(&done.world.operation).evidence;
    assert_eq!(evidence.promotion, Some(SECOND));
    assert_eq!(evidence.fetched.map(|fetched| fetched.took_ms), Some(7));
    assert_eq!(evidence.built.map(|built| built.plan), Some("python".into()));
    assert_eq!(evidence.gates.len(), 3, "what was judged is on record");
}

#[test]
fn a_deploy_that_nobody_promotes_is_ready_all_the_same() {
    let done = succeeds(&deploying(Then::Stay, Gates::Open), Stage::PreviewReady);
    assert_eq!(done.world.promotions, []);
}

#[test]
fn a_fault_at_any_step_ends_it_right_there() {
    for then in [Then::Promote, Then::Stay] {
        for (step, run) in at_each_step(&deploying(then, Gates::Open), Fault::WishToCancel) {
            assert_eq!(run.end.stage, Stage::Cancelled, "{step:?}");
            assert_eq!(run.world.promotions, [], "{step:?}");
        }
        for (step, run) in at_each_step(&deploying(then, Gates::Open), Fault::Outage) {
            let code = run.end.failure.map(|failure| failure.code);
            assert_eq!((run.end.stage, code.as_deref()), (Stage::Failed, Some("DEADLINE_PASSED")), "{step:?}");
        }
    }
}

#[test]
fn a_closed_gate_blocks_it_and_says_which() {
    for kind in ["artifact", "route_policy", "generated"] {
        let (stage, operation, world) = end(deploying(Then::Promote, Gates::Closed(kind)));
        assert_eq!(stage, Stage::Blocked, "{kind}");
        let closed = operation.evidence.gates.iter().filter(|gate| gate.verdict == operation::Verdict::Fail);
        assert_eq!(closed.map(|gate| gate.kind.as_str()).collect::<Vec<_>>(), [kind]);
        assert_eq!(world.promotions, []);
        assert!(fold::<Deployment>(&world.release).validated.is_some(), "the release is there for a later promotion");
    }
}

/// A freeze of the route is a matter of the promotion that somebody asks for later; stale files are not.
#[test]
fn what_nobody_promotes_yet_is_stopped_only_by_its_own_bytes() {
    let stages =
        ["artifact", "generated", "route_policy"].map(|kind| end(deploying(Then::Stay, Gates::Closed(kind))).0);
    assert_eq!(stages, [Stage::Blocked, Stage::Blocked, Stage::PreviewReady]);
}

#[test]
fn bytes_that_are_not_those_that_were_built_fail_it() {
    let other = Memory { kept: Digest([7; 32]), ..deploying(Then::Promote, Gates::Open) };
    let (stage, operation, world) = end(other);
    assert_eq!(stage, Stage::Failed);
    assert_eq!(operation.failure.map(|failure| failure.code).as_deref(), Some("NOT_VALIDATED"));
    assert_eq!(world.promotions, []);
}

#[test]
fn a_deadline_is_named_with_the_stage_it_passed_at() {
    let mut late = deploying(Then::Stay, Gates::Open);
    late.outlast();
    let (_, operation, _) = end(late);
    let failure = operation.failure.expect("it failed");
    let said = &failure.message;
    assert!(said.starts_with("it never had its turn") && said.ends_with("at queued"), "{said}");
    assert_eq!(failure.expected, Some(at(DEADLINE_AT).to_rfc3339()));
    assert!(!failure.route_changed, "a deploy changes no route");
}

/// A day, as the API gives it, and a deploy that has its turn at its noon.
const DAY: i64 = 24 * 60 * 60;
const TURN: i64 = DAY / 2;

fn within_a_day() -> Memory {
    let mut memory = deploying(Then::Promote, Gates::Open);
    if let Some(operation::Event::Requested(requested)) = memory.operation.first_mut() {
        requested.deadline = at(DAY);
    }
    memory
}

#[test]
fn a_deploy_may_wait_for_its_turn_until_the_requests_deadline() {
    for waited in [0, TURN, DAY - 1] {
        let step = Memory { now: waited, ..within_a_day() }.next();
        assert!(matches!(step, Step::Enter(Stage::Cloning, _)), "{step:?} after {waited} s");
    }
    let step = Memory { now: DAY, ..within_a_day() }.next();
    assert!(matches!(&step, Step::Fail(over) if over.code == "DEADLINE_PASSED"), "{step:?}");
    // The sin: the wait is taken from the time for the work, and whoever is late in the queue is never built.
    let sin = ends(&fold::<Operation>(&within_a_day().operation).requested.expect("it was requested"), &within(0));
    assert!(sin <= at(TURN), "at its turn the time is over");
}

/// As if the time for the work began so many seconds after the request.
fn within(begun: i64) -> Evidence {
    Evidence { until: Some(at(begun) + WORK), ..Evidence::default() }
}

/// What has its turn holds a place that others wait for, whatever it waits for itself.
#[test]
fn no_stage_outlasts_the_time_for_the_work() {
    let end = TURN + WORK.num_seconds();
    let mut stages = Vec::new();
    for steps in 1.. {
        let mut amid = after(Memory { now: TURN, ..within_a_day() }, steps);
        let mut operation = fold::<Operation>(&amid.operation);
        let Some(stage) = operation.stage.filter(|stage| !stage.is_final()) else { break };
        stages.push(stage);
        amid.now = end - 1;
        assert!(!matches!(amid.next(), Step::Fail(_)), "{stage} has all of its time");
        amid.now = end;
        let Step::Fail(over) = amid.next() else { panic!("{stage} goes on") };
        assert_eq!((over.code.as_str(), over.expected), ("DEADLINE_PASSED", Some(at(end).to_rfc3339())), "{stage}");
        // The sin: nothing but the request's deadline, and a store that is away holds the place for the day.
        operation.evidence.until = None;
        let release = fold::<Deployment>(&amid.release);
        let judged = amid.judged();
        let sin = next(&World { now: amid.now(), operation: &operation, deployment: &release, judged: &judged });
        assert!(!matches!(sin, Step::Fail(_)), "{stage} would go on: {sin:?}");
    }
    stages.dedup();
    assert_eq!(stages, [Stage::Cloning, Stage::Building, Stage::Validating]);
}
