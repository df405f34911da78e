//! Idleness, case by case; and whole sleeps, in memory, with the real scheduler beside: what they leave as it was, and who or
//! what ends them at each step.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation,
    edge_status::{Activity, Sessions},
    operation, route_owner,
    runs::{
        Fault, Play, Times,
        lane::{Lane, Runner},
        meddled_at_each_step, run, succeeds,
    },
    story::{
        BLUE, FIRST, GREEN, NORTH_EDGE, SECOND, SOUTH_EDGE, THIRD, allocated, allocation as nth, at, edge, opened,
        owner, planned, ready,
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

/// A sleep of production, where nobody has been since BLUE took it over, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    lane: Lane,
    route: Vec<route_owner::Event>,
    operation: Vec<operation::Event>,
    edges: Vec<EdgeStatus>,
    others: usize,
}

/// The scheduler and a runner are there; the sleep is asked for long after anybody was.
pub(crate) fn falling_asleep(runner: Runner) -> Memory {
    let route = vec![
        route_owner::Event::Opened(opened()),
        route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(BLUE), at: at(0), drain: None },
    ];
    let requested = request(SECOND, &fold(&route), Some(600), None, at(1_000)).expect("it serves");
    let mut lane = Lane::with(1, runner);
    lane.now = 1_000;
    let edges = vec![saw(NORTH_EDGE, Some((100, 0)))];
    Memory { lane, route, operation: vec![operation::Event::Requested(requested)], edges, others: 0 }
}

impl Memory {
    fn owner(&self) -> RouteOwner {
        fold(&self.route)
    }

    fn requested(&self) -> Requested {
        fold::<Operation>(&self.operation).requested.expect("it was requested")
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        let (command, turn) = match step.clone() {
            Step::Enter(stage, evidence) => (operation::Command::Enter { stage, evidence }, None),
            Step::Do(Act::Sleep(turn)) => {
                let sleeping = operation::Command::Enter { stage: Stage::Sleeping, evidence: Evidence::default() };
                (sleeping, Some(route_owner::Command::Sleep(turn)))
            }
            Step::Fail(failure) => (operation::Command::Fail(failure), None),
            Step::Cancel => (operation::Command::Cancel, None),
            Step::Wait(_) | Step::Done => return None,
        };
        let operation = fold::<Operation>(&self.operation).decide(command).ok()?;
        let route = turn.map_or(Some(vec![]), |turn| self.owner().decide(turn).ok())?;
        self.operation.extend(operation);
        self.route.extend(route);
        Some(())
    }
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let Work::Sleep(sleep) = self.requested().work else { panic!("no sleep") };
        let (owner, all) = (self.owner(), self.lane.all());
        let ended = |one: &Allocation| one.state.is_some_and(allocation::State::is_final);
        let allocations = all.into_iter().filter(|one| !ended(one)).collect::<Vec<_>>();
        let usage = Use { now: self.now(), owner: &owner, allocations: &allocations, edges: &self.edges, silent: 0 };
        next(&World { operation: &fold(&self.operation), sleep: &sleep, usage, others: self.others })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.lane.owner = self.owner();
        self.lane.pass();
    }

    fn outlast(&mut self) {
        self.lane.now = (self.requested().deadline - at(0)).num_seconds();
    }

    fn now(&self) -> DateTime<Utc> {
        self.lane.at()
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        [self.operation.len(), self.route.len()].into_iter().chain(self.lane.lengths()).collect()
    }

    fn left(&self) -> String {
        let owner = self.owner();
        format!("{} at {}", if owner.asleep.is_some() { "asleep" } else { "awake" }, owner.epoch)
    }
}

#[test]
fn a_sleep_keeps_the_owner_and_its_epoch_and_lets_go_of_all_that_runs() {
    let world = succeeds(&falling_asleep(Runner::Obeys), Stage::Cold).world;
    let (route, before) = (world.owner(), falling_asleep(Runner::Obeys).owner());
    assert_eq!((route.epoch, &route.owner), (Epoch(1), &before.owner), "the owner never changes");
    assert_eq!(route.asleep.as_ref().map(|asleep| asleep.generation), Some(SleepGeneration(1)));
    assert_eq!(world.lane.count(allocation::State::Stopped), world.lane.allocations.len());
    let Evidence { gates, epoch, .. } = fold::<Operation>(&world.operation).evidence;
    assert_eq!(
        gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>(),
        ["route_epoch", "operations", "sessions"]
    );
    assert_eq!(epoch, Some(Epoch(1)), "the epoch that it slept in");
}

fn overtaken(world: &mut Memory) {
    let (by, epoch, owner, at) = (THIRD, Epoch(2), owner(GREEN), world.now());
    world.route.push(route_owner::Event::Promoted { by, epoch, owner, at, drain: None });
}

#[test]
fn a_sleep_ends_where_somebody_uses_it_overtakes_it_or_does_something_else_there() {
    type Meddle = fn(&mut Memory);
    let cases: [(&str, Meddle); 4] = [
        ("IN_USE", |world| world.edges = vec![saw(NORTH_EDGE, Some((999, 1)))]),
        ("STALE_EPOCH", overtaken),
        ("OPERATION_RUNNING", |world| world.others = 1),
        ("DEADLINE_PASSED", Memory::outlast),
    ];
    for (code, meddle) in cases {
        let mut found = meddled_at_each_step(&falling_asleep(Runner::Obeys), meddle);
        let (stage, last) = found.pop().expect("steps");
        assert_eq!(stage, Stage::Sleeping, "the route sleeps already, and all has stopped");
        let woken = (code == "STALE_EPOCH").then_some("WOKEN");
        assert_eq!(last.end.failure.map(|failure| failure.code).as_deref(), woken, "{code}");
        assert_eq!(found.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(), [Stage::Requested, Stage::PolicyCheck]);
        for (stage, run) in found {
            let failure = run.end.failure.expect("it failed");
            assert_eq!((run.end.after, failure.code.as_str()), (stage, code));
            assert!(run.world.owner().asleep.is_none(), "{code}: it serves on");
            let epochs = (code == "STALE_EPOCH").then(|| (Some("1".to_owned()), Some("2".to_owned())));
            assert_eq!((failure.expected, failure.actual), epochs.unwrap_or_default(), "{code}");
        }
    }
}

#[test]
fn what_has_stopped_or_is_another_deployments_is_not_waited_for() {
    let mut route = falling_asleep(Runner::Obeys).owner();
    let requested = request(SECOND, &route, Some(600), None, at(1_000)).expect("it serves");
    let Work::Sleep(sleep) = requested.work else { panic!("no sleep") };
    route.apply(&route_owner::Event::Slept { by: SECOND, sleep_generation: SleepGeneration(1), at: at(1_000) });
    let of = |number, deployment, events: &[allocation::Event]| {
        allocated(planned(nth(number), deployment, Epoch(1)), events)
    };
    let others = of(1, GREEN, &[ready(GREEN)]);
    let stopped = of(2, BLUE, &[ready(BLUE), allocation::Event::Stopped { sessions_ended: 0 }]);
    let left = of(3, BLUE, &[ready(BLUE)]);
    let operation = Operation::default();
    let step = |allocations: &[Allocation]| {
        let usage = Use { now: at(1_001), owner: &route, allocations, edges: &[], silent: 0 };
        let_go(&World { operation: &operation, sleep: &sleep, usage, others: 0 }, Time::Left)
    };
    assert!(matches!(step(&[others.clone(), stopped.clone()]), Step::Enter(Stage::Cold, _)));
    assert_eq!(step(&[others, stopped, left]), Step::Wait("an allocation has not stopped yet"));
}

#[test]
fn what_never_stops_ends_a_sleep_at_its_deadline_and_the_route_sleeps_all_the_same() {
    let end = run(falling_asleep(Runner::NeverStops), Times::Twice, Fault::Nothing);
    assert_eq!(end.end.failure.map(|failure| failure.code).as_deref(), Some("ALLOCATIONS_LEFT"));
    assert!(end.world.owner().asleep.is_some());
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

/// What the edges say, how many other operations are under way, whether it sleeps already, and the code of the answer.
type Told = (Vec<EdgeStatus>, usize, bool, Option<&'static str>);

#[test]
fn what_is_told_of_a_sleep_is_what_becomes_of_it() {
    type Judge = fn(&Facts<'_>) -> Vec<Judged>;
    let (quiet, open) = (saw(NORTH_EDGE, Some((999, 0))), saw(NORTH_EDGE, Some((999, 1))));
    let cases: [Told; 4] = [
        (vec![quiet.clone()], 0, false, None),
        (vec![open], 0, false, Some("IN_USE")),
        (vec![quiet.clone()], 1, false, Some("OPERATION_RUNNING")),
        (vec![quiet], 0, true, Some("ASLEEP")),
    ];
    let requested = request(SECOND, &serving(), None, None, at(1_000)).expect("it serves");
    let Work::Sleep(sleep) = requested.work.clone() else { panic!("no sleep") };
    let operation = fold::<Operation>(&[operation::Event::Requested(requested)]);
    let wrong = |judge: Judge| {
        let wrong = |(edges, others, asleep, code): &&Told| {
            let (mut owner, others) = (serving(), *others);
            if *asleep {
                let sleep_generation = SleepGeneration(1);
                owner.apply(&route_owner::Event::Slept { by: FIRST, sleep_generation, at: at(900) });
            }
            let usage = Use { now: at(1_000), owner: &owner, allocations: &[running()], edges, silent: 0 };
            let judged = judge(&Facts { expected: owner.epoch, idle_seconds: None, usage, others });
            let step = next(&World { operation: &operation, sleep: &sleep, usage, others });
            let comes = if let Step::Fail(failure) = step { Some(failure.code) } else { None };
            let shown = gate::closed(&judged).map(|refusal| refusal.code);
            shown != *code || comes.as_deref() != shown
        };
        cases.iter().filter(wrong).count()
    };
    assert_eq!(wrong(judge), 0);
    let sins: [(&str, Judge); 3] = [
        ("what is open is not asked for", |facts| judge(&Facts { usage: Use { edges: &[], ..facts.usage }, ..*facts })),
        ("what else is under way is not asked for", |facts| judge(&Facts { others: 0, ..*facts })),
        ("whether it sleeps is not asked for", |facts| judge(facts).split_off(1)),
    ];
    for (sin, judge) in sins {
        assert_eq!(wrong(judge), 1, "{sin}");
    }
}
