//! One environment in memory: its owner, its allocations, the real scheduler that follows both, and a runner that does as it
//! is told, or does not. For the worlds of operations that wait for allocations.

use crate::{
    aggregate::{Aggregate, fold},
    allocation::{self, Allocation, Cause, State},
    environment::{self, DrainPolicy, Environment, Replicas},
    ids::{AllocationId, HostId, OperationId},
    numbers::Epoch,
    route_owner::{self, RouteOwner},
    scheduling::{self, Order},
    story::{
        ADDRESS, BLUE, FIRST, HOST_1, HOST_2, allocation, at, bytes_of, opened, owner, planned, production, ready,
    },
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What the runner does otherwise than it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    Obeys,
    /// Nothing that is started becomes ready.
    Fails(Cause),
    /// What is started stays where it is.
    Hangs,
    /// What was told to stop is never heard of again.
    NeverStops,
    /// So many sessions stay open until the drain deadline.
    SessionsStay(u64),
}

/// BLUE owns the traffic of production.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) now: i64,
    pub(crate) runner: Runner,
    pub(crate) environment: Vec<environment::Event>,
    pub(crate) owner: RouteOwner,
    pub(crate) allocations: BTreeMap<AllocationId, Vec<allocation::Event>>,
    /// What a running operation is about to drain.
    pub(crate) leaving: Vec<AllocationId>,
    /// Hosts that are silent.
    pub(crate) lost: Vec<HostId>,
    /// Running operations that prove a region.
    pub(crate) proving: Vec<OperationId>,
    failures: Vec<DateTime<Utc>>,
    fewest_ready: usize,
}

impl Lane {
    /// With so many ready allocations of BLUE, as many as are wanted.
    pub(crate) fn with(ready_ones: u8, runner: Runner) -> Self {
        let promoted =
            route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(BLUE), at: at(0), drain: None };
        let mut environment = vec![environment::Event::Created(production())];
        if ready_ones > 1 {
            environment.push(environment::Event::Scaled { by: FIRST, replicas: Replicas(ready_ones) });
        }
        let mut lane = Self {
            now: 0,
            runner,
            environment,
            owner: fold(&[route_owner::Event::Opened(opened()), promoted]),
            allocations: BTreeMap::new(),
            leaving: vec![],
            lost: vec![],
            proving: vec![],
            failures: vec![],
            fewest_ready: usize::from(ready_ones),
        };
        for _ in 0..ready_ones {
            let id = lane.start();
            lane.allocations.entry(id).or_default().push(ready(BLUE));
        }
        lane
    }

    pub(crate) fn at(&self) -> DateTime<Utc> {
        at(self.now)
    }

    pub(crate) fn settings(&self) -> Environment {
        fold(&self.environment)
    }

    /// Every allocation there ever was.
    pub(crate) fn all(&self) -> Vec<Allocation> {
        self.allocations.values().map(fold).collect()
    }

    pub(crate) fn count(&self, state: State) -> usize {
        self.all().iter().filter(|one| one.state == Some(state)).count()
    }

    /// The fewest that were ready at any moment.
    pub(crate) fn fewest_ready(&self) -> usize {
        self.fewest_ready
    }

    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        [self.environment.len()].into_iter().chain(self.allocations.values().map(Vec::len))
    }

    /// Judges a command of the environment.
    pub(crate) fn scale(&self, command: environment::Command) -> Option<Vec<environment::Event>> {
        self.settings().decide(command).ok()
    }

    /// A second passes: the scheduler looks, the runner does one thing to each allocation.
    pub(crate) fn pass(&mut self) {
        self.now += 1;
        let allocations = self.all().into_iter().filter(|one| !one.state.is_some_and(State::is_final));
        let allocations = allocations.collect::<Vec<_>>();
        let orders = scheduling::orders(&scheduling::Lane {
            now: self.at(),
            owner: &self.owner,
            replicas: self.settings().replicas,
            drain: DrainPolicy::default(),
            allocations: &allocations,
            failures: &self.failures,
            awaited: &[],
            leaving: &self.leaving,
            proving: &self.proving,
            lost: &self.lost,
            busy: &[],
        });
        for order in orders {
            match order {
                Order::Drain(id, _) => self.drain(id, at(self.now + 5)).expect("the scheduler drains what is alive"),
                Order::ReplaceOwner => drop(self.start()),
                Order::GiveUp(id) => unreachable!("nothing starts on a silent host here, and {id} was given up"),
            }
        }
        for id in self.allocations.keys().copied().collect::<Vec<_>>() {
            self.report(id);
        }
        self.fewest_ready = self.fewest_ready.min(self.count(State::Ready));
    }

    /// As if every allocation so far had been ordered with another set of variables than the owner's.
    pub(crate) fn with_other_variables(&mut self) {
        for event in self.allocations.values_mut().flatten() {
            if let allocation::Event::Planned(order) = event {
                order.env_set = order.env_set.next();
            }
        }
    }

    /// Tells one to drain; none if that is refused.
    pub(crate) fn drain(&mut self, id: AllocationId, deadline: DateTime<Utc>) -> Option<()> {
        let command = allocation::Command::Drain { reason: "drain".into(), deadline: Some(deadline) };
        self.tell(id, command)
    }

    fn start(&mut self) -> AllocationId {
        let id = allocation(self.allocations.len() as u128 + 1);
        let heard = [HOST_1, HOST_2].into_iter().filter(|host| !self.lost.contains(host)).collect::<Vec<_>>();
        let host = scheduling::place(&heard, &self.all()).expect("there are hosts");
        let order = allocation::Planned { host, ..planned(id, BLUE, Epoch(0)) };
        self.allocations.insert(id, vec![allocation::Event::Planned(order)]);
        id
    }

    fn report(&mut self, id: AllocationId) {
        let one = fold::<Allocation>(&self.allocations[&id]);
        let digest = bytes_of(BLUE);
        let report = match (one.state.expect("it was planned"), self.runner) {
            (State::Planned, _) => allocation::Command::ReportPulling,
            (State::Pulling, Runner::Hangs)
            | (State::Draining, Runner::NeverStops)
            | (State::Ready | State::Stopped | State::Failed, _) => return,
            (State::Pulling, _) => allocation::Command::ReportStarting { digest },
            (State::Starting, Runner::Fails(cause)) => {
                self.failures.push(self.at());
                allocation::Command::ReportFailed { reason: "in words".into(), cause: Some(cause) }
            }
            (State::Starting, _) => allocation::Command::ReportReady { digest, address: ADDRESS.into() },
            (State::Draining, Runner::SessionsStay(open)) => {
                if one.drain_deadline.is_some_and(|deadline| self.at() < deadline) {
                    return;
                }
                allocation::Command::ReportStopped { sessions_ended: open }
            }
            (State::Draining, _) => allocation::Command::ReportStopped { sessions_ended: 0 },
        };
        self.tell(id, report).expect("a report in order");
    }

    fn tell(&mut self, id: AllocationId, command: allocation::Command) -> Option<()> {
        let events = fold::<Allocation>(&self.allocations[&id]).decide(command).ok()?;
        self.allocations.entry(id).or_default().extend(events);
        Some(())
    }
}
