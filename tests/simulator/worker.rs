//! A worker that may be lost at any line: it claims, reads its world, decides, and appends what it decided at some later time,
//! perhaps twice, perhaps under a lease it no longer holds. What it decides is the real process manager's.

use crate::{
    bindings::{self, Lanes, Turn, needs},
    deploys::{self, Attempt},
    sins::{Sin, Sinful, committed, deployment_as_seen},
    world::{DEPLOYMENTS, HOSTS, World, lease},
};
use rhone_domain::{
    actor::Writer,
    allocation::{self, Allocation, State},
    deployment::Deployment,
    edge_status::EdgeStatus,
    envelope::StreamId,
    gate::rests_on,
    ids::{AllocationId, OperationId},
    migrations::Migrations,
    numbers::{Epoch, Fence, Version},
    operation::{self, Evidence, Kind, Operation, RouteChange, Stage, Work},
    route_owner::RouteOwner,
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, Unit};
use rhone_tests::rules::{Look, Move, at, bytes, change_of, next, number, validated};

/// One worker.
pub(crate) struct Worker {
    n: usize,
    task: Option<(OperationId, Fence)>,
    decided: Option<Decided>,
}

/// What is to be done next, of which kind of operation.
pub(crate) enum Decided {
    Change(Box<Change>),
    Deploy(Box<deploys::Decided>),
    /// A probe is on its way.
    Asked(Box<bindings::Asked>),
    Binding(Box<bindings::Decided>),
}

/// What was read of a change of owner, and what is to be done about it.
#[derive(Clone)]
pub(crate) struct Change {
    operation: Loaded<Sinful<Operation>>,
    owner: Loaded<Sinful<RouteOwner>>,
    lanes: Lanes,
    ready: Option<Loaded<Sinful<Allocation>>>,
    step: Move,
}

impl Change {
    /// Whether it changes the route to what needs something outside its process.
    fn rests_on_bindings(&self) -> bool {
        let requested = self.operation.state.0.requested.as_ref();
        let needy =
            requested.and_then(|requested| requested.work.deployment()).is_some_and(|id| !needs(number(id)).is_empty());
        needy && matches!(self.step, Move::ChangeRoute(_))
    }
}

impl Worker {
    pub(crate) fn new(n: usize) -> Self {
        Self { n, task: None, decided: None }
    }

    /// One thing, whatever comes next.
    pub(crate) fn act(&mut self, world: &mut World) {
        // What takes longest is interrupted most often.
        let away = matches!(self.decided, Some(Decided::Deploy(_) | Decided::Asked(_)));
        if !world.is_calm() && world.dice.once_in(if away { 12 } else { 40 }) {
            // It dies, or is only paused and says later what it wanted to say; its lease runs out.
            let paused = self.decided.take().filter(|decided| !matches!(decided, Decided::Change(_)));
            if let (Some(decided), Some((id, fence))) = (paused, self.task) {
                world.paused.push(((self.n, id, fence), decided));
            }
            *self = Self::new(self.n);
            return;
        }
        let Some((id, fence)) = self.task else {
            self.task = world.claim(self.n);
            return;
        };
        match self.decided.take() {
            None => {
                self.hold(world, id, fence);
                self.decide(world, id);
            }
            Some(Decided::Asked(asked)) => {
                self.hold(world, id, fence);
                let turn = bindings::hear(world, asked);
                self.go_on(turn);
            }
            // Between judging what is attached and changing the route it is slow, and what it judged may not be so any more.
            Some(Decided::Change(change))
                if change.rests_on_bindings() && !world.is_calm() && !world.dice.once_in(8) =>
            {
                self.hold(world, id, fence);
                self.decided = Some(Decided::Change(change));
            }
            Some(Decided::Change(change)) => self.append(world, id, fence, &change),
            Some(Decided::Deploy(decided)) => {
                if deploys::append(world, (self.n, id, fence), &decided).is_break() {
                    *self = Self::new(self.n);
                }
            }
            Some(Decided::Binding(decided)) => {
                if bindings::append(world, (self.n, id, fence), &decided).is_break() {
                    *self = Self::new(self.n);
                }
            }
        }
    }

    /// Renews the lease, mostly.
    fn hold(&self, world: &mut World, id: OperationId, fence: Fence) {
        if world.is_calm() || !world.dice.once_in(4) {
            world.renew(self.n, id, fence);
        }
    }

    fn go_on(&mut self, turn: Turn) {
        match turn {
            Turn::Asked(asked) => self.decided = Some(Decided::Asked(asked)),
            Turn::Decided(decided) => self.decided = Some(Decided::Binding(decided)),
            Turn::Waits => {}
            Turn::Ended => self.task = None,
        }
    }

    fn decide(&mut self, world: &mut World, id: OperationId) {
        let operation = world.load::<Operation>(id.0);
        match operation.state.0.requested.as_ref().map(|requested| requested.work.clone()) {
            Some(Work::Deploy(deploy)) => match deploys::decide(world, operation, &deploy) {
                Some(decided) => self.decided = Some(Decided::Deploy(Box::new(decided))),
                None => self.task = None,
            },
            Some(Work::ProviderBinding(work) | Work::RuntimeServiceBinding(work)) => {
                let turn = bindings::decide(world, operation, &work);
                self.go_on(turn);
            }
            _ => self.decide_on_a_change(world, operation),
        }
    }

    fn decide_on_a_change(&mut self, world: &mut World, operation: Loaded<Sinful<Operation>>) {
        let Some((environment, deployment, expected)) = change_of(&operation.state.0) else { return };
        let Some(requested) = operation.state.0.requested.clone() else { return };
        let Some(change) = requested.work.route_change() else { return };
        let n = number(deployment);
        let owner = world.load::<RouteOwner>(environment.0);
        let lanes = Lanes::load(world, environment);
        let allocations = counted(world, change);
        let edges = edges(world, environment, deployment, expected, n);
        let now = if committed(Sin::DeadlineIgnored) { at(0) } else { at(world.seconds) };
        let step = next(&Look {
            now,
            operation: &operation.state.0,
            owner: &seen(&owner.state.0, expected, n),
            deployment: &deployment_as_seen(deployment_of(world, n), n),
            allocations: &allocations,
            hosts: HOSTS,
            edges: &edges,
            migrations: &Migrations::default(),
            attached: &lanes.as_seen(n),
            new_allocation: world.door.clock().new_id(),
        });
        match step {
            Move::Done => self.task = None,
            Move::Wait(_) => {}
            step => {
                let ready = allocations.iter().find(|one| rests_on(one, &requested, &owner.state.0));
                let ready = ready.and_then(|one| Some(world.load::<Allocation>(one.planned.as_ref()?.id.0)));
                self.decided = Some(Decided::Change(Box::new(Change { operation, owner, lanes, ready, step })));
            }
        }
    }

    fn append(&mut self, world: &mut World, id: OperationId, fence: Fence, decided: &Change) {
        let check = FenceCheck { lease: lease(id), fence };
        let times = if !world.is_calm() && world.dice.once_in(6) { 2 } else { 1 };
        for _ in 0..times {
            let Some(unit) = self.carry_out(world, id, decided.clone()) else { return };
            world.storm();
            if let Err(AppendError::StaleFence { .. }) = world.commit(unit, None, Some(check.clone())) {
                record_late(world, (self.n, id, fence), &format!("{:?}", decided.step));
                *self = Self::new(self.n);
                return;
            }
        }
    }

    /// What a step means, as one unit: what it asserts is what `workers/src/promotion.rs` asserts.
    fn carry_out(&self, world: &World, id: OperationId, decided: Change) -> Option<Unit> {
        let Change { mut operation, mut owner, lanes, ready, step } = decided;
        let kind = operation.state.0.requested.as_ref()?.kind();
        let writer = if kind == Kind::Rollback { Writer::Rollback } else { Writer::Promotion };
        let mut unit = world.unit(writer, self.n, id.into(), None);
        let entered = |stage, evidence| operation::Command::Enter { stage, evidence };
        let decided = match step {
            Move::Enter(stage, evidence) => {
                unit.assert(&owner);
                lanes.assert(&mut unit);
                unit.decide(&mut operation, entered(stage, evidence)).map(drop).is_ok()
            }
            Move::Plan(planned) => {
                unit.assert(&operation);
                unit.decide(&mut fresh(planned.id), allocation::Command::Plan(planned)).is_ok()
            }
            Move::ChangeRoute(command) => {
                lanes.assert(&mut unit);
                if let Some(ready) = &ready {
                    unit.assert(ready);
                }
                unit.decide(&mut owner, command).is_ok() && {
                    let evidence = Evidence { epoch: Some(owner.state.0.epoch), ..Evidence::default() };
                    unit.decide(&mut operation, entered(Stage::RouteCas, evidence)).is_ok()
                        && unit.decide(&mut operation, entered(Stage::EdgePropagating, Evidence::default())).is_ok()
                }
            }
            Move::Fail(failure) => unit.decide(&mut operation, operation::Command::Fail(failure)).is_ok(),
            Move::Cancel => unit.decide(&mut operation, operation::Command::Cancel).is_ok(),
            Move::Wait(_) | Move::Done => false,
        };
        decided.then_some(unit)
    }
}

/// Whoever was paused says what it wanted to say; mostly somebody else has its lease by then. What it still waits for it goes on
/// waiting for.
pub(crate) fn resume(world: &mut World, attempt: Attempt, decided: Decided) {
    let _it_ends_there = match decided {
        Decided::Deploy(decided) => deploys::append(world, attempt, &decided),
        Decided::Binding(decided) => bindings::append(world, attempt, &decided),
        Decided::Asked(asked) => match bindings::hear(world, asked) {
            Turn::Asked(asked) => {
                world.paused.push((attempt, Decided::Asked(asked)));
                return;
            }
            Turn::Decided(decided) => bindings::append(world, attempt, &decided),
            Turn::Waits | Turn::Ended => return,
        },
        Decided::Change(_) => return,
    };
}

/// What a worker wanted to append that had lost its lease: unfenced, and it changes nothing.
pub(crate) fn record_late(world: &World, (n, id, attempt): (usize, OperationId, Fence), step: &str) {
    let mut loaded = world.load::<Operation>(id.0);
    let mut unit = world.unit(Writer::System, n, id.into(), None);
    let report = step.chars().take(40).collect();
    if unit.decide(&mut loaded, operation::Command::RecordLateReport { attempt, report }).is_ok() {
        let _refused = world.commit(unit, None, None);
    }
}

/// The nth deployment as it is: the last of the first ones was created and never validated.
fn deployment_of(world: &World, n: usize) -> Deployment {
    if n >= DEPLOYMENTS {
        return world.load::<Deployment>(rhone_tests::rules::deployment(n).0).state.0;
    }
    let mut deployment = validated(n, bytes(n));
    if n == DEPLOYMENTS - 1 {
        deployment.validated = None;
    }
    deployment
}

/// The allocations of a deployment as the process manager sees them: with the sins of whoever counts them.
fn counted(world: &World, change: &RouteChange) -> Vec<Allocation> {
    let of_deployment = |one: &Allocation| {
        let planned = one.planned.as_ref();
        let here = committed(Sin::PreviewAllocationCounts)
            || planned.is_some_and(|planned| planned.environment == change.environment);
        here && planned.is_some_and(|planned| planned.deployment == change.deployment)
    };
    let mut allocations = world.allocations(of_deployment);
    if committed(Sin::PreviewAllocationCounts) {
        for planned in allocations.iter_mut().filter_map(|one| one.planned.as_mut()) {
            planned.environment = change.environment;
        }
    }
    if committed(Sin::UnreadyAllocationCounts) {
        for one in &mut allocations {
            one.state = one.state.map(|state| if state.is_final() { state } else { State::Ready });
            one.verified = Some(change.artifact);
        }
    }
    if committed(Sin::SetIgnored) {
        for planned in allocations.iter_mut().filter_map(|one| one.planned.as_mut()) {
            planned.env_set = change.env_set;
        }
    }
    allocations
}

fn fresh(id: AllocationId) -> Loaded<Sinful<Allocation>> {
    let stream = StreamId::new("allocation", id.0);
    Loaded { stream, version: Version(0), state: Sinful::default(), last_event: None }
}

/// The route as the gates see it: with the sins of whoever judges it.
fn seen(owner: &RouteOwner, expected: Epoch, n: usize) -> RouteOwner {
    let mut seen = owner.clone();
    if committed(Sin::NoCompareAndSwap) && seen.lane().is_some() {
        seen.epoch = expected;
    }
    if committed(Sin::RollbackToStranger) {
        seen.former.insert(rhone_tests::rules::deployment(n), rhone_tests::rules::owner(n));
    }
    if committed(Sin::PinIgnored) {
        seen.pin = None;
    }
    if committed(Sin::FreezeIgnored) {
        seen.frozen = None;
    }
    if committed(Sin::QuarantineIgnored) {
        seen.quarantined.clear();
    }
    seen
}

fn edges(
    world: &World,
    environment: rhone_domain::ids::EnvironmentId,
    deployment: rhone_domain::ids::DeploymentId,
    expected: Epoch,
    n: usize,
) -> Vec<EdgeStatus> {
    let mut edges = world.edges.iter().map(|edge| edge.status(world.seconds)).collect::<Vec<_>>();
    if committed(Sin::HealthyWithoutProof) {
        for edge in &mut edges {
            edge.observations = vec![rhone_domain::edge_status::Observation {
                environment,
                epoch: expected.next(),
                deployment,
                allocation: None,
                digest: Some(bytes(n)),
                status: Some(200),
                elsewhere: None,
                at: at(world.seconds),
            }];
        }
    }
    edges
}
