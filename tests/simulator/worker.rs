//! A worker that may be lost at any line: it claims, reads its world, decides, and appends what it decided at some later time,
//! perhaps twice, perhaps under a lease it no longer holds. What it decides is the real process manager's.

mod seen;

use crate::{
    bindings::{self, Lanes, Turn, needs},
    deploys::{self, Attempt},
    faults::{Fault, Moment},
    fleet::order,
    kinds::{self, Told},
    sins::{Sin, Sinful, committed, deployment_as_seen},
    world::{World, lease},
};
use rhone_domain::{
    actor::Writer,
    allocation::Allocation,
    deployment::Deployment,
    envelope::StreamId,
    environment::Environment,
    gate::rests_on,
    host::Host,
    ids::{AllocationId, OperationId},
    migrations::Migrations,
    numbers::{Fence, Version},
    operation::{self, Evidence, Kind, Operation, Stage, Work},
    route_owner::RouteOwner,
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, Unit};
use rhone_tests::rules::{Look, Move, at, change_of, next, number};
use seen::{acknowledged, counted, edges, seen};
use std::ops::ControlFlow;

/// One worker.
pub(crate) struct Worker {
    n: usize,
    task: Option<(OperationId, Fence)>,
    decided: Option<(Moment, Decided)>,
}

/// What is to be done next, of which kind of operation.
pub(crate) enum Decided {
    Change(Box<Change>),
    Deploy(Box<deploys::Decided>),
    /// A probe is on its way.
    Asked(Box<bindings::Asked>),
    Binding(Box<bindings::Decided>),
    Told(Box<Told>),
}

/// What was read of a change of owner, and what is to be done about it.
#[derive(Clone)]
pub(crate) struct Change {
    operation: Loaded<Sinful<Operation>>,
    owner: Loaded<Sinful<RouteOwner>>,
    lanes: Lanes,
    environment: Loaded<Sinful<Environment>>,
    migrations: Loaded<Sinful<Migrations>>,
    ready: Vec<Loaded<Sinful<Allocation>>>,
    /// Where something is to be started.
    host: Option<Loaded<Sinful<Host>>>,
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
        // What takes longest is interrupted most often, and what the life is about.
        let away = matches!(self.decided, Some((_, Decided::Deploy(_) | Decided::Asked(_))));
        let meant = self.decided.as_ref().is_some_and(|(moment, _)| world.is_about(moment.kind));
        let seldom = if meant { 8 } else { 24 };
        if !world.is_calm() && world.dice.once_in(if away { 12 } else { seldom }) {
            return self.stop(world);
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
            Some((moment, Decided::Asked(asked))) => {
                self.hold(world, id, fence);
                let turn = bindings::hear(world, asked);
                self.go_on(moment, turn);
            }
            // Between judging what is attached and changing the route it is slow, and what it judged may not be so any more.
            Some((moment, Decided::Change(change)))
                if change.rests_on_bindings() && !world.is_calm() && !world.dice.once_in(8) =>
            {
                self.hold(world, id, fence);
                self.decided = Some((moment, Decided::Change(change)));
            }
            // So it is between judging what several allocations share and wanting them.
            Some((moment, Decided::Told(told)))
                if (moment.kind, moment.stage) == (Kind::Scale, Stage::PolicyCheck)
                    && !world.is_calm()
                    && !world.dice.once_in(8) =>
            {
                self.hold(world, id, fence);
                self.decided = Some((moment, Decided::Told(told)));
            }
            Some((moment, decided)) => {
                if append(world, (self.n, id, fence), moment, &decided).is_break() {
                    *self = Self::new(self.n);
                }
            }
        }
    }

    /// It dies, or is only paused and says later what it wanted to say; its lease runs out.
    fn stop(&mut self, world: &mut World) {
        let pauses = matches!(self.decided, Some((_, Decided::Asked(_)))) || !world.dice.once_in(3);
        match (self.task, self.decided.take()) {
            (Some((id, fence)), Some((moment, decided))) if pauses => {
                // It may be away for longer than its lease lasts.
                if world.is_about(moment.kind) && world.dice.once_in(2) {
                    world.release(self.n, id);
                }
                world.paused.push(((self.n, id, fence), moment, decided));
            }
            (Some((id, _)), _) => world.saw_at(id, Fault::Crash),
            (None, _) => {}
        }
        *self = Self::new(self.n);
    }

    /// Renews the lease, mostly.
    fn hold(&self, world: &mut World, id: OperationId, fence: Fence) {
        if world.is_calm() || !world.dice.once_in(4) {
            world.renew(self.n, id, fence);
        }
    }

    fn go_on(&mut self, moment: Moment, turn: Turn) {
        match turn {
            Turn::Asked(asked) => self.decided = Some((moment, Decided::Asked(asked))),
            Turn::Decided(decided) => self.decided = Some((moment, Decided::Binding(decided))),
            Turn::Waits => {}
            Turn::Ended => self.task = None,
        }
    }

    fn decide(&mut self, world: &mut World, id: OperationId) {
        let operation = world.load::<Operation>(id.0);
        let Some(moment) = Moment::of(&operation, world.seconds) else { return self.task = None };
        match operation.state.0.requested.as_ref().map(|requested| requested.work.clone()) {
            Some(Work::Deploy(deploy)) => match deploys::decide(world, operation, &deploy) {
                Some(decided) => self.decided = Some((moment, Decided::Deploy(Box::new(decided)))),
                None => self.task = None,
            },
            Some(Work::ProviderBinding(work) | Work::RuntimeServiceBinding(work)) => {
                let turn = bindings::decide(world, operation, &work);
                self.go_on(moment, turn);
            }
            Some(Work::Promotion(_) | Work::Rollback(_) | Work::RegionFailover(_)) => {
                self.decide_on_a_change(world, moment, operation);
            }
            _ => match kinds::decide(world, operation) {
                kinds::Turn::Told(told) => self.decided = Some((moment, Decided::Told(told))),
                kinds::Turn::Waits => self.wait(world, id),
                kinds::Turn::Ended => self.task = None,
            },
        }
    }

    /// Whoever only waits lets others go first now and then.
    fn wait(&mut self, world: &mut World, id: OperationId) {
        if world.dice.once_in(2) {
            world.release(self.n, id);
            self.task = None;
        }
    }

    fn decide_on_a_change(&mut self, world: &mut World, moment: Moment, operation: Loaded<Sinful<Operation>>) {
        let Some((environment, deployment, expected)) = change_of(&operation.state.0) else { return };
        let Some(requested) = operation.state.0.requested.clone() else { return };
        let Some(change) = requested.work.route_change() else { return };
        let n = number(deployment);
        let owner = world.load::<RouteOwner>(environment.0);
        let (settings, migrations) =
            (world.load::<Environment>(environment.0), world.load::<Migrations>(environment.0));
        let lanes = Lanes::load(world, environment);
        let allocations = counted(world, &requested.work, change);
        let edges = edges(world, &requested, (environment, deployment, expected), n);
        let left = requested.work.failover().map(|failover| failover.from.region);
        let left = left.filter(|_| !committed(Sin::FormerEdgesForgotten)).map(|region| world.statuses(Some(region)));
        let now = if committed(Sin::DeadlineIgnored) { at(0) } else { at(world.seconds) };
        let mut attached = lanes.as_seen(n);
        attached.declared = world.declared(n);
        attached.present =
            owner.state.0.owner.as_ref().map_or_else(Vec::new, |of| world.declared(number(of.deployment)));
        attached.environment = settings.state.0.clone();
        let mut ran = migrations.state.0.clone();
        if committed(Sin::DatabaseForgotten) {
            (attached.declared, attached.present, ran) = (vec![], vec![], Migrations::default());
        }
        let asked = acknowledged(world, &operation.state.0);
        let step = next(&Look {
            now,
            operation: &asked,
            owner: &seen(&owner.state.0, expected, n),
            deployment: &deployment_as_seen(deployment_of(world, n), n),
            allocations: &allocations,
            hosts: &requested.cell.map_or_else(Vec::new, |cell| world.takers(cell)),
            edges: &edges,
            left: &left.unwrap_or_default(),
            migrations: &ran,
            attached: &attached,
            new_allocation: world.door.clock().new_id(),
        });
        match step {
            Move::Done => self.task = None,
            Move::Wait(_) => self.wait(world, requested.id),
            step => {
                let host = if let Move::Plan(planned) = &step { Some(world.load(planned.host.0)) } else { None };
                let ready = allocations.iter().filter(|one| rests_on(one, &requested, &owner.state.0));
                let ready = ready.take(settings.state.0.replicas.0.into()).filter_map(|one| one.planned.as_ref());
                let ready = ready.map(|planned| world.load::<Allocation>(planned.id.0)).collect();
                let change = Change { operation, owner, lanes, environment: settings, migrations, ready, host, step };
                self.decided = Some((moment, Decided::Change(Box::new(change))));
            }
        }
    }
}

impl Change {
    /// What a step means, as one unit: what it asserts is what `workers/src/promotion.rs` asserts.
    fn carry_out(self, world: &World, n: usize, id: OperationId) -> Option<Unit> {
        let Self { mut operation, mut owner, lanes, environment, migrations, ready, host, step } = self;
        let kind = operation.state.0.requested.as_ref()?.kind();
        let writer = if kind == Kind::Rollback { Writer::Rollback } else { Writer::Promotion };
        let mut unit = world.unit(writer, n, id.into(), None);
        let judged = |unit: &mut Unit| {
            lanes.assert(unit);
            unit.assert(&environment);
            unit.assert(&migrations);
        };
        let entered = |stage, evidence| operation::Command::Enter { stage, evidence };
        let decided = match step {
            Move::Enter(stage, evidence) => {
                unit.assert(&owner);
                judged(&mut unit);
                unit.decide(&mut operation, entered(stage, evidence)).map(drop).is_ok()
            }
            Move::Plan(planned) => {
                unit.assert(&operation);
                order(&mut unit, host.as_ref()?, planned).is_some()
            }
            Move::ChangeRoute(command) => {
                judged(&mut unit);
                for one in &ready {
                    unit.assert(one);
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

/// Appends what a worker decided, of whichever kind; breaks off when the lease was lost.
fn append(world: &mut World, attempt: Attempt, moment: Moment, decided: &Decided) -> ControlFlow<()> {
    let (n, id, _) = attempt;
    match decided {
        Decided::Deploy(decided) => deploys::append(world, attempt, moment, decided),
        Decided::Binding(decided) => bindings::append(world, attempt, moment, decided),
        Decided::Change(change) => {
            let carry = |world: &mut World| Change::clone(change).carry_out(world, n, id);
            send(world, attempt, moment, || format!("{:?}", change.step), carry, |_| {})
        }
        Decided::Told(told) => {
            send(world, attempt, moment, || told.step.clone(), |world| told.carry_out(world, n), |_| {})
        }
        Decided::Asked(_) => ControlFlow::Continue(()),
    }
}

/// Whoever was paused says what it wanted to say; mostly somebody else has its lease by then. What it still waits for it goes on
/// waiting for.
pub(crate) fn resume(world: &mut World, attempt: Attempt, moment: Moment, decided: Decided) {
    let decided = match decided {
        Decided::Asked(asked) => match bindings::hear(world, asked) {
            Turn::Asked(asked) => return world.paused.push((attempt, moment, Decided::Asked(asked))),
            Turn::Decided(decided) => Decided::Binding(decided),
            Turn::Waits | Turn::Ended => return,
        },
        decided => decided,
    };
    let _it_ends_there = append(world, attempt, moment, &decided);
}

/// Appends a step under the fence of its attempt, perhaps twice, and notes what went wrong; breaks off when the lease was lost.
pub(crate) fn send(
    world: &mut World,
    attempt: Attempt,
    moment: Moment,
    said: impl Fn() -> String,
    mut carry: impl FnMut(&mut World) -> Option<Unit>,
    late: impl FnOnce(&mut World),
) -> ControlFlow<()> {
    let (_, id, fence) = attempt;
    let check = FenceCheck { lease: lease(id), fence };
    let seldom = if world.is_estate() { 4 } else { 6 };
    let times = if !world.is_calm() && world.dice.once_in(seldom) { 2 } else { 1 };
    for nth in 0..times {
        let Some(unit) = carry(world) else { return ControlFlow::Continue(()) };
        world.storm();
        let moved = world.load::<Operation>(id.0).version != moment.version;
        let faults = [(nth > 0, Fault::Duplicate), (world.seconds > moment.seconds, Fault::Delay)];
        let faults = faults.into_iter().chain([(nth == 0 && moved, Fault::Reorder)]);
        faults.filter(|(struck, _)| *struck).for_each(|(_, fault)| world.saw(moment, fault));
        match world.commit(unit, None, Some(check.clone())) {
            Err(AppendError::StaleFence { .. }) => {
                late(world);
                if record_late(world, attempt, &said()) {
                    world.saw(moment, Fault::LateReport);
                }
                return ControlFlow::Break(());
            }
            Err(AppendError::Unavailable(_)) => world.saw(moment, Fault::Outage),
            Err(AppendError::Unknown(_)) => world.saw(moment, Fault::Unheard),
            Ok(_) | Err(_) => {}
        }
    }
    ControlFlow::Continue(())
}

/// What a worker wanted to append that had lost its lease: unfenced, and it changes nothing. Whether it is on record.
fn record_late(world: &World, (n, id, attempt): Attempt, step: &str) -> bool {
    let mut loaded = world.load::<Operation>(id.0);
    let mut unit = world.unit(Writer::System, n, id.into(), None);
    let report = step.chars().take(40).collect();
    unit.decide(&mut loaded, operation::Command::RecordLateReport { attempt, report }).is_ok()
        && world.commit(unit, None, None).is_ok()
}

/// The nth deployment as it is.
fn deployment_of(world: &World, n: usize) -> Deployment {
    world.load::<Deployment>(rhone_tests::rules::deployment(n).0).state.0
}

pub(crate) fn fresh(id: AllocationId) -> Loaded<Sinful<Allocation>> {
    let stream = StreamId::new("allocation", id.0);
    Loaded { stream, version: Version(0), state: Sinful::default(), last_event: None }
}
