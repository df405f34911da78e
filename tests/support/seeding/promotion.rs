//! What moves the traffic, step by step as the real process manager says, with a runner and an edge that do as they are told.

use super::life::{Lane, Life, fresh};
use crate::rules::{DRAIN, because, facts, reported};
use chrono::TimeDelta;
use rhone_domain::{
    actor::Writer,
    allocation::{self, Allocation, State},
    deployment::Deployment,
    edge_status::{EdgeStatus, Observation},
    gate::Facts,
    ids::{AllocationId, EnvironmentId, OperationId},
    migrations::Migrations,
    numbers::EnvSet,
    operation::{self, Evidence, Gate, Operation, Requested, RouteChange, Stage, Work},
    promotion::{self, Act, Step, World},
    provider_binding::ProviderBindings,
    route_owner,
    runtime_service_binding::RuntimeServices,
    variables::Variables,
};
use rhone_eventstore::Loaded;

/// An operation on its way, and what it has started.
struct Course<'a> {
    life: &'a Life,
    lane: &'a mut Lane,
    deployment: &'a Loaded<Deployment>,
    operation: Loaded<Operation>,
    allocations: Vec<Loaded<Allocation>>,
    writer: Writer,
}

impl Life {
    /// To its good end.
    pub(super) fn promote(&self, lane: &mut Lane, deployment: &Loaded<Deployment>) {
        self.move_route(lane, deployment, Writer::Promotion);
    }

    /// Back, and the pin released.
    pub(super) fn roll_back(&self, lane: &mut Lane, deployment: &Loaded<Deployment>) {
        self.move_route(lane, deployment, Writer::Rollback);
        let mut unit = self.unit(Writer::Api, lane.owner.stream.id());
        let release = route_owner::Command::ReleasePin { reason: because("the cause was found") };
        unit.decide(&mut lane.owner, release).expect("a rollback pins");
        self.commit(unit);
    }

    fn move_route(&self, lane: &mut Lane, deployment: &Loaded<Deployment>, writer: Writer) {
        let id: OperationId = self.door.clock().new_id();
        let mut operation = fresh::<Operation>(id.0);
        let mut unit = self.unit(Writer::Api, id.0);
        let requested = self.requested(id, lane, deployment, writer);
        unit.decide(&mut operation, operation::Command::Request(requested)).expect("a new operation");
        self.commit(unit);
        Course { life: self, lane, deployment, operation, allocations: Vec::new(), writer }.run();
    }

    fn requested(&self, id: OperationId, lane: &Lane, deployment: &Loaded<Deployment>, writer: Writer) -> Requested {
        let created = deployment.state.created.as_ref().expect("it was created");
        let change = RouteChange {
            app: created.app,
            environment: EnvironmentId(lane.owner.stream.id()),
            deployment: created.id,
            artifact: created.digest,
            env_set: EnvSet(0),
            expected_epoch: lane.owner.state.epoch,
            drain: DRAIN,
            requested_by: Some(self.owner),
            acknowledgements: Vec::new(),
        };
        let back = writer == Writer::Rollback;
        Requested {
            id,
            workspace: self.workspace,
            region: self.places.region,
            cell: Some(self.places.cell),
            reason: back.then(|| because("checkout fails")),
            deadline: self.door.clock().now() + TimeDelta::seconds(120),
            work: if back { Work::Rollback(change) } else { Work::Promotion(change) },
        }
    }
}

impl Course<'_> {
    fn run(mut self) {
        loop {
            match self.next() {
                Step::Enter(stage, evidence) => {
                    let mut unit = self.life.unit(self.writer, self.operation.stream.id());
                    let enter = operation::Command::Enter { stage, evidence };
                    unit.decide(&mut self.operation, enter).expect("the machine's own step");
                    self.life.commit(unit);
                }
                Step::Do(Act::Plan(planned)) => self.start(planned),
                Step::Do(Act::ChangeRoute(command, gates)) => self.change(command, gates),
                Step::Done => return,
                odd @ (Step::Fail(_) | Step::Cancel | Step::Wait(_)) => panic!("a seeded operation goes on: {odd:?}"),
            }
        }
    }

    fn next(&self) -> Step {
        let (providers, services, variables) = <(ProviderBindings, RuntimeServices, Variables)>::default();
        let (migrations, says) = (Migrations::default(), facts());
        let requested = self.operation.state.requested.as_ref().expect("it was requested");
        let states = self.allocations.iter().map(|one| one.state.clone()).collect::<Vec<_>>();
        let clock = self.life.door.clock();
        promotion::next(&World {
            now: clock.now(),
            operation: &self.operation.state,
            facts: Facts {
                requested,
                change: requested.work.route_change().expect("it changes a route"),
                owner: &self.lane.owner.state,
                deployment: &self.deployment.state,
                environment: &self.lane.environment.state,
                migrations: &migrations,
                next: Some(&says),
                present: Some(&says),
                providers: &providers,
                services: &services,
                variables: &variables,
                allocations: &states,
            },
            hosts: &[self.life.places.host],
            edges: &[self.seen()],
            left: &[],
            new_allocation: clock.new_id(),
        })
    }

    /// What the edge has seen of the route as it stands.
    fn seen(&self) -> EdgeStatus {
        let (owner, now) = (&self.lane.owner.state, self.life.door.clock().now());
        let seen = owner.owner.as_ref().map(|present| Observation {
            environment: EnvironmentId(self.lane.owner.stream.id()),
            epoch: owner.epoch,
            deployment: present.deployment,
            allocation: self.allocations.last().map(|one| AllocationId(one.stream.id())),
            digest: Some(present.artifact),
            status: Some(200),
            elsewhere: None,
            at: now,
        });
        reported(0, seen.into_iter().collect(), now)
    }

    /// The allocation is planned, and its runner reports until it is ready.
    fn start(&mut self, planned: allocation::Planned) {
        let digest = planned.artifact;
        let mut one = fresh::<Allocation>(planned.id.0);
        let mut unit = self.life.unit(self.writer, self.operation.stream.id());
        unit.decide(&mut one, allocation::Command::Plan(planned)).expect("a new allocation");
        self.life.commit(unit);
        let address = "127.0.0.1:7000".to_owned();
        for report in [
            allocation::Command::ReportPulling,
            allocation::Command::ReportStarting { digest },
            allocation::Command::ReportReady { digest, address },
        ] {
            self.report(&mut one, Writer::Runner, report);
        }
        self.allocations.push(one);
    }

    /// The route and the operation, in one append; then the former owner's allocation goes.
    fn change(&mut self, command: route_owner::Command, gates: Vec<Gate>) {
        let mut unit = self.life.unit(self.writer, self.operation.stream.id());
        unit.decide(&mut self.lane.owner, command).expect("the gates were open");
        let evidence = Evidence { epoch: Some(self.lane.owner.state.epoch), gates, ..Evidence::default() };
        for (stage, evidence) in [(Stage::RouteCas, evidence), (Stage::EdgePropagating, Evidence::default())] {
            unit.decide(&mut self.operation, operation::Command::Enter { stage, evidence })
                .expect("the machine's step");
        }
        self.life.commit(unit);
        let now_serving = self.allocations.last().cloned();
        if let Some(mut former) = std::mem::replace(&mut self.lane.serving, now_serving) {
            let drain = allocation::Command::Drain { reason: "it owns nothing any more".into(), deadline: None };
            self.report(&mut former, Writer::Scheduler, drain);
            let stopped = allocation::Command::ReportStopped { sessions_ended: 0 };
            self.report(&mut former, Writer::Runner, stopped);
            debug_assert_eq!(former.state.state, Some(State::Stopped));
        }
    }

    fn report(&self, one: &mut Loaded<Allocation>, writer: Writer, command: allocation::Command) {
        let mut unit = self.life.unit(writer, one.stream.id());
        unit.decide(one, command).expect("the next thing in its life");
        self.life.commit(unit);
    }
}
