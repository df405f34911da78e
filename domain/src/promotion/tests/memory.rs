//! A world in memory: streams, a worker that carries out steps on them, a runner and two edges. Whole operations run in it,
//! each step once or twice, with one fault. Trap: a fault that never fired proves nothing; `fired` counts.

use crate::{
    aggregate::{Aggregate, fold},
    allocation::{self, Allocation, State},
    deployment::Deployment,
    edge_status::EdgeStatus,
    environment::Replicas,
    ids::{AllocationId, DeploymentId, HostId, OperationId},
    numbers::Epoch,
    operation::{self, Evidence, Failure, Kind, Operation, Stage},
    promotion::{Act, Step, World, next},
    route_owner::{self, Change, RouteOwner},
    story::{
        BLUE, FIRST, GREEN, HOST_1, NORTH_EDGE, SECOND, SOUTH_EDGE, allocation, at, because, bytes_of, edge,
        gate_facts, opened, owner, promotable, ready, requested, saw,
    },
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An operation that nobody in the story expects.
const RIVAL: OperationId = OperationId(Uuid::from_u128(0x0f4));

/// When the story's operations end at the latest, in seconds.
const DEADLINE: i64 = 60;

/// The steps that an operation takes on its way to a good end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Check,
    Plan,
    ChangeRoute,
    Finish,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Check, Self::Plan, Self::ChangeRoute, Self::Finish];

    fn of(step: &Step) -> Option<Self> {
        match step {
            Step::Enter(Stage::PolicyCheck, _) => Some(Self::Check),
            Step::Do(Act::Plan(_)) => Some(Self::Plan),
            Step::Do(Act::ChangeRoute(_)) => Some(Self::ChangeRoute),
            Step::Enter(Stage::Healthy | Stage::RolledBack, _) => Some(Self::Finish),
            Step::Enter(..) | Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done => None,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// The worker dies before this step is in the log.
    LostOnce(Way),
    /// The log takes no append of this step until the deadline has passed.
    Outage(Way),
    /// Another operation changes the route just before this step is appended.
    Rival(Way),
    /// Somebody wants to cancel just before this step is appended.
    WishToCancel(Way),
    AllocationsFail,
    AllocationsHang,
    NoHost,
    EdgesSilent,
    OneEdgeServesTheFormerOwner,
    NoEdges,
}

/// How often everything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Twice,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) stage: Stage,
    /// The last stage before it.
    pub(super) after: Stage,
    pub(super) failure: Option<Failure>,
    pub(super) epoch: Epoch,
    pub(super) owner: DeploymentId,
}

#[derive(Clone)]
pub(super) struct Memory {
    fault: Fault,
    times: Times,
    now: i64,
    pub(super) fired: u32,
    pub(super) operation: Vec<operation::Event>,
    pub(super) route: Vec<route_owner::Event>,
    allocations: BTreeMap<AllocationId, Vec<allocation::Event>>,
    deployment: Deployment,
    taken: Vec<Step>,
}

impl Memory {
    /// BLUE owns the route; for a rollback, GREEN took it over.
    pub(super) fn of(kind: Kind, times: Times, fault: Fault) -> Self {
        let took_over = |by, epoch, to| route_owner::Event::Promoted {
            by,
            epoch: Epoch(epoch),
            owner: owner(to),
            at: at(0),
            drain: None,
        };
        let mut route = vec![route_owner::Event::Opened(opened()), took_over(FIRST, 1, BLUE)];
        if kind == Kind::Rollback {
            route.push(took_over(SECOND, 2, GREEN));
        }
        let expected = fold::<RouteOwner>(&route).epoch;
        let asked = requested(kind, expected);
        Self {
            fault,
            times,
            now: 0,
            fired: 0,
            deployment: promotable(asked.work.deployment().expect("it has one")),
            operation: vec![operation::Event::Requested(asked)],
            route,
            allocations: BTreeMap::new(),
            taken: vec![],
        }
    }

    /// Asks for the next step and takes it until there is none.
    pub(super) fn run(&mut self) -> End {
        for _ in 0..500 {
            match self.next() {
                Step::Done => return self.end(),
                Step::Wait(_) => {
                    self.now += 1;
                    self.runner_reports();
                }
                step @ (Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel) => {
                    self.take(&step);
                }
            }
        }
        panic!("no end with {:?}: {:?}", self.fault, self.operation);
    }

    /// A worker that lost its lease long ago takes every step once more.
    pub(super) fn take_everything_again(&mut self) {
        for step in self.taken.clone() {
            self.commit(&step);
        }
    }

    /// How much has happened, in each stream.
    pub(super) fn lengths(&self) -> Vec<usize> {
        let streams = [self.operation.len(), self.route.len()];
        streams.into_iter().chain(self.allocations.values().map(Vec::len)).collect()
    }

    /// Every allocation there ever was.
    pub(super) fn allocations(&self) -> Vec<Allocation> {
        self.allocations.values().map(fold).collect()
    }

    fn next(&mut self) -> Step {
        let (operation, owner) = (fold::<Operation>(&self.operation), fold::<RouteOwner>(&self.route));
        let (edges, hosts) = (self.edges(&owner, operation.stage), self.hosts());
        let requested = operation.requested.clone().expect("every operation here was requested");
        let change = requested.work.route_change().expect("every operation here changes a route");
        next(&World {
            now: at(self.now),
            operation: &operation,
            facts: gate_facts(&requested, change, &owner, &self.deployment),
            allocations: &self.allocations(),
            replicas: Replicas::ONE,
            hosts,
            edges: &edges,
            left: &[],
            new_allocation: allocation(self.allocations.len() as u128 + 1),
        })
    }

    fn hosts(&mut self) -> &'static [HostId] {
        if self.fault == Fault::NoHost {
            self.fired += 1;
            return &[];
        }
        &[HOST_1]
    }

    fn edges(&mut self, route: &RouteOwner, stage: Option<Stage>) -> Vec<EdgeStatus> {
        let Some(to) = route.owner.as_ref().map(|owner| owner.deployment) else { return vec![] };
        let sees = saw(to, route.epoch);
        let former = saw(if to == BLUE { GREEN } else { BLUE }, route.epoch);
        let south = if self.fault == Fault::OneEdgeServesTheFormerOwner { former } else { sees.clone() };
        let silent = self.fault == Fault::EdgesSilent;
        let report = |id, seen| edge(id, if silent { vec![] } else { vec![seen] });
        let edges = vec![report(NORTH_EDGE, sees), report(SOUTH_EDGE, south)];
        let broken = matches!(self.fault, Fault::NoEdges | Fault::EdgesSilent | Fault::OneEdgeServesTheFormerOwner);
        self.fired += u32::from(broken && stage == Some(Stage::EdgePropagating));
        if self.fault == Fault::NoEdges { vec![] } else { edges }
    }

    /// One thing that the runner saw of every allocation; reports are repeated when everything is done twice.
    fn runner_reports(&mut self) {
        for events in self.allocations.values_mut() {
            let allocation = fold::<Allocation>(&*events);
            let Some(deployment) = allocation.planned.as_ref().map(|planned| planned.deployment) else { continue };
            let digest = bytes_of(deployment);
            let report = match allocation.state {
                Some(State::Planned) => allocation::Command::ReportPulling,
                Some(State::Pulling) if self.fault == Fault::AllocationsHang => {
                    self.fired += 1;
                    continue;
                }
                Some(State::Pulling) => allocation::Command::ReportStarting { digest },
                Some(State::Starting) if self.fault == Fault::AllocationsFail => {
                    self.fired += 1;
                    allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None }
                }
                Some(State::Starting) => {
                    let allocation::Event::Ready { digest, address } = ready(deployment) else { unreachable!() };
                    allocation::Command::ReportReady { digest, address }
                }
                Some(State::Ready | State::Draining | State::Stopped | State::Failed) | None => continue,
            };
            for _ in 0..=u8::from(self.times == Times::Twice) {
                let seen = fold::<Allocation>(&*events).decide(report.clone()).expect("a report in order");
                events.extend(seen);
            }
        }
    }

    fn take(&mut self, step: &Step) {
        if self.interrupts(Way::of(step)) {
            return;
        }
        self.commit(step);
        self.taken.push(step.clone());
        if self.times == Times::Twice {
            let before = self.lengths();
            self.commit(step);
            assert_eq!(self.lengths(), before, "taken twice: {step:?}");
        }
    }

    /// Whether the fault keeps this step from the log this time.
    fn interrupts(&mut self, way: Option<Way>) -> bool {
        let Some(way) = way else { return false };
        let once = [Fault::LostOnce(way), Fault::Rival(way), Fault::WishToCancel(way)].contains(&self.fault);
        let lasting = self.fault == Fault::Outage(way) && self.now < DEADLINE;
        if !(once && self.fired == 0 || lasting) {
            return false;
        }
        self.fired += 1;
        if lasting {
            self.now += 5;
        }
        if self.fault == Fault::Rival(way) {
            self.rival_changes_the_route();
        }
        if self.fault == Fault::WishToCancel(way) {
            let wish = operation::Command::RequestCancel { reason: because("too early") };
            return self.decide_operation(wish).is_ok_and(|events| events > 0);
        }
        true
    }

    /// The step's append then finds a newer version of the route than the one it was judged on, and is refused as a whole.
    fn rival_changes_the_route(&mut self) {
        let route = fold::<RouteOwner>(&self.route);
        let released = route.decide(route_owner::Command::ReleasePin { reason: because("rival") }).unwrap_or_default();
        self.route.extend(released);
        let route = fold::<RouteOwner>(&self.route);
        let change = Change {
            by: RIVAL,
            expected: route.epoch,
            owner: owner(BLUE),
            at: at(self.now),
            drain_until: at(self.now),
        };
        let changed = route.decide(route_owner::Command::Promote(change)).expect("a rival that is allowed");
        self.route.extend(changed);
    }

    /// Appends what the step means, all of it or nothing.
    fn commit(&mut self, step: &Step) {
        let _refused_as_a_whole = match step {
            Step::Enter(stage, evidence) => {
                self.decide_operation(operation::Command::Enter { stage: *stage, evidence: evidence.clone() }).is_err()
            }
            Step::Fail(failure) => self.decide_operation(operation::Command::Fail(failure.clone())).is_err(),
            Step::Cancel => self.decide_operation(operation::Command::Cancel).is_err(),
            Step::Do(Act::Plan(planned)) => {
                let stream = self.allocations.entry(planned.id).or_default();
                let decided = fold::<Allocation>(&*stream).decide(allocation::Command::Plan(planned.clone()));
                decided.map(|events| stream.extend(events)).is_err()
            }
            Step::Do(Act::ChangeRoute(command)) => self.change_route(command.clone()).is_none(),
            Step::Wait(_) | Step::Done => false,
        };
    }

    fn decide_operation(&mut self, command: operation::Command) -> Result<usize, operation::Rejection> {
        let events = fold::<Operation>(&self.operation).decide(command)?;
        let count = events.len();
        self.operation.extend(events);
        Ok(count)
    }

    fn change_route(&mut self, command: route_owner::Command) -> Option<()> {
        let route = fold::<RouteOwner>(&self.route).decide(command).ok()?;
        let epoch = fold::<RouteOwner>(self.route.iter().chain(&route)).epoch;
        let mut operation = fold::<Operation>(&self.operation);
        let mut entered = vec![];
        let evidence = Evidence { epoch: Some(epoch), ..Evidence::default() };
        for (stage, evidence) in [(Stage::RouteCas, evidence), (Stage::EdgePropagating, Evidence::default())] {
            let events = operation.decide(operation::Command::Enter { stage, evidence }).ok()?;
            for event in &events {
                operation.apply(event);
            }
            entered.extend(events);
        }
        self.route.extend(route);
        self.operation.extend(entered);
        Some(())
    }

    fn end(&self) -> End {
        let stages = (1..=self.operation.len()).filter_map(|n| fold::<Operation>(&self.operation[..n]).stage);
        let mut stages = stages.collect::<Vec<_>>();
        stages.dedup();
        let owner = fold::<RouteOwner>(&self.route);
        End {
            stage: stages[stages.len() - 1],
            after: stages[stages.len() - 2],
            failure: fold::<Operation>(&self.operation).failure,
            epoch: owner.epoch,
            owner: owner.owner.map(|owner| owner.deployment).expect("an owner since the story began"),
        }
    }
}
