//! Whole scale operations, out and in; the gates; what a bad end gives back; and the traps by their names.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation::{self, Cause, Planned},
    numbers::Epoch,
    operation::{self, Verdict, Work},
    runs::{
        Fault, Play, Times, at_each_step,
        lane::{Lane, Runner},
        run, succeeds,
    },
    runtime_service::{Backend, Service, Standing},
    story::{
        ACME, BLUE, CELL_1, HOST_1, HOST_2, LYON, PRODUCTION, SECOND, SHOP, THIRD, allocation, at, planned, ready,
    },
};

const DEADLINE: i64 = 60;

/// A scale operation of production, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    lane: Lane,
    scale: Scale,
    needs: Needs,
    standings: Standings,
    operation: Vec<operation::Event>,
}

fn proven() -> Standings {
    [
        (Service::SessionStore, Standing::Verified(Backend::Postgres)),
        (Service::Broadcast, Standing::Verified(Backend::Nats)),
    ]
    .into()
}

pub(crate) fn scaling_from(from: u8, to: u8, runner: Runner) -> Memory {
    let scale =
        Scale { app: SHOP, environment: PRODUCTION, deployment: BLUE, from: Replicas(from), replicas: Replicas(to) };
    let requested = Requested {
        id: THIRD,
        workspace: ACME,
        region: LYON,
        cell: Some(CELL_1),
        reason: None,
        deadline: at(DEADLINE),
        work: Work::Scale(scale.clone()),
    };
    let operation = vec![operation::Event::Requested(requested)];
    Memory { lane: Lane::with(from, runner), scale, needs: Needs::default(), standings: proven(), operation }
}

impl Memory {
    fn judge(&self, command: operation::Command) -> Option<Vec<operation::Event>> {
        fold::<Operation>(&self.operation).decide(command).ok()
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        let requested = fold::<Operation>(&self.operation).requested?;
        let (command, scaled) = match step {
            Step::Enter(stage, evidence) => {
                (operation::Command::Enter { stage: *stage, evidence: evidence.clone() }, None)
            }
            Step::Do(Want(command)) => {
                let scaling = operation::Command::Enter { stage: Stage::Scaling, evidence: Evidence::default() };
                (scaling, Some(command.clone()))
            }
            Step::Fail(failure) => {
                (operation::Command::Fail(failure.clone()), give_back(&requested, &self.scale, &self.lane.settings()))
            }
            Step::Cancel => (operation::Command::Cancel, give_back(&requested, &self.scale, &self.lane.settings())),
            Step::Wait(_) | Step::Done => return None,
        };
        let operation = self.judge(command)?;
        let environment = scaled.map_or(Some(vec![]), |command| self.lane.scale(command))?;
        self.operation.extend(operation);
        self.lane.environment.extend(environment);
        Some(())
    }

    fn facts<'a>(&'a self, environment: &'a Environment) -> Facts<'a> {
        Facts {
            scale: &self.scale,
            environment,
            owner: &self.lane.owner,
            needs: &self.needs,
            standings: &self.standings,
        }
    }

    fn wanted(&self) -> u8 {
        self.lane.settings().replicas.0
    }
}

impl Play for Memory {
    type Act = Want;

    fn next(&self) -> Step {
        let (environment, allocations) = (self.lane.settings(), self.lane.all());
        let operation = &fold(&self.operation);
        next(&World {
            now: self.lane.at(),
            operation,
            facts: self.facts(&environment),
            allocations: &allocations,
            leaving: &self.lane.leaving,
            lost: &self.lane.lost,
        })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.lane.pass();
    }

    fn outlast(&mut self) {
        self.lane.now = DEADLINE;
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
        format!("{} wanted", self.wanted())
    }
}

#[test]
fn scaling_out_and_in_succeeds_with_every_step_once_twice_or_lost() {
    for (from, to) in [(1, 2), (1, 3), (3, 1), (2, 2)] {
        let plain = succeeds(&scaling_from(from, to, Runner::Obeys), Stage::Verified);
        let stages = plain.steps.iter().map(|step| matches!(step, Step::Do(_))).collect::<Vec<_>>();
        assert_eq!(stages, [false, true, false], "policy_check, scaling, verified");
        assert_eq!((plain.world.wanted(), plain.world.lane.count(State::Ready)), (to, usize::from(to)));
        let proof = fold::<Operation>(&plain.world.operation).evidence.allocations;
        assert_eq!(proof.len(), usize::from(to));
        let gates = fold::<Operation>(&plain.world.operation).evidence.gates;
        let kinds = gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
        assert_eq!(kinds, ["owner", "replicas", "scale_readiness"], "what it was judged on");
        assert!(plain.world.lane.fewest_ready() >= usize::from(from.min(to)), "never below what is wanted");
    }
}

#[test]
fn scaling_out_spreads_over_the_hosts() {
    let end = run(scaling_from(1, 4, Runner::Obeys), Times::Once, Fault::Nothing);
    let hosts = fold::<Operation>(&end.world.operation).evidence.allocations.into_iter().map(|proof| proof.host);
    let mut hosts = hosts.collect::<Vec<_>>();
    hosts.sort();
    assert_eq!(hosts.chunk_by(|a, b| a == b).map(<[_]>::len).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn an_outage_at_each_step_ends_where_it_struck_and_leaves_the_former_number() {
    let found = at_each_step(&scaling_from(1, 3, Runner::Hangs), Fault::Outage);
    assert!(found.len() >= 3);
    for (step, run) in found {
        assert_eq!(run.end.stage, Stage::Failed, "{step:?}");
        assert_eq!(run.world.wanted(), 1, "what was left behind after {step:?}");
        let code = run.end.failure.map(|failure| failure.code);
        let wanted = if run.end.after == Stage::Scaling { "NOT_SCALED" } else { "DEADLINE_PASSED" };
        assert_eq!(code.as_deref(), Some(wanted), "{step:?}");
    }
    let proven = at_each_step(&scaling_from(1, 3, Runner::Obeys), Fault::Outage).pop().expect("steps");
    assert_eq!(proven.1.end.stage, Stage::Verified, "what was proven stays proven");
}

#[test]
fn a_wish_to_cancel_at_each_step_is_granted_and_leaves_the_former_number() {
    for (step, run) in at_each_step(&scaling_from(1, 3, Runner::Obeys), Fault::WishToCancel) {
        assert_eq!(run.end.stage, Stage::Cancelled, "{step:?}");
        assert_eq!(run.world.wanted(), 1, "what was left behind after {step:?}");
        let mut lane = run.world.lane;
        (0..20).for_each(|_| lane.pass());
        assert_eq!(lane.count(State::Ready), 1, "the scheduler drains what is too many by now");
    }
}

#[test]
fn allocations_that_fail_or_hang_end_it_definitely_with_both_numbers() {
    let faults = [Cause::RunnerCrash, Cause::SecretMissing, Cause::OutOfMemory, Cause::NotReady].map(Runner::Fails);
    for runner in faults.into_iter().chain([Runner::Hangs]) {
        let end = run(scaling_from(1, 2, runner), Times::Twice, Fault::Nothing);
        let failure = end.end.failure.expect("it failed");
        assert_eq!((end.end.after, failure.code.as_str()), (Stage::Scaling, "NOT_SCALED"), "{runner:?}");
        assert_eq!(failure.expected.as_deref(), Some("2 ready"), "{runner:?}");
        assert!(failure.actual.is_some_and(|actual| actual.starts_with("1 ready")), "{runner:?}");
        assert_eq!((end.world.wanted(), end.world.lane.count(State::Ready)), (1, 1), "{runner:?}");
        assert!(!failure.route_changed);
    }
}

#[test]
fn another_scale_meanwhile_ends_this_one_and_keeps_its_own_number() {
    let rival = || environment::Event::Scaled { by: SECOND, replicas: Replicas(5) };
    let mut before = scaling_from(1, 2, Runner::Obeys);
    before.lane.environment.push(rival());
    let end = run(before, Times::Twice, Fault::Nothing);
    let failure = end.end.failure.expect("it failed");
    assert_eq!((end.end.after, failure.code.as_str()), (Stage::Requested, "STALE_REPLICAS"));
    assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("1"), Some("5")));
    let mut amid = scaling_from(1, 2, Runner::Obeys);
    for _ in 0..2 {
        let step = amid.next();
        assert!(amid.commit(&step));
    }
    amid.lane.environment.push(rival());
    let end = run(amid, Times::Twice, Fault::Nothing);
    assert_eq!(end.end.failure.map(|failure| failure.code).as_deref(), Some("STALE_REPLICAS"));
    assert_eq!((end.end.after, end.world.wanted()), (Stage::Scaling, 5));
}

fn verdicts(memory: &Memory) -> Vec<(String, Verdict)> {
    let environment = memory.lane.settings();
    let judged = judge(&memory.facts(&environment)).into_iter();
    judged.map(|one| (one.gate.kind, one.gate.verdict)).collect()
}

#[test]
fn without_an_owner_there_is_nothing_to_scale() {
    let mut nobody = scaling_from(1, 2, Runner::Obeys);
    nobody.lane.owner.owner = None;
    let end = run(nobody, Times::Once, Fault::Nothing);
    assert_eq!(end.end.failure.map(|failure| failure.code).as_deref(), Some("NO_OWNER"));
}

#[test]
fn allowing_horizontal_scale_while_required_runtime_services_are_missing() {
    let mut without = scaling_from(1, 2, Runner::Obeys);
    without.standings.remove(&Service::Broadcast);
    let end = run(without.clone(), Times::Twice, Fault::Nothing);
    let failure = end.end.failure.expect("it was refused");
    assert_eq!((end.end.after, failure.code.as_str()), (Stage::Requested, "RUNTIME_SERVICE_MISSING"));
    assert!(failure.message.contains("no broadcast backend is bound"), "{}", failure.message);
    assert_eq!((end.world.wanted(), end.world.lane.allocations.len()), (1, 1), "nothing was started");
    // The sin: a gate that asks only for what the artifact itself declares lets it through.
    let sin = |memory: &Memory| scale_readiness::judge(1, &memory.needs.services, &memory.standings).lacking();
    assert_eq!(sin(&without), None, "it is caught above");
}

#[test]
fn fewer_allocations_need_nothing_more() {
    let mut without = scaling_from(3, 1, Runner::Obeys);
    without.standings.clear();
    assert!(verdicts(&without).iter().all(|(_, verdict)| *verdict == Verdict::Pass));
}

#[test]
fn the_gates_are_shown_in_their_order() {
    let gates = verdicts(&scaling_from(1, 2, Runner::Obeys));
    assert_eq!(
        gates.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(),
        ["owner", "replicas", "scale_readiness"]
    );
}

#[test]
fn a_bad_end_gives_back_the_number_only_while_it_is_its_own() {
    let memory = scaling_from(1, 3, Runner::Obeys);
    let requested = fold::<Operation>(&memory.operation).requested.expect("it was requested");
    let given_back = |by, replicas| {
        let environment = Environment { scaled_by: by, replicas: Replicas(replicas), ..memory.lane.settings() };
        give_back(&requested, &memory.scale, &environment).is_some()
    };
    assert!(given_back(Some(THIRD), 3));
    for (by, replicas) in [(None, 1), (None, 3), (Some(SECOND), 3), (Some(SECOND), 1), (Some(THIRD), 2)] {
        assert!(!given_back(by, replicas), "{by:?} {replicas}");
    }
}

/// What runs with other variables serves nobody: the scheduler replaces it, and only then is the number reached.
#[test]
fn allocations_with_another_set_of_variables_are_not_counted() {
    let ended = |memory: Memory| {
        let run = run(memory, Times::Once, Fault::Nothing);
        (run.end.after, run.world.lane.all().len(), run.world.lane.count(State::Ready))
    };
    let own = scaling_from(2, 3, Runner::Obeys);
    let mut other = own.clone();
    other.lane.with_other_variables();
    assert_eq!(ended(own), (Stage::Scaling, 3, 3));
    assert_eq!(ended(other), (Stage::Scaling, 5, 3), "three were started, and none of the first two counted");
}

/// One ready allocation of two that are wanted, of which the scheduler counts none: its host is silent, an operation is about to
/// drain it, or another one stands in for it already.
fn uncounted() -> [(&'static str, Memory); 3] {
    let told = || scaling_from(1, 2, Runner::Obeys);
    let (mut silent, mut leaving, mut replaced) = (told(), told(), told());
    silent.lane.lost = vec![HOST_1];
    leaving.lane.leaving = vec![allocation(1)];
    let order = Planned { replaces: Some(allocation(1)), host: HOST_2, ..planned(allocation(2), BLUE, Epoch(0)) };
    replaced.lane.allocations.insert(allocation(2), vec![allocation::Event::Planned(order), ready(BLUE)]);
    [("silent", silent), ("leaving", leaving), ("replaced", replaced)]
}

/// What the scheduler does not count, a scale does not await: it would wait for what nobody brings about.
#[test]
fn a_scale_counts_exactly_what_the_scheduler_counts() {
    for (why, before) in uncounted() {
        let end = run(before, Times::Once, Fault::Nothing);
        assert_eq!(end.end.stage, Stage::Verified, "{why}: {:?}", end.end.failure);
        let proof = fold::<Operation>(&end.world.operation).evidence.allocations;
        let proven = proof.iter().map(|one| one.allocation).collect::<Vec<_>>();
        assert_eq!(proven, [allocation(2), allocation(3)], "{why}: what is not counted proves nothing");
        // The sin: whoever counts all that is the owner's and alive finds one too many, until the deadline.
        let lane = &end.world.lane;
        let its = |one: &&Allocation| one.is_alive() && one.planned.as_ref().is_some_and(|it| lane.owner.owns(it));
        assert_eq!(lane.all().iter().filter(its).count(), 3, "{why}: it is caught above");
    }
}
