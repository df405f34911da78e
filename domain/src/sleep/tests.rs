//! Idleness, case by case, and the sleep as a process: it succeeds, succeeds with every step twice, and ends definitely with a
//! failure at each step.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation,
    edge_status::{Activity, Sessions},
    operation, route_owner,
    story::{
        FIRST, GREEN, NORTH_EDGE, SECOND, SOUTH_EDGE, allocated, allocation as nth, at, edge, opened, owner, planned,
        ready,
    },
};

fn serving() -> RouteOwner {
    fold(&[
        route_owner::Event::Opened(opened()),
        route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(GREEN), at: at(0), drain: None },
    ])
}

fn running() -> Allocation {
    allocated(planned(nth(1), GREEN, Epoch(0)), &[ready(GREEN)])
}

fn saw(edge_id: crate::ids::EdgeId, used: Option<(i64, u64)>) -> EdgeStatus {
    let activity = used.map(|(seconds, open)| Activity { allocation: nth(1), open, used_at: at(seconds) });
    EdgeStatus { activity: activity.into_iter().collect(), activity_since: Some(at(0)), ..edge(edge_id, vec![]) }
}

/// What happened, what the edges say, how many are silent, and what follows.
type Case = (&'static str, Vec<EdgeStatus>, usize, Result<(), InUse>);
type Rule = fn(&Use<'_>) -> Result<(), InUse>;

#[test]
fn what_no_edge_has_said_is_not_idle() {
    let (route, allocations) = (serving(), [running()]);
    let quiet = || saw(NORTH_EDGE, Some((100, 0)));
    let sockets = EdgeStatus { sessions: vec![Sessions { allocation: nth(1), open: 2 }], ..quiet() };
    let old = EdgeStatus { activity_since: None, ..quiet() };
    let cases: [Case; 10] = [
        ("long unused", vec![quiet()], 0, Ok(())),
        ("never used through this edge", vec![saw(NORTH_EDGE, None)], 0, Ok(())),
        ("used lately", vec![saw(NORTH_EDGE, Some((950, 0)))], 0, Err(InUse::Lately(600))),
        ("used just that long ago", vec![saw(NORTH_EDGE, Some((400, 0)))], 0, Ok(())),
        ("used lately elsewhere", vec![quiet(), saw(SOUTH_EDGE, Some((950, 0)))], 0, Err(InUse::Lately(600))),
        ("sockets open", vec![sockets], 0, Err(InUse::Open(2))),
        ("a request under way", vec![saw(NORTH_EDGE, Some((100, 1)))], 0, Err(InUse::Open(1))),
        ("no edge", vec![], 0, Err(InUse::NoEdge)),
        ("a silent edge", vec![quiet()], 1, Err(InUse::Silent(1))),
        ("an edge that does not count", vec![old], 0, Err(InUse::Unknown)),
    ];
    let wrong = |rule: Rule| {
        let judged = |edges: &[EdgeStatus], silent| {
            rule(&Use { now: at(1_000), owner: &route, allocations: &allocations, edges, silent })
        };
        cases.iter().filter(|(_, edges, silent, expected)| judged(edges, *silent) != *expected).count()
    };
    assert_eq!(wrong(|usage| usage.is_idle(600)), 0);
    let sins: [(&str, Rule); 4] = [
        ("no edge means no sessions", |usage| if usage.edges.is_empty() { Ok(()) } else { usage.is_idle(600) }),
        ("a silent edge has no sessions", |usage| Use { silent: 0, ..*usage }.is_idle(600)),
        ("the first edge speaks for all", |usage| {
            Use { edges: &usage.edges[..usage.edges.len().min(1)], ..*usage }.is_idle(600)
        }),
        ("sessions are ended for it", |usage| match usage.is_idle(600) {
            Err(InUse::Open(_)) => Ok(()),
            other => other,
        }),
    ];
    for (sin, rule) in sins {
        assert_ne!(wrong(rule), 0, "{sin}");
    }
}

#[test]
fn what_has_just_been_promoted_or_woken_is_not_idle() {
    let woken = route_owner::Event::Woken { by: FIRST, sleep_generation: SleepGeneration(1), at: at(900) };
    let mut route = serving();
    let edges = [saw(NORTH_EDGE, None)];
    let judged =
        |route: &RouteOwner, now| Use { now, owner: route, allocations: &[], edges: &edges, silent: 0 }.is_idle(600);
    assert_eq!(judged(&route, at(599)), Err(InUse::Lately(600)));
    assert_eq!(judged(&route, at(600)), Ok(()));
    route.apply(&route_owner::Event::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(700) });
    route.apply(&woken);
    assert_eq!(judged(&route, at(1_000)), Err(InUse::Lately(600)));
}

/// What goes wrong, and at which stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Twice,
    UsedAt(Stage),
    OvertakenAt(Stage),
    OtherOperationAt(Stage),
    LateAt(Stage),
    NeverStops,
}

struct Sim {
    owner: RouteOwner,
    operation: Operation,
    allocation: Allocation,
    now: DateTime<Utc>,
    fault: Fault,
    stages: Vec<Stage>,
    fired: bool,
}

fn decide<A: Aggregate>(state: &mut A, command: A::Command) {
    let events = state.decide(command).unwrap_or_else(|rejection| panic!("{rejection}"));
    for event in &events {
        state.apply(event);
    }
}

impl Sim {
    fn run(fault: Fault) -> Self {
        let (owner, mut operation) = (serving(), Operation::default());
        let requested = request(SECOND, &owner, Some(600), None, at(1_000)).expect("it serves");
        decide(&mut operation, operation::Command::Request(requested));
        let stages = vec![Stage::Requested];
        let mut sim = Self { owner, operation, allocation: running(), now: at(1_000), fault, stages, fired: false };
        for _ in 0..2_000 {
            let step = sim.next();
            if step == Step::Done {
                return sim;
            }
            sim.carry_out(&step);
            if fault == Fault::Twice && !matches!(step, Step::Wait(_)) {
                let before = (sim.owner.clone(), sim.operation.clone());
                sim.carry_out(&step);
                assert_eq!(before, (sim.owner.clone(), sim.operation.clone()), "{step:?}");
            }
            let stage = sim.operation.stage.expect("a stage");
            if sim.stages.last() != Some(&stage) {
                sim.stages.push(stage);
            }
        }
        panic!("no end: {:?}", sim.stages);
    }

    fn next(&mut self) -> Step {
        let stage = self.operation.stage.expect("a stage");
        let used = self.fault == Fault::UsedAt(stage);
        let others = usize::from(self.fault == Fault::OtherOperationAt(stage));
        if self.fault == Fault::OvertakenAt(stage) && !self.fired {
            let (by, epoch, owner, at) = (FIRST, Epoch(2), owner(crate::story::BLUE), self.now);
            self.owner.apply(&route_owner::Event::Promoted { by, epoch, owner, at, drain: None });
            self.fired = true;
        }
        let late = self.fault == Fault::LateAt(stage);
        if late {
            self.now = self.operation.requested.as_ref().expect("it was requested").deadline;
        }
        self.fired |= used || others > 0 || late;
        let Some(Work::Sleep(sleep)) = self.operation.requested.as_ref().map(|requested| requested.work.clone()) else {
            panic!("no sleep");
        };
        let edges = [saw(NORTH_EDGE, Some(if used { (999, 1) } else { (100, 0) }))];
        let allocations = [self.allocation.clone()];
        let usage = Use { now: self.now, owner: &self.owner, allocations: &allocations, edges: &edges, silent: 0 };
        next(&World { operation: &self.operation, sleep: &sleep, usage, others })
    }

    fn carry_out(&mut self, step: &Step) {
        match step.clone() {
            Step::Enter(stage, evidence) => decide(&mut self.operation, operation::Command::Enter { stage, evidence }),
            Step::Do(Act::Sleep(turn)) => {
                decide(&mut self.owner, route_owner::Command::Sleep(turn));
                let evidence = Evidence::default();
                decide(&mut self.operation, operation::Command::Enter { stage: Stage::Sleeping, evidence });
            }
            Step::Fail(failure) => decide(&mut self.operation, operation::Command::Fail(failure)),
            Step::Cancel | Step::Done => {}
            Step::Wait(what) => {
                let deadline = self.operation.requested.as_ref().expect("it was requested").deadline;
                assert!(self.now < deadline, "it waits on at its deadline: {what}");
                self.now += TimeDelta::seconds(1);
                if self.fault != Fault::NeverStops {
                    self.allocation.apply(&allocation::Event::Stopped { sessions_ended: 0 });
                }
            }
        }
    }

    fn code(&self) -> &str {
        self.operation.failure.as_ref().map_or("", |failure| failure.code.as_str())
    }
}

const GOOD: [Stage; 4] = [Stage::Requested, Stage::PolicyCheck, Stage::Sleeping, Stage::Cold];

#[test]
fn a_sleep_succeeds_over_all_its_stages() {
    let run = Sim::run(Fault::None);
    assert_eq!(run.stages, GOOD);
    assert_eq!(run.stages, operation::machine(operation::Kind::Sleep).stages());
    assert_eq!((run.owner.epoch, &run.owner.owner), (Epoch(1), &serving().owner), "the owner never changes");
    assert_eq!(run.owner.asleep.as_ref().map(|asleep| asleep.generation), Some(SleepGeneration(1)));
    let Evidence { gates, epoch, .. } = &run.operation.evidence;
    assert_eq!(gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>(), ["route_epoch", "sessions"]);
    assert_eq!(*epoch, Some(Epoch(1)), "the epoch that it slept in");
}

#[test]
fn a_sleep_succeeds_with_every_step_done_twice() {
    assert_eq!(Sim::run(Fault::Twice).stages, GOOD);
}

#[test]
fn a_sleep_ends_definitely_with_a_failure_at_each_step() {
    let awake = [Stage::Requested, Stage::PolicyCheck];
    for stage in awake {
        for (fault, code) in [
            (Fault::UsedAt(stage), "IN_USE"),
            (Fault::OvertakenAt(stage), "STALE_EPOCH"),
            (Fault::OtherOperationAt(stage), "OPERATION_RUNNING"),
            (Fault::LateAt(stage), "DEADLINE_PASSED"),
        ] {
            let run = Sim::run(fault);
            assert!(run.fired, "{fault:?}");
            assert_eq!((run.code(), run.stages.iter().rev().nth(1)), (code, Some(&stage)), "{fault:?}");
            assert!(run.owner.asleep.is_none(), "{fault:?}: it serves on");
            let told = run.operation.failure.map(|failure| (failure.expected, failure.actual));
            let epochs = (code == "STALE_EPOCH").then(|| (Some("1".to_owned()), Some("2".to_owned())));
            assert_eq!(told, Some(epochs.unwrap_or_default()), "{fault:?}");
        }
    }
    let run = Sim::run(Fault::OvertakenAt(Stage::Sleeping));
    assert_eq!((run.code(), run.fired, run.owner.asleep.is_none()), ("WOKEN", true, true));
    let run = Sim::run(Fault::NeverStops);
    assert_eq!((run.code(), run.owner.asleep.is_some()), ("ALLOCATIONS_LEFT", true), "the route sleeps all the same");
}

#[test]
fn an_open_session_is_never_ended_for_a_sleep_that_a_person_asks_for() {
    let (route, allocations) = (serving(), [running()]);
    let edges = [saw(NORTH_EDGE, Some((999, 1)))];
    let usage = Use { now: at(1_000), owner: &route, allocations: &allocations, edges: &edges, silent: 0 };
    assert_eq!(usage.is_closed(), Err(InUse::Open(1)));
    let edges = [saw(NORTH_EDGE, Some((999, 0)))];
    assert_eq!(Use { edges: &edges, ..usage }.is_closed(), Ok(()), "used a moment ago, and nothing is open");
}
