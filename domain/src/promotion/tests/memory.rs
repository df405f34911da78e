//! The world of a promotion or rollback in memory: streams, what carries steps out on them, a runner and two edges.

use crate::{
    aggregate::{Aggregate, fold},
    allocation::{self, Allocation, State},
    deployment::Deployment,
    edge_status::EdgeStatus,
    gate::Facts,
    ids::{AllocationId, DeploymentId, HostId, OperationId},
    numbers::Epoch,
    operation::{self, Evidence, Gate, Kind, Operation, Stage},
    promotion::{Act, Step, World, next},
    route_owner::{self, Change, RouteOwner},
    runs::Play,
    story::{
        BLUE, FIRST, GREEN, HOST_1, NORTH_EDGE, SECOND, SOUTH_EDGE, allocation, at, because, bytes_of, edge,
        gate_facts, opened, owner, promotable, ready, requested, saw,
    },
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An operation that nobody in the story expects.
const RIVAL: OperationId = OperationId(Uuid::from_u128(0x0f4));

/// When the story's operations end at the latest, in seconds.
const DEADLINE: i64 = 60;

/// What the world does otherwise than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    AllocationsFail,
    AllocationsHang,
    NoHost,
    EdgesSilent,
    OneEdgeServesTheFormerOwner,
    NoEdges,
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    trouble: Trouble,
    now: i64,
    pub(super) operation: Vec<operation::Event>,
    pub(super) route: Vec<route_owner::Event>,
    allocations: BTreeMap<AllocationId, Vec<allocation::Event>>,
    deployment: Deployment,
}

/// BLUE owns the route; for a rollback, GREEN took it over.
pub(crate) fn changing_owner(kind: Kind, trouble: Trouble) -> Memory {
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
    Memory {
        trouble,
        now: 0,
        deployment: promotable(asked.work.deployment().expect("it has one")),
        operation: vec![operation::Event::Requested(asked)],
        route,
        allocations: BTreeMap::new(),
    }
}

impl Memory {
    /// Every allocation there ever was.
    pub(super) fn allocations(&self) -> Vec<Allocation> {
        self.allocations.values().map(fold).collect()
    }

    pub(super) fn owner(&self) -> (DeploymentId, Epoch) {
        let route = fold::<RouteOwner>(&self.route);
        (route.owner.expect("an owner since the story began").deployment, route.epoch)
    }

    fn hosts(&self) -> &'static [HostId] {
        if self.trouble == Trouble::NoHost { &[] } else { &[HOST_1] }
    }

    fn edges(&self, route: &RouteOwner) -> Vec<EdgeStatus> {
        let Some(to) = route.owner.as_ref().map(|owner| owner.deployment) else { return vec![] };
        let sees = saw(to, route.epoch);
        let former = saw(if to == BLUE { GREEN } else { BLUE }, route.epoch);
        let south = if self.trouble == Trouble::OneEdgeServesTheFormerOwner { former } else { sees.clone() };
        let silent = self.trouble == Trouble::EdgesSilent;
        let report = |id, seen| edge(id, if silent { vec![] } else { vec![seen] });
        let edges = vec![report(NORTH_EDGE, sees), report(SOUTH_EDGE, south)];
        if self.trouble == Trouble::NoEdges { vec![] } else { edges }
    }

    /// The step's append then finds a newer version of the route than the one it was judged on.
    pub(super) fn rival_changes_the_route(&mut self) {
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
    fn append(&mut self, step: &Step) -> Option<()> {
        let command = match step.clone() {
            Step::Enter(stage, evidence) => operation::Command::Enter { stage, evidence },
            Step::Fail(failure) => operation::Command::Fail(failure),
            Step::Cancel => operation::Command::Cancel,
            Step::Do(Act::Plan(planned)) => {
                let stream = self.allocations.entry(planned.id).or_default();
                let decided = fold::<Allocation>(&*stream).decide(allocation::Command::Plan(planned));
                return decided.ok().map(|events| stream.extend(events));
            }
            Step::Do(Act::ChangeRoute(command, gates)) => return self.change_route(command, gates),
            Step::Wait(_) | Step::Done => return None,
        };
        let events = fold::<Operation>(&self.operation).decide(command).ok()?;
        self.operation.extend(events);
        Some(())
    }

    fn change_route(&mut self, command: route_owner::Command, gates: Vec<Gate>) -> Option<()> {
        let route = fold::<RouteOwner>(&self.route).decide(command).ok()?;
        let epoch = fold::<RouteOwner>(self.route.iter().chain(&route)).epoch;
        let mut operation = fold::<Operation>(&self.operation);
        let mut entered = vec![];
        let evidence = Evidence { epoch: Some(epoch), gates, ..Evidence::default() };
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
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let (operation, owner) = (fold::<Operation>(&self.operation), fold::<RouteOwner>(&self.route));
        let requested = operation.requested.clone().expect("every operation here was requested");
        let change = requested.work.route_change().expect("every operation here changes a route");
        next(&World {
            now: at(self.now),
            operation: &operation,
            facts: Facts {
                allocations: &self.allocations(),
                ..gate_facts(&requested, change, &owner, &self.deployment)
            },
            hosts: self.hosts(),
            edges: &self.edges(&owner),
            left: &[],
            new_allocation: allocation(self.allocations.len() as u128 + 1),
        })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    /// The runner saw one thing of every allocation, and says it twice.
    fn pass(&mut self) {
        self.now += 1;
        for events in self.allocations.values_mut() {
            let allocation = fold::<Allocation>(&*events);
            let deployment = allocation.planned.as_ref().expect("it was planned").deployment;
            let digest = bytes_of(deployment);
            let report = match (allocation.state, self.trouble) {
                (Some(State::Ready | State::Draining | State::Stopped | State::Failed) | None, _)
                | (Some(State::Pulling), Trouble::AllocationsHang) => continue,
                (Some(State::Planned), _) => allocation::Command::ReportPulling,
                (Some(State::Pulling), _) => allocation::Command::ReportStarting { digest },
                (Some(State::Starting), Trouble::AllocationsFail) => {
                    allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None }
                }
                (Some(State::Starting), _) => {
                    let allocation::Event::Ready { digest, address } = ready(deployment) else { unreachable!() };
                    allocation::Command::ReportReady { digest, address }
                }
            };
            for news in [1, 0] {
                let seen = fold::<Allocation>(&*events).decide(report.clone()).expect("a report in order");
                assert_eq!(seen.len(), news, "{report:?}");
                events.extend(seen);
            }
        }
    }

    fn outlast(&mut self) {
        self.now = DEADLINE;
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        let streams = [self.operation.len(), self.route.len()];
        streams.into_iter().chain(self.allocations.values().map(Vec::len)).collect()
    }

    fn left(&self) -> String {
        let (owner, epoch) = self.owner();
        format!("{} at {epoch}", if owner == BLUE { "blue" } else { "green" })
    }
}
