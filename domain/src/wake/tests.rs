//! Whole wakes, in memory: what makes one hot, what keeps it from its end, and that the route sleeps on then. And the sins that
//! such a run must notice.

mod waits;

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation,
    operation::{self, Verdict},
    route_owner,
    runs::{Fault, Play, Times, meddled_at_each_step, run, succeeds},
    story::{
        BLUE, FIRST, GREEN, GREEN_BYTES, HOST_1, PRODUCTION, allocation, at, bergen, opened, owner, planned,
        promotable, ready,
    },
};
use std::collections::BTreeMap;

/// What the world does otherwise than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
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
}

/// The wake of production, whose route GREEN owns and which sleeps, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    trouble: Trouble,
    /// Other wakes that have begun.
    others: Others,
    now: i64,
    route: Vec<route_owner::Event>,
    operation: Vec<operation::Event>,
    allocations: BTreeMap<AllocationId, Vec<allocation::Event>>,
}

fn sleeping() -> Vec<route_owner::Event> {
    vec![
        route_owner::Event::Opened(opened()),
        route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(GREEN), at: at(0), drain: None },
        route_owner::Event::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(10) },
    ]
}

fn asleep() -> RouteOwner {
    fold(&sleeping())
}

fn ask() -> Ask {
    Ask { environment: PRODUCTION, epoch: Epoch(1), sleep_generation: SleepGeneration(1) }
}

pub(crate) fn waking(trouble: Trouble) -> Memory {
    let requested = request(&asleep(), ask(), None, at(100)).expect("it sleeps");
    let operation = vec![operation::Event::Requested(requested)];
    let others = Others { cell: if trouble == Trouble::NoRoom { PER_CELL } else { 0 }, workspace: 0 };
    Memory { trouble, others, now: 100, route: sleeping(), operation, allocations: BTreeMap::new() }
}

impl Memory {
    fn owner(&self) -> RouteOwner {
        fold(&self.route)
    }

    fn wake(&self) -> (OperationId, Wake) {
        match fold::<Operation>(&self.operation).requested.map(|requested| (requested.id, requested.work)) {
            Some((id, Work::Wake(wake))) => (id, wake),
            other => panic!("{other:?}"),
        }
    }

    fn all(&self) -> Vec<Allocation> {
        self.allocations.values().map(fold).collect()
    }

    /// As the worker does: one append, or none.
    fn append(&mut self, step: &Step) -> Option<()> {
        let (id, wake) = self.wake();
        let turn = wake.turn(id, self.now());
        let sleeps_on = self.owner().may_wake(turn.expected, turn.generation).is_ok();
        let fails = sleeps_on.then_some(route_owner::Command::FailWake(turn));
        let (command, route) = match step.clone() {
            Step::Enter(stage, evidence) => (operation::Command::Enter { stage, evidence }, None),
            Step::Do(Act::Plan(order)) => return self.plan(*order),
            Step::Do(Act::Serve(turn)) => {
                let all = self.all();
                let evidence = proof(&wake, &self.owner(), all.iter().find(|one| is_hot(&wake, &self.owner(), one)));
                let hot = operation::Command::Enter { stage: Stage::Hot, evidence };
                (hot, Some(route_owner::Command::Wake(turn)))
            }
            Step::Fail(failure) => (operation::Command::Fail(failure), fails),
            Step::Cancel => (operation::Command::Cancel, fails),
            Step::Wait(_) | Step::Done => return None,
        };
        let operation = fold::<Operation>(&self.operation).decide(command).ok()?;
        let route = route.map_or(Some(vec![]), |command| self.owner().decide(command).ok())?;
        self.operation.extend(operation);
        self.route.extend(route);
        Some(())
    }

    fn plan(&mut self, order: Planned) -> Option<()> {
        let events = self.allocations.entry(order.id).or_default();
        let more = fold::<Allocation>(&*events).decide(allocation::Command::Plan(order)).ok()?;
        events.extend(more);
        Some(())
    }
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let (id, wake) = self.wake();
        let attempt = |n| self.allocations.get(&wake.attempt(id, n)).map(fold).unwrap_or_default();
        let attempts = (0..ATTEMPTS).map(attempt).collect::<Vec<_>>();
        next(&World {
            now: self.now(),
            operation: &fold(&self.operation),
            wake: &wake,
            owner: &self.owner(),
            deployment: &promotable(GREEN),
            drain: DrainPolicy::default(),
            attempts: &attempts,
            others: &[],
            hosts: if self.trouble == Trouble::NoHost { &[] } else { &[HOST_1] },
            begun: self.others,
        })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    /// Every allocation comes one step further.
    fn pass(&mut self) {
        self.now += 1;
        let (id, wake) = self.wake();
        let first = wake.attempt(id, 0);
        for (id, events) in &mut self.allocations {
            let fails =
                self.trouble == Trouble::AllocationsFail || (self.trouble == Trouble::FirstFails && *id == first);
            let event = match fold::<Allocation>(&*events).state {
                Some(State::Planned) => allocation::Event::Pulling {},
                Some(State::Pulling) => allocation::Event::Starting { digest: GREEN_BYTES },
                Some(State::Starting) if fails => crate::story::crashed(),
                Some(State::Starting) if self.trouble != Trouble::NeverReady => ready(GREEN),
                Some(State::Starting | State::Ready | State::Draining | State::Stopped | State::Failed) | None => {
                    continue;
                }
            };
            events.push(event);
        }
    }

    fn outlast(&mut self) {
        self.now = 100 + DEADLINE.num_seconds();
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        let lived = self.allocations.values().map(Vec::len);
        [self.operation.len(), self.route.len()].into_iter().chain(lived).collect()
    }

    fn left(&self) -> String {
        let owner = self.owner();
        owner.asleep.map_or_else(|| "awake".to_owned(), |asleep| format!("asleep, the {}. time", asleep.generation))
    }
}

#[test]
fn a_wake_makes_the_very_owner_hot_that_slept() {
    let world = succeeds(&waking(Trouble::None), Stage::Hot).world;
    let owner = world.owner();
    assert!(owner.asleep.is_none() && owner.epoch == Epoch(1));
    assert_eq!(owner.owner, asleep().owner, "the owner never changes");
    assert_eq!(world.allocations.len(), 1);
    let (_, wake) = world.wake();
    assert!(world.all().iter().all(|one| is_hot(&wake, &owner, one)));
    let digest = fold::<Operation>(&world.operation).evidence.digest;
    assert_eq!(digest, Some(GREEN_BYTES), "the very bytes that were woken");
}

/// The sin: a wake that begins without a word of what it was judged on.
#[test]
fn a_wake_keeps_what_it_was_judged_on_and_which_allocation_answered() {
    let said = |operation: &[operation::Event]| {
        let gates = fold::<Operation>(operation).evidence.gates;
        gates.into_iter().map(|gate| (gate.kind, gate.verdict, gate.evidence)).collect::<Vec<_>>()
    };
    let others = Others { cell: 3, workspace: 2 };
    let world = succeeds(&Memory { others, ..waking(Trouble::None) }, Stage::Hot).world;
    let expected = [
        ("route_epoch".to_owned(), Verdict::Pass, "epoch 1, sleep 1".to_owned()),
        ("wake_budget".to_owned(), Verdict::Pass, "3 of 64 in the cell, 2 of 16 in the workspace".to_owned()),
    ];
    assert_eq!(said(&world.operation), expected);
    let proofs = fold::<Operation>(&world.operation).evidence.allocations;
    let answered = world.all().iter().filter_map(AllocationProof::of).collect::<Vec<_>>();
    assert_eq!((proofs.len(), proofs), (1, answered));
    let mut silent = world.operation.clone();
    for event in &mut silent {
        if let operation::Event::StageEntered { evidence, .. } = event {
            *evidence = Evidence::default();
        }
    }
    assert_ne!(said(&silent), expected, "the sin is caught");
    let (_, wake) = world.wake();
    let told = proof(&wake, &world.owner(), None);
    assert_eq!(
        (told.epoch, told.digest),
        (Some(Epoch(1)), Some(GREEN_BYTES)),
        "by itself, whatever stages said before"
    );
}

#[test]
fn whatever_keeps_a_wake_from_its_end_is_named_and_the_route_sleeps_on() {
    let cases = [
        (Trouble::NoRoom, Stage::WakeRequested, "WAKE_BUDGET", 0),
        (Trouble::NoHost, Stage::Starting, "ALLOCATION_NOT_READY", 0),
        (Trouble::NeverReady, Stage::ReadinessWait, "ALLOCATION_NOT_READY", 1),
        (Trouble::AllocationsFail, Stage::ReadinessWait, "ALLOCATION_FAILED", 2),
    ];
    for (trouble, last, code, left) in cases {
        let end = run(waking(trouble), Times::Twice, Fault::Nothing);
        let failed = end.end.failure.map(|failure| failure.code);
        assert_eq!((failed.as_deref(), end.end.after), (Some(code), last), "{trouble:?}");
        assert_eq!(end.world.allocations.len(), left, "{trouble:?}: what is left behind is the scheduler's to drain");
        let sleeps = end.world.owner().asleep.expect("it sleeps on");
        assert_eq!((sleeps.generation, sleeps.failed_wakes), (SleepGeneration(2), 1));
        assert!(sleeps.retry_at.is_some_and(|at| at > end.world.now()));
        let again = Ask { sleep_generation: sleeps.generation, ..ask() };
        assert_ne!(again.operation(), ask().operation(), "the next wake is another operation");
    }
}

#[test]
fn a_wake_survives_the_loss_of_its_first_allocation() {
    let end = succeeds(&waking(Trouble::FirstFails), Stage::Hot);
    let states = end.world.all().iter().filter_map(|one| one.state).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(states, [State::Ready, State::Failed].into());
}

#[test]
fn an_old_route_epoch_ends_a_wake_at_every_step_and_leaves_the_new_owner_alone() {
    let found = meddled_at_each_step(&waking(Trouble::None), |world| {
        let (by, epoch, owner, at) = (FIRST, Epoch(2), owner(BLUE), world.now());
        world.route.push(route_owner::Event::Promoted { by, epoch, owner, at, drain: None });
    });
    assert!(found.len() >= 4, "{} steps", found.len());
    for (stage, run) in found {
        let failed = run.end.failure.map(|failure| failure.code);
        assert_eq!((failed.as_deref(), run.end.after), (Some("STALE_EPOCH"), stage));
        let owner = run.world.owner();
        assert!(owner.asleep.is_none() && owner.epoch == Epoch(2));
    }
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
    let mut operation = Vec::new();
    for second in 0..1_000 {
        // Later questions come with a later deadline; the first one counts, and the others are answered by its id.
        let requested = request(&asleep(), ask(), None, at(100 + second)).expect("it sleeps");
        let accepted = fold::<Operation>(&operation).decide(operation::Command::Request(requested));
        assert_eq!(accepted.is_ok(), second == 0);
        operation.extend(accepted.unwrap_or_default());
    }
}

type Rule = fn(&Wake, &RouteOwner, &Allocation) -> bool;

#[test]
fn a_cold_allocation_is_never_counted_as_hot() {
    let (world, owner) = (waking(Trouble::None), asleep());
    let (_, wake) = world.wake();
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
        let by_state = states.iter().filter(|(then, hot)| rule(&wake, &owner, &lived(then)) != *hot).count();
        let other_bytes = crate::story::allocated(planned(allocation(2), BLUE, Epoch(1)), &[ready(BLUE)]);
        let elsewhere = Planned { region: bergen().region, cell: bergen().cell, ..order.clone() };
        let left = crate::story::allocated(elsewhere, &[ready(GREEN)]);
        by_state + [other_bytes, left].iter().filter(|one| rule(&wake, &owner, one)).count()
    };
    assert_eq!(wrong(is_hot), 0);
    let sins: [(&str, Rule); 4] = [
        ("planned is as good as ready", |wake, _, one| serves(wake, one) && one.state <= Some(State::Ready)),
        ("other bytes serve as well", |_, _, one| one.state == Some(State::Ready)),
        ("what has started is hot", |wake, _, one| serves(wake, one) && one.state >= Some(State::Starting)),
        ("what a failover left elsewhere serves as well", |wake, _, one| {
            serves(wake, one) && one.state == Some(State::Ready) && one.verified == Some(wake.artifact)
        }),
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
