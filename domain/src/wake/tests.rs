//! The wake as a process: over all its stages it succeeds, succeeds with every step done twice, and ends definitely with a
//! failure at each step, saying what was left behind. And the sins that such a run must notice.

mod waits;

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation, operation, route_owner,
    story::{
        BLUE, FIRST, GREEN, GREEN_BYTES, HOST_1, PRODUCTION, allocation, at, because, bergen, opened, owner, planned,
        promotable, ready,
    },
};
use std::collections::BTreeMap;

/// What may go wrong, and at which step of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Every step is done a second time.
    Twice,
    /// The app never answers.
    NeverReady,
    /// Every allocation fails.
    AllocationsFail,
    /// The first allocation fails.
    FirstFails,
    /// No host reports.
    NoHost,
    /// The cell is full of other wakes.
    NoRoom,
    /// Somebody gives the route to another owner when the wake stands at this stage.
    OvertakenAt(Stage),
    /// Somebody cancels it there.
    CancelledAt(Stage),
}

struct Sim {
    owner: RouteOwner,
    operation: Operation,
    allocations: BTreeMap<AllocationId, Allocation>,
    now: DateTime<Utc>,
    fault: Fault,
    /// The stages that it stood at.
    stages: Vec<Stage>,
    fired: bool,
}

fn asleep() -> RouteOwner {
    fold(&[
        route_owner::Event::Opened(opened()),
        route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(GREEN), at: at(0), drain: None },
        route_owner::Event::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(10) },
    ])
}

fn ask() -> Ask {
    Ask { environment: PRODUCTION, epoch: Epoch(1), sleep_generation: SleepGeneration(1) }
}

fn decide<A: Aggregate>(state: &mut A, command: A::Command) -> Result<(), A::Rejection> {
    for event in state.decide(command)? {
        state.apply(&event);
    }
    Ok(())
}

impl Sim {
    fn new(fault: Fault) -> Self {
        let owner = asleep();
        let requested = request(&owner, ask(), None, at(100)).expect("it sleeps");
        let mut operation = Operation::default();
        decide(&mut operation, operation::Command::Request(requested)).expect("a request");
        let stages = vec![Stage::WakeRequested];
        Self { owner, operation, allocations: BTreeMap::new(), now: at(100), fault, stages, fired: false }
    }

    fn wake(&self) -> (OperationId, Wake) {
        match self.operation.requested.as_ref().map(|requested| (requested.id, &requested.work)) {
            Some((id, Work::Wake(wake))) => (id, wake.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn next(&self) -> Step {
        let (id, wake) = self.wake();
        let attempt = |n| self.allocations.get(&wake.attempt(id, n)).cloned().unwrap_or_default();
        let attempts = (0..ATTEMPTS).map(attempt).collect::<Vec<_>>();
        let hosts = if self.fault == Fault::NoHost { vec![] } else { vec![HOST_1] };
        let begun =
            if self.fault == Fault::NoRoom { Others { cell: PER_CELL, workspace: 0 } } else { Others::default() };
        next(&World {
            now: self.now,
            operation: &self.operation,
            wake: &wake,
            owner: &self.owner,
            deployment: &promotable(GREEN),
            drain: DrainPolicy::default(),
            attempts: &attempts,
            others: &[],
            hosts: &hosts,
            begun,
        })
    }

    /// As the worker does: one append, or none.
    fn carry_out(&mut self, step: Step) {
        let (id, wake) = self.wake();
        let turn = wake.turn(id, self.now);
        let sleeps_on = self.owner.may_wake(turn.expected, turn.generation).is_ok();
        match step {
            Step::Enter(stage, evidence) => {
                decide(&mut self.operation, operation::Command::Enter { stage, evidence })
                    .expect("the table allows it");
            }
            Step::Do(Act::Plan(order)) => {
                let allocation = self.allocations.entry(order.id).or_default();
                decide(allocation, allocation::Command::Plan(*order)).expect("the same order");
            }
            Step::Do(Act::Serve(turn)) => {
                decide(&mut self.owner, route_owner::Command::Wake(turn)).expect("it sleeps");
                let evidence = Evidence::default();
                decide(&mut self.operation, operation::Command::Enter { stage: Stage::Hot, evidence }).expect("hot");
            }
            Step::Fail(failure) => {
                if sleeps_on {
                    decide(&mut self.owner, route_owner::Command::FailWake(turn)).expect("it sleeps");
                }
                decide(&mut self.operation, operation::Command::Fail(failure)).expect("an end");
            }
            Step::Cancel => {
                decide(&mut self.owner, route_owner::Command::FailWake(turn)).expect("it sleeps");
                decide(&mut self.operation, operation::Command::Cancel).expect("an end");
            }
            Step::Wait(what) => {
                let deadline = self.operation.requested.as_ref().expect("it was requested").deadline;
                assert!(self.now < deadline, "it waits on at its deadline: {what}");
                self.now += TimeDelta::seconds(1);
                self.live();
            }
            Step::Done => {}
        }
    }

    /// The runner's part: every allocation comes one step further.
    fn live(&mut self) {
        let (id, wake) = self.wake();
        let first = wake.attempt(id, 0);
        for (id, allocation) in &mut self.allocations {
            let fails = self.fault == Fault::AllocationsFail || (self.fault == Fault::FirstFails && *id == first);
            let event = match allocation.state {
                Some(State::Planned) => allocation::Event::Pulling {},
                Some(State::Pulling) => allocation::Event::Starting { digest: GREEN_BYTES },
                Some(State::Starting) if fails => crate::story::crashed(),
                Some(State::Starting) if self.fault != Fault::NeverReady => ready(GREEN),
                _ => continue,
            };
            self.fired |= fails;
            allocation.apply(&event);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other faults are of the world, not of a moment")]
    fn disturb(&mut self) {
        let stage = self.operation.stage.expect("a stage");
        if self.fired {
            return;
        }
        match self.fault {
            Fault::OvertakenAt(at_stage) if at_stage == stage => {
                let epoch = Epoch(2);
                self.owner.apply(&route_owner::Event::Promoted {
                    by: FIRST,
                    epoch,
                    owner: owner(BLUE),
                    at: self.now,
                    drain: None,
                });
                self.fired = true;
            }
            Fault::CancelledAt(at_stage) if at_stage == stage => {
                let reason = because("too early");
                self.fired = decide(&mut self.operation, operation::Command::RequestCancel { reason }).is_ok();
            }
            _ => {}
        }
    }

    fn run(mut self) -> Self {
        for _ in 0..500 {
            self.disturb();
            let step = self.next();
            if step == Step::Done {
                return self;
            }
            self.carry_out(step.clone());
            if self.fault == Fault::Twice && !matches!(step, Step::Wait(_)) {
                self.again(step);
            }
            let stage = self.operation.stage.expect("a stage");
            if self.stages.last() != Some(&stage) {
                self.stages.push(stage);
            }
        }
        panic!("no end: {:?}", self.stages);
    }

    /// The same step once more changes nothing.
    fn again(&mut self, step: Step) {
        let before = (self.owner.clone(), self.operation.clone(), self.allocations.clone());
        self.carry_out(step);
        assert_eq!(before, (self.owner.clone(), self.operation.clone(), self.allocations.clone()));
    }

    fn code(&self) -> &str {
        self.operation.failure.as_ref().map_or("", |failure| failure.code.as_str())
    }
}

const GOOD: [Stage; 4] = [Stage::WakeRequested, Stage::Starting, Stage::ReadinessWait, Stage::Hot];

#[test]
fn a_wake_succeeds_over_all_its_stages() {
    let run = Sim::new(Fault::None).run();
    assert_eq!(run.stages, GOOD);
    assert_eq!(run.stages, operation::machine(operation::Kind::Wake).stages());
    assert!(run.owner.asleep.is_none() && run.owner.epoch == Epoch(1));
    assert_eq!(run.owner.owner, asleep().owner, "the owner never changes");
    assert_eq!(run.allocations.len(), 1);
    let (_, wake) = run.wake();
    assert!(run.allocations.values().all(|one| is_hot(&wake, one)));
    assert_eq!(run.operation.evidence.digest, Some(GREEN_BYTES), "the very bytes that were woken");
}

#[test]
fn a_wake_succeeds_with_every_step_done_twice() {
    let run = Sim::new(Fault::Twice).run();
    assert_eq!((run.stages.as_slice(), run.allocations.len()), (GOOD.as_slice(), 1));
}

#[test]
fn a_wake_ends_definitely_with_a_failure_at_each_step_and_the_route_sleeps_on() {
    let cases = [
        (Fault::NoRoom, Stage::WakeRequested, "WAKE_BUDGET", 0),
        (Fault::NoHost, Stage::Starting, "ALLOCATION_NOT_READY", 0),
        (Fault::NeverReady, Stage::ReadinessWait, "ALLOCATION_NOT_READY", 1),
        (Fault::AllocationsFail, Stage::ReadinessWait, "ALLOCATION_FAILED", 2),
    ];
    for (fault, last, code, left) in cases {
        let run = Sim::new(fault).run();
        assert_eq!((run.code(), run.stages.iter().rev().nth(1)), (code, Some(&last)), "{fault:?}");
        assert_eq!(run.allocations.len(), left, "{fault:?}: what is left behind is the scheduler's to drain");
        let sleeps = run.owner.asleep.as_ref().expect("it sleeps on");
        assert_eq!((sleeps.generation, sleeps.failed_wakes), (SleepGeneration(2), 1));
        assert!(sleeps.retry_at.is_some_and(|at| at > run.now));
        let again = Ask { sleep_generation: sleeps.generation, ..ask() };
        assert_ne!(again.operation(), ask().operation(), "the next wake is another operation");
    }
}

#[test]
fn a_wake_survives_the_loss_of_its_first_allocation() {
    let run = Sim::new(Fault::FirstFails).run();
    assert!(run.fired);
    assert_eq!((run.stages.as_slice(), run.allocations.len()), (GOOD.as_slice(), 2));
}

#[test]
fn an_old_route_epoch_ends_a_wake_at_every_stage_and_leaves_the_new_owner_alone() {
    for stage in [Stage::WakeRequested, Stage::Starting, Stage::ReadinessWait] {
        let run = Sim::new(Fault::OvertakenAt(stage)).run();
        assert!(run.fired, "{stage}");
        assert_eq!((run.code(), run.stages.iter().rev().nth(1)), ("STALE_EPOCH", Some(&stage)));
        assert!(run.owner.asleep.is_none() && run.owner.epoch == Epoch(2));
    }
}

#[test]
fn a_wake_is_cancelled_before_it_waits_for_readiness_and_then_no_more() {
    for stage in [Stage::WakeRequested, Stage::Starting] {
        let run = Sim::new(Fault::CancelledAt(stage)).run();
        assert!(run.fired);
        assert_eq!(run.operation.stage, Some(Stage::Cancelled));
        assert_eq!(run.owner.asleep.as_ref().map(|asleep| asleep.generation), Some(SleepGeneration(2)));
    }
    let run = Sim::new(Fault::CancelledAt(Stage::ReadinessWait)).run();
    assert_eq!((run.operation.stage, run.fired), (Some(Stage::Hot), false), "it answers definitely: too late");
}

#[test]
fn wake_stampede_a_thousand_questions_are_one_operation() {
    let ids = (0..1_000).map(|_| ask().operation()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(ids.len(), 1);
    let other = [
        Ask { epoch: Epoch(2), ..ask() },
        Ask { sleep_generation: SleepGeneration(2), ..ask() },
        Ask { environment: crate::ids::EnvironmentId(uuid::Uuid::from_u128(1)), ..ask() },
    ];
    assert!(other.iter().all(|other| !ids.contains(&other.operation())));
    let mut operation = Operation::default();
    for second in 0..1_000 {
        // Later questions come with a later deadline; the first one counts, and the others are answered by its id.
        let requested = request(&asleep(), ask(), None, at(100 + second)).expect("it sleeps");
        let accepted = operation.decide(operation::Command::Request(requested));
        assert_eq!(accepted.is_ok_and(|events| events.len() == 1), second == 0);
        if second == 0 {
            let requested = request(&asleep(), ask(), None, at(100)).expect("it sleeps");
            decide(&mut operation, operation::Command::Request(requested)).expect("the first");
        }
    }
}

type Rule = fn(&Wake, &Allocation) -> bool;

#[test]
fn a_cold_allocation_is_never_counted_as_hot() {
    let (_, wake) = Sim::new(Fault::None).wake();
    let order = planned(allocation(1), GREEN, Epoch(1));
    let states: [(&[allocation::Event], bool); 5] = [
        (&[], false),
        (&[allocation::Event::Pulling {}], false),
        (&[allocation::Event::Starting { digest: GREEN_BYTES }], false),
        (&[ready(GREEN)], true),
        (&[ready(GREEN), allocation::Event::Draining { reason: "x".into(), deadline: None }], false),
    ];
    let wrong = |rule: Rule| {
        let lived = |then: &[allocation::Event]| crate::story::allocated(order.clone(), then);
        let by_state = states.iter().filter(|(then, hot)| rule(&wake, &lived(then)) != *hot).count();
        let other_bytes = crate::story::allocated(planned(allocation(2), BLUE, Epoch(1)), &[ready(BLUE)]);
        by_state + usize::from(rule(&wake, &other_bytes))
    };
    assert_eq!(wrong(is_hot), 0);
    let sins: [(&str, Rule); 3] = [
        ("planned is as good as ready", |wake, one| serves(wake, one) && one.state <= Some(State::Ready)),
        ("other bytes serve as well", |_, one| one.state == Some(State::Ready)),
        ("what has started is hot", |wake, one| serves(wake, one) && one.state >= Some(State::Starting)),
    ];
    for (sin, rule) in sins {
        assert_ne!(wrong(rule), 0, "{sin}");
    }
}

#[test]
fn the_wake_budget_counts_cell_and_workspace() {
    for (cell, workspace, room) in [(0, 0, true), (63, 15, true), (64, 0, false), (0, 16, false)] {
        assert_eq!(Others { cell, workspace }.leave_room(), room, "{cell} {workspace}");
    }
}

#[test]
fn every_state_of_the_regional_machine_is_told() {
    let failed = fold::<RouteOwner>(&[
        route_owner::Event::Opened(opened()),
        route_owner::Event::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(0) },
        route_owner::Event::WakeFailed { by: FIRST, sleep_generation: SleepGeneration(2), at: at(5), retry_at: at(10) },
    ]);
    let serving = fold::<RouteOwner>(&[route_owner::Event::Opened(opened())]);
    let cases = [
        (&serving, None, Serving::Nothing, Lifecycle::Cold),
        (&serving, None, Serving::Something, Lifecycle::Hot),
        (&asleep(), None, Serving::Nothing, Lifecycle::Sleeping),
        (&asleep(), Some(Stage::WakeRequested), Serving::Nothing, Lifecycle::WakeRequested),
        (&asleep(), Some(Stage::Starting), Serving::Nothing, Lifecycle::Starting),
        (&asleep(), Some(Stage::ReadinessWait), Serving::Something, Lifecycle::ReadinessWait),
        (&failed, None, Serving::Nothing, Lifecycle::Failed),
    ];
    for (owner, wake, serving, expected) in cases {
        assert_eq!(lifecycle(owner, wake, serving, at(7)), expected);
    }
    assert_eq!(lifecycle(&failed, None, Serving::Nothing, at(10)), Lifecycle::Sleeping, "it may be asked again");
}
