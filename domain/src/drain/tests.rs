//! Whole drain operations; the law of the last ready allocation; what sessions get; and the traps by their names.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation::Cause,
    operation::{self, Work},
    runs::{
        Fault, Play, Times, at_each_step,
        lane::{Lane, Runner},
        run, succeeds,
    },
    scheduling,
    story::{ACME, BLUE, CELL_1, GREEN, LYON, PRODUCTION, SHOP, THIRD, allocation, at},
};

/// A drain operation of production, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    lane: Lane,
    drain: Drain,
    operation: Vec<operation::Event>,
}

/// Of so many ready allocations of the owner, the first so many are to leave; their sessions may go on for 20 seconds.
pub(crate) fn draining(ready: u8, leave: u8, runner: Runner) -> Memory {
    let drain = Drain {
        app: SHOP,
        environment: PRODUCTION,
        deployment: BLUE,
        allocations: (1..=leave).map(|n| allocation(n.into())).collect(),
        drain_seconds: 20,
        sessions: Fate::Hydrate,
    };
    let requested = Requested {
        id: THIRD,
        workspace: ACME,
        region: LYON,
        cell: Some(CELL_1),
        reason: None,
        deadline: drain.deadline(at(0)),
        work: Work::Drain(drain.clone()),
    };
    let mut lane = Lane::with(ready, runner);
    lane.leaving.clone_from(&drain.allocations);
    Memory { lane, drain, operation: vec![operation::Event::Requested(requested)] }
}

impl Memory {
    fn append(&mut self, step: &Step) -> Option<()> {
        let operation = fold::<Operation>(&self.operation);
        let enter = |stage, evidence| operation::Command::Enter { stage, evidence };
        let command = match step {
            Step::Enter(stage, evidence) => enter(*stage, evidence.clone()),
            Step::Do(_) => enter(Stage::Draining, Evidence::default()),
            Step::Fail(failure) => operation::Command::Fail(failure.clone()),
            Step::Cancel => operation::Command::Cancel,
            Step::Wait(_) | Step::Done => return None,
        };
        let events = operation.decide(command).ok()?;
        if let Step::Do(tell) = step {
            for id in &tell.allocations {
                self.lane.drain(*id, tell.deadline)?;
            }
        }
        self.operation.extend(events);
        Some(())
    }

    fn facts<'a>(&'a self, allocations: &'a [Allocation]) -> Facts<'a> {
        Facts { drain: &self.drain, owner: &self.lane.owner, replicas: self.lane.settings().replicas, allocations }
    }

    fn may_leave(&self) -> Result<&'static str, String> {
        may_leave(&self.facts(&self.lane.all())).map_err(|refusal| refusal.code.to_owned())
    }
}

impl Play for Memory {
    type Act = Tell;

    fn next(&self) -> Step {
        let allocations = self.lane.all();
        next(&World { now: self.lane.at(), operation: &fold(&self.operation), facts: self.facts(&allocations) })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.lane.pass();
    }

    fn outlast(&mut self) {
        self.lane.now = 140;
    }

    fn now(&self) -> DateTime<Utc> {
        self.lane.at()
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        [self.operation.len()].into_iter().chain(self.lane.lengths()).collect()
    }

    fn left(&self) -> String {
        let told = [State::Draining, State::Stopped].map(|state| self.lane.count(state));
        format!("{} told", told.iter().sum::<usize>())
    }
}

#[test]
fn what_a_drain_names_is_what_leaves_its_lane() {
    let leaves = |operation: &Operation| scheduling::leaving(operation).to_vec();
    assert_eq!(leaves(&fold(&draining(3, 2, Runner::Obeys).operation)), [allocation(1), allocation(2)]);
    assert_eq!(leaves(&Operation::default()), []);
}

#[test]
fn a_drain_succeeds_with_every_step_once_twice_or_lost() {
    for (ready, leave) in [(1, 1), (2, 1), (3, 2), (2, 2)] {
        let plain = succeeds(&draining(ready, leave, Runner::Obeys), Stage::Verified);
        let acts = plain.steps.iter().map(|step| matches!(step, Step::Do(_))).collect::<Vec<_>>();
        assert_eq!(acts, [false, true, false], "policy_check, draining, verified");
        let lane = &plain.world.lane;
        assert_eq!((lane.count(State::Stopped), lane.count(State::Ready)), (usize::from(leave), usize::from(ready)));
        assert!(lane.fewest_ready() >= usize::from(ready), "as many as are wanted were ready at every moment");
        let evidence = fold::<Operation>(&plain.world.operation).evidence;
        let kinds = evidence.gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
        assert_eq!(kinds, ["allocations", "replacement"], "what it was judged on");
        assert_eq!((evidence.allocations.len(), evidence.sessions), (usize::from(leave), Some(Fate::Hydrate)));
    }
}

#[test]
fn sessions_that_finish_are_waited_for_and_those_that_do_not_are_ended_and_counted() {
    let end = run(draining(2, 1, Runner::SessionsStay(3)), Times::Twice, Fault::Nothing);
    assert_eq!(end.end.stage, Stage::Verified);
    let proof = fold::<Operation>(&end.world.operation).evidence.allocations;
    assert_eq!(proof.iter().map(|one| one.sessions_ended).collect::<Vec<_>>(), [3]);
    assert!(end.world.lane.now >= 20, "not before the drain deadline");
}

#[test]
fn the_last_ready_allocation_of_the_owner_stays_until_a_replacement_is_ready() {
    for runner in [Runner::Hangs, Runner::Fails(Cause::RunnerCrash), Runner::Fails(Cause::SecretMissing)] {
        let end = run(draining(1, 1, runner), Times::Twice, Fault::Nothing);
        let failure = end.end.failure.expect("it was refused");
        assert_eq!((end.end.after, failure.code.as_str()), (Stage::PolicyCheck, "REPLACEMENT_NOT_READY"));
        assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("1 ready"), Some("0 ready")));
        assert_eq!(end.world.lane.count(State::Ready), 1, "what was left behind: it serves as before");
        assert_eq!(end.world.lane.count(State::Draining), 0);
    }
}

/// Every owner, number that is wanted and number of others that are ready: who may leave.
#[test]
fn who_may_leave_is_decided_by_owner_wanted_and_ready() {
    for (others, wanted) in (0..4_u8).flat_map(|others| (1..4_u8).map(move |wanted| (others, wanted))) {
        let mut memory = draining(others + 1, 1, Runner::Obeys);
        memory.lane.environment.truncate(1);
        let by = crate::story::FIRST;
        memory.lane.environment.push(crate::environment::Event::Scaled { by, replicas: Replicas(wanted) });
        assert_eq!(memory.may_leave().is_ok(), others >= wanted, "{others} others of {wanted}");
        memory.drain.deployment = GREEN;
        assert!(memory.may_leave().is_ok(), "GREEN does not own the traffic");
    }
    // The sin: an operation that lets the last one go because it is healthy and can be replaced afterwards.
    let sin = |_: &Memory| Ok::<_, String>("it will be replaced");
    assert_ne!(sin(&draining(1, 1, Runner::Obeys)).is_ok(), draining(1, 1, Runner::Obeys).may_leave().is_ok());
}

#[test]
fn an_outage_at_each_step_ends_where_it_struck() {
    let found = at_each_step(&draining(2, 1, Runner::NeverStops), Fault::Outage);
    assert!(found.len() >= 3);
    for (step, run) in found {
        let failure = run.end.failure.expect("it failed");
        let wanted = if run.end.after == Stage::Draining { "NOT_STOPPED" } else { "DEADLINE_PASSED" };
        let code = failure.code.as_str();
        assert!(code == wanted || code == "REPLACEMENT_NOT_READY", "{step:?}: {code}");
        let told = run.world.lane.count(State::Draining);
        assert_eq!(told, usize::from(run.end.after == Stage::Draining), "what was left behind after {step:?}");
    }
}

#[test]
fn a_wish_to_cancel_is_granted_until_the_allocations_are_told() {
    for (step, run) in at_each_step(&draining(2, 1, Runner::Obeys), Fault::WishToCancel) {
        let told = matches!(step, Step::Enter(Stage::Verified, _));
        assert_eq!(run.end.stage, if told { Stage::Verified } else { Stage::Cancelled }, "{step:?}");
        assert_eq!(run.world.lane.count(State::Stopped), usize::from(told), "{step:?}");
    }
}

#[test]
fn what_has_ended_already_cannot_be_drained() {
    let mut over = draining(2, 1, Runner::Obeys);
    let first = over.lane.allocations.get_mut(&allocation(1)).expect("it is there");
    first.push(crate::story::crashed());
    let end = run(over, Times::Once, Fault::Nothing);
    assert_eq!(end.end.failure.map(|failure| failure.code).as_deref(), Some("NOTHING_TO_DRAIN"));
}

#[test]
fn what_was_told_to_drain_is_still_where_its_sessions_are() {
    let mut memory = draining(2, 1, Runner::SessionsStay(1));
    while memory.lane.count(State::Draining) == 0 {
        match memory.next() {
            Step::Wait(_) => memory.pass(),
            step @ (Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel | Step::Done) => {
                assert!(memory.commit(&step));
            }
        }
    }
    let one = fold::<Allocation>(&memory.lane.allocations[&allocation(1)]);
    assert_eq!(
        one.endpoint().map(|told| told.state),
        Some(crate::feed::EndpointState::Draining),
        "edges still know it"
    );
    assert_eq!(one.drain_deadline, Some(memory.lane.at() + TimeDelta::seconds(20)));
}

/// The deadline is 140 seconds after the request; a minute of it is the runner's and 20 seconds are the sessions'.
#[test]
fn nobody_is_told_to_drain_whose_sessions_would_not_have_their_whole_time() {
    let mut memory = draining(2, 1, Runner::Obeys);
    memory.drain.deployment = GREEN; // It does not own the traffic, so that nothing else is waited for.
    let tells = |memory: &mut Memory, now| {
        memory.lane.now = now;
        match memory.next() {
            Step::Enter(..) | Step::Do(_) => Ok(()),
            Step::Fail(failure) => Err(failure.code),
            step @ (Step::Wait(_) | Step::Cancel | Step::Done) => panic!("{step:?}"),
        }
    };
    for stage in [Stage::Requested, Stage::PolicyCheck] {
        assert_eq!(fold::<Operation>(&memory.operation).stage, Some(stage));
        assert_eq!(tells(&mut memory, 60), Err("DEADLINE_PASSED".to_owned()), "{stage}");
        assert_eq!(tells(&mut memory, 59), Ok(()), "{stage}");
        let step = memory.next();
        assert!(memory.commit(&step), "{stage}");
    }
    let mut alone = draining(1, 1, Runner::Hangs);
    let step = alone.next();
    assert!(alone.commit(&step), "policy_check");
    alone.lane.now = 59;
    assert!(matches!(alone.next(), Step::Wait(_)), "a replacement is awaited: {:?}", alone.next());
    assert_eq!(tells(&mut alone, 60), Err("REPLACEMENT_NOT_READY".to_owned()), "and no longer");
}

#[test]
fn what_runs_with_another_set_of_variables_lets_nobody_leave() {
    let mut memory = draining(2, 1, Runner::Obeys);
    memory.lane.environment.truncate(1);
    assert!(memory.may_leave().is_ok(), "one is wanted, and another one of the owner's is ready");
    memory.lane.with_other_variables();
    assert_eq!(memory.may_leave(), Err("REPLACEMENT_NOT_READY".into()), "what is ready serves nobody");
}
