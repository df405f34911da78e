//! Whole enablements, in memory, with the real scheduler beside: each succeeds, with every step twice and lost, and ends
//! definitely with a fault at each step; the proof is let go however it ends, and the owner's own allocations never notice.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    artifact_facts::ArtifactFacts,
    cell::Cell,
    environment::Environment,
    operation::{self, Work},
    region::{self, Region},
    runs::{
        Fault, Play, Times, at_each_step,
        lane::{Lane, Runner},
        run, succeeds,
    },
    story::{
        ACME, BERGEN, BLUE, FJORD, GREEN, HOST_2, LYON, PRODUCTION, SHOP, THIRD, allocation, at, name, owner,
        promotable, slug,
    },
};

const DEADLINE_AT: i64 = 60;

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    lane: Lane,
    wanted: Enablement,
    hosts: Vec<HostId>,
    operation: Vec<operation::Event>,
}

pub(crate) fn enabling(runner: Runner) -> Memory {
    let topology = Some(DataTopology::Nothing);
    let wanted = Enablement { app: SHOP, environment: PRODUCTION, region: BERGEN, cell: FJORD, topology };
    let requested = Requested {
        id: THIRD,
        workspace: ACME,
        region: BERGEN,
        cell: Some(FJORD),
        reason: None,
        deadline: at(DEADLINE_AT),
        work: Work::RegionEnablement(wanted),
    };
    Memory {
        lane: Lane::with(1, runner),
        wanted,
        hosts: vec![HOST_2],
        operation: vec![operation::Event::Requested(requested)],
    }
}

impl Memory {
    fn of_place(&self, region: RegionId) -> Vec<Allocation> {
        let there = |one: &Allocation| one.planned.as_ref().is_some_and(|planned| planned.region == region);
        self.lane.all().into_iter().filter(there).collect()
    }

    fn proofs(&self) -> Vec<Allocation> {
        let proves = |one: &Allocation| one.planned.as_ref().is_some_and(|planned| planned.proves == Some(THIRD));
        self.lane.all().into_iter().filter(proves).collect()
    }

    fn enabled(&self) -> bool {
        self.lane.settings().regions.contains_key(&BERGEN)
    }

    fn let_go(&mut self, ids: Vec<AllocationId>) {
        for id in ids {
            self.lane.drain(id, at(self.lane.now)).expect("what is alive can be let go");
        }
    }

    fn judge(&self, command: operation::Command) -> Option<Vec<operation::Event>> {
        fold::<Operation>(&self.operation).decide(command).ok()
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        match step.clone() {
            Step::Enter(stage, evidence) => {
                self.operation.extend(self.judge(operation::Command::Enter { stage, evidence })?);
            }
            Step::Do(Act::Plan(order)) => {
                let known = self.lane.allocations.get(&order.id).map(fold::<Allocation>).unwrap_or_default();
                let events = known.decide(allocation::Command::Plan(order.clone())).ok()?;
                self.lane.allocations.entry(order.id).or_default().extend(events);
            }
            Step::Do(Act::Drain(id)) => self.let_go(vec![id]),
            Step::Do(Act::Enable(command, id, evidence)) => {
                let ended = self.judge(operation::Command::Enter { stage: Stage::Eligible, evidence })?;
                let enabled = self.lane.scale(command)?;
                self.operation.extend(ended);
                self.lane.environment.extend(enabled);
                self.let_go(vec![id]);
            }
            Step::Fail(failure) => {
                self.operation.extend(self.judge(operation::Command::Fail(failure))?);
                self.let_go(leftover(&self.proofs()));
            }
            Step::Cancel => {
                self.operation.extend(self.judge(operation::Command::Cancel)?);
                self.let_go(leftover(&self.proofs()));
            }
            Step::Wait(_) | Step::Done => return None,
        }
        Some(())
    }

    fn afterwards(mut self) -> Self {
        (0..20).for_each(|_| self.pass());
        self
    }
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let region = region::Created { id: BERGEN, slug: slug("bergen"), name: name("Bergen") };
        let region: Region = fold(&[region::Event::Created(region)]);
        let cell = crate::cell::Created { id: FJORD, region: BERGEN, slug: slug("fjord") };
        let cell: Cell = fold(&[crate::cell::Event::Created(cell)]);
        let environment: Environment = self.lane.settings();
        next(&World {
            now: self.lane.at(),
            operation: &fold(&self.operation),
            facts: Facts {
                wanted: &self.wanted,
                environment: &environment,
                owner: &self.lane.owner,
                artifact: Some(&ArtifactFacts::default()),
                providers: &crate::provider_binding::ProviderBindings::default(),
                services: &crate::runtime_service_binding::RuntimeServices::default(),
                variables: &crate::variables::Variables::default(),
                region: &region,
                cell: &cell,
            },
            deployment: &promotable(self.lane.owner.owner.as_ref().map_or(BLUE, |owner| owner.deployment)),
            proofs: &self.proofs(),
            hosts: &self.hosts,
            new_allocation: allocation(100 + self.lane.allocations.len() as u128),
        })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        let ended = fold::<Operation>(&self.operation).stage.is_some_and(Stage::is_final);
        self.lane.proving = if ended { vec![] } else { vec![THIRD] };
        self.lane.pass();
    }

    fn outlast(&mut self) {
        self.lane.now = DEADLINE_AT;
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
        let running = self.clone().afterwards().proofs().iter().filter(|one| one.is_alive()).count();
        format!("{}, {running} running", if self.enabled() { "enabled" } else { "not enabled" })
    }
}

/// Whether nothing of the proof is left, and the owner is as it was.
fn left_behind(world: Memory) -> (usize, usize, usize) {
    let fewest = world.lane.fewest_ready();
    let world = world.afterwards();
    (world.proofs().iter().filter(|one| one.is_alive()).count(), world.of_place(LYON).len(), fewest)
}

#[test]
fn the_owners_exact_bytes_answer_in_the_region_and_are_let_go() {
    let plain = succeeds(&enabling(Runner::Obeys), Stage::Eligible);
    assert!(plain.world.enabled());
    let operation = fold::<Operation>(&plain.world.operation);
    assert_eq!(operation.evidence.digest, Some(owner(BLUE).artifact));
    assert_eq!(operation.evidence.allocations.len(), 1);
    assert!(operation.evidence.gates.iter().any(|gate| gate.kind == "data_topology"));
    for stage in [Stage::Provisioning, Stage::ReplicatingArtifacts] {
        let entered = plain.steps.iter().find_map(|step| {
            if let Step::Enter(to, evidence) = step { (*to == stage).then_some(&evidence.gates) } else { None }
        });
        assert_eq!(entered, Some(&operation.evidence.gates), "{stage}: what it was judged on");
    }
    let Some(Step::Do(Act::Enable(_, _, last))) = plain.steps.last() else { panic!("{:?}", plain.steps) };
    assert_eq!(last.gates, operation.evidence.gates, "judged once more in the append that enables it");
    let proof = plain.world.proofs()[0].planned.clone().expect("it was planned");
    assert_eq!((proof.region, proof.cell, proof.host, proof.proves), (BERGEN, FJORD, HOST_2, Some(THIRD)));
    assert_eq!((proof.deployment, proof.artifact), (BLUE, owner(BLUE).artifact));
    assert_eq!(left_behind(plain.world), (0, 1, 1));
}

#[test]
fn an_outage_or_a_wish_to_cancel_at_each_step_enables_nothing_and_leaves_nothing_running() {
    for (step, run) in at_each_step(&enabling(Runner::Hangs), Fault::Outage) {
        assert_eq!(run.end.stage, Stage::Failed, "{step:?}");
        assert!(!run.world.enabled(), "{step:?}");
        assert_eq!(left_behind(run.world), (0, 1, 1), "{step:?}");
    }
    for (step, run) in at_each_step(&enabling(Runner::Obeys), Fault::WishToCancel) {
        assert_eq!(run.end.stage, Stage::Cancelled, "{step:?}");
        assert!(!run.world.enabled(), "{step:?}");
        assert_eq!(left_behind(run.world), (0, 1, 1), "{step:?}");
    }
}

#[test]
fn bytes_that_do_not_come_or_do_not_run_end_it_definitely() {
    let cases = [
        (Runner::Fails(Cause::ArtifactRefused), "ARTIFACT_ABSENT", 2),
        (Runner::Fails(Cause::RunnerCrash), "ALLOCATION_FAILED", 2),
        (Runner::Hangs, "ALLOCATION_NOT_READY", 1),
    ];
    for (runner, code, tries) in cases {
        let end = run(enabling(runner), Times::Twice, Fault::Nothing);
        assert_eq!(end.end.failure.map(|failure| failure.code).as_deref(), Some(code));
        assert_eq!((end.end.after, end.world.proofs().len()), (Stage::ReplicatingArtifacts, tries));
        assert!(!end.world.enabled());
        assert_eq!(left_behind(end.world), (0, 1, 1), "{runner:?}");
    }
}

#[test]
fn without_a_host_that_takes_an_allocation_it_ends_with_the_deadline() {
    let mut bare = enabling(Runner::Obeys);
    bare.hosts.clear();
    let end = run(bare, Times::Twice, Fault::Nothing);
    assert_eq!(end.end.failure.map(|failure| failure.code).as_deref(), Some("NO_HOST"));
    assert_eq!(end.end.after, Stage::Provisioning);
}

#[test]
fn what_proves_a_former_owner_is_let_go_and_the_present_one_is_proven() {
    let mut world = enabling(Runner::Obeys);
    while world.proofs().is_empty() {
        let step = world.next();
        assert!(world.commit(&step), "{step:?}");
    }
    world.lane.owner.owner = Some(owner(GREEN));
    let stale = world.proofs()[0].planned.as_ref().map(|planned| planned.id).expect("it was planned");
    assert_eq!(world.next(), Step::Do(Act::Drain(stale)));
    let step = world.next();
    assert!(world.commit(&step));
    let Step::Do(Act::Plan(order)) = world.next() else { panic!("GREEN is brought there: {:?}", world.next()) };
    assert_eq!((order.deployment, order.artifact), (GREEN, owner(GREEN).artifact));
}

/// The work stands beside the other words of its request: a word that both have would be read as either.
#[test]
fn a_request_is_read_back_as_it_was_written() {
    let requested = enabling(Runner::Obeys).operation.remove(0);
    let text = serde_json::to_string(&requested).expect("it can be written");
    assert_eq!(serde_json::from_str::<operation::Event>(&text).expect("it can be read"), requested, "{text}");
}
