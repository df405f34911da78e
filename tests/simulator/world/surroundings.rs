//! What surrounds the workers: a scheduler, a runner whose reports come late, twice or wrong, and edges that hear what chance lets
//! through.

use super::{DEPLOYMENTS, ENVIRONMENTS, World};
use crate::{
    fleet::{lives, order},
    sins::{Sin, Sinful, committed},
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    allocation::{self, Allocation, Placement, Planned, State},
    deployment::Deployment,
    environment::Environment,
    host::Host,
    ids::{AllocationId, CorrelationId, EnvironmentId, OperationId},
    operation::Work,
    route_owner::RouteOwner,
    scheduling::{Lane, Order, leaving, orders, place, silent_with_its_host},
};
use rhone_eventstore::Loaded;
use rhone_tests::rules::{DRAIN, at, bytes, environment};

impl World {
    /// The scheduler's turn, as `workers/src/scheduler.rs` takes it.
    pub(super) fn scheduler(&mut self) {
        (0..ENVIRONMENTS).for_each(|n| self.schedule(environment(n)));
    }

    fn schedule(&mut self, environment: EnvironmentId) {
        let route = self.load::<RouteOwner>(environment.0);
        let Some(place) = route.state.0.place() else { return };
        let settings = self.load::<Environment>(environment.0).state.0;
        let of_here = |one: &Allocation| one.planned.as_ref().is_some_and(|planned| planned.environment == environment);
        let here = self.allocations(|one| of_here(one) && lives(one));
        let works = self.works(environment);
        let awaited = works.iter().filter_map(|(_, work)| work.deployment()).collect::<Vec<_>>();
        let proving = works.iter().filter(|(_, work)| matches!(work, Work::RegionEnablement(_))).map(|(id, _)| *id);
        let ids = here.iter().filter_map(|one| one.planned.as_ref()).map(|planned| planned.id);
        let busy = ids.filter(|id| self.edges.iter().any(|edge| edge.open(*id) > 0)).collect::<Vec<_>>();
        let mut owner = route.state.0.clone();
        if committed(Sin::SchedulerLeads) {
            owner.owner = None;
        }
        let look = Lane {
            now: at(self.seconds),
            owner: &owner,
            drain: settings.drain(),
            replicas: settings.replicas,
            leaving: &self.leaving(environment),
            proving: &proving.collect::<Vec<_>>(),
            lost: &self.lost(place.cell),
            busy: if committed(Sin::BusyIgnored) { &[] } else { &busy },
            allocations: &here,
            failures: &self.failures_of(&route.state.0),
            awaited: &awaited,
        };
        for order in orders(&look) {
            match order {
                Order::Drain(id, why) => self.drain(&route, id, why),
                Order::ReplaceOwner => self.replace(&route),
                Order::GiveUp(id) => self.give_up(id),
            }
        }
    }

    /// What operations that run on an environment are about to drain.
    pub(crate) fn leaving(&self, environment: EnvironmentId) -> Vec<AllocationId> {
        let (running, tables) = (self.running(environment), self.door.log().tables());
        let operations = running.iter().filter_map(|id| tables.operations.get(id));
        operations.flat_map(|(operation, _)| leaving(operation)).copied().collect()
    }

    /// What runs on an environment.
    fn works(&self, environment: EnvironmentId) -> Vec<(OperationId, Work)> {
        let running = self.running(environment);
        let tables = self.door.log().tables();
        let work = |id: &OperationId| Some((*id, tables.operations.get(id)?.0.requested.as_ref()?.work.clone()));
        running.iter().filter_map(work).collect()
    }

    fn failures_of(&self, owner: &RouteOwner) -> Vec<DateTime<Utc>> {
        let its = |id: AllocationId| {
            let tables = self.door.log().tables();
            tables.allocations.get(&id).and_then(|(one, _)| one.planned.as_ref()).is_some_and(|one| owner.owns(one))
        };
        self.failures.iter().filter(|(id, _)| its(*id)).map(|(_, seconds)| at(*seconds)).collect()
    }

    fn drain(&mut self, route: &Loaded<Sinful<RouteOwner>>, id: AllocationId, why: &str) {
        let mut loaded = self.load::<Allocation>(id.0);
        let mut unit = self.unit(Writer::Scheduler, 8, CorrelationId(id.0), None);
        unit.assert(route);
        let deadline = Some(at(self.seconds + 30));
        if unit.decide(&mut loaded, allocation::Command::Drain { reason: why.to_owned(), deadline }).is_ok() {
            let _refused = self.commit(unit, None, None);
        }
    }

    fn give_up(&mut self, id: AllocationId) {
        let mut loaded = self.load::<Allocation>(id.0);
        let mut unit = self.unit(Writer::Scheduler, 8, CorrelationId(id.0), None);
        let Some(silent) = silent_with_its_host(&loaded.state.0) else { return };
        if unit.decide(&mut loaded, silent).is_ok() {
            let _refused = self.commit(unit, None, None);
        }
    }

    fn replace(&mut self, route: &Loaded<Sinful<RouteOwner>>) {
        let owner = &route.state.0;
        let (Some(lane), Some(of)) = (owner.lane(), &owner.owner) else { return };
        let deployment = self.load::<Deployment>(of.deployment.0).state.0;
        let same = self.allocations(|one| {
            let its = one.planned.as_ref().map(|planned| (planned.environment, planned.deployment));
            lives(one) && its == Some((lane.environment, of.deployment))
        });
        let (Some(host), Some(validated)) = (place(&self.takers(lane.cell), &same), &deployment.validated) else {
            return;
        };
        let id = self.door.clock().new_id();
        let placement = Placement { id, host, min_epoch: owner.epoch };
        let planned = Planned::of(&lane, of, validated, DRAIN, placement);
        let mut unit = self.unit(Writer::Scheduler, 8, CorrelationId(id.0), None);
        unit.assert(route);
        let host = self.load::<Host>(host.0);
        if order(&mut unit, &host, planned).is_some() {
            let _refused = self.commit(unit, None, None);
        }
    }

    /// Somebody opens a session or ends one.
    pub(super) fn visit(&mut self) {
        let (n, come) = (self.dice.below(self.edges.len()), self.dice.once_in(2));
        let environment = environment(self.dice.below(ENVIRONMENTS));
        self.edges[n].visit(environment, come, self.seconds);
    }

    /// The runner sees something, and a report of it arrives at some time: late, twice, or after a newer one.
    pub(super) fn runner(&mut self) {
        let heard = |one: &Allocation| one.planned.as_ref().is_some_and(|planned| !self.fleet.is_silent(planned.host));
        let living = self.allocations(|one| lives(one) && heard(one));
        // What is on its way is seen more often than what stays as it is.
        let on_its_way = |one: &&Allocation| one.state != Some(State::Ready);
        let moving = living.iter().filter(on_its_way).cloned().collect::<Vec<_>>();
        let seen = if moving.is_empty() || !self.calm && self.dice.once_in(4) { living } else { moving };
        if !seen.is_empty() {
            let one = seen[self.dice.below(seen.len())].clone();
            self.report(&one);
        }
        while !self.reports.is_empty() && (self.calm || !self.dice.once_in(3)) {
            let nth = self.dice.below(self.reports.len());
            let twice = !self.calm && self.dice.once_in(4);
            let (id, report) = if twice { self.reports[nth].clone() } else { self.reports.remove(nth) };
            self.take_report(id, report);
        }
    }

    fn report(&mut self, one: &Allocation) {
        let (Some(planned), Some(state)) = (&one.planned, one.state) else { return };
        let other = !self.calm && self.dice.once_in(20);
        let digest = if other { bytes(DEPLOYMENTS - 1) } else { planned.artifact };
        let address = format!("127.0.0.1:{}", 7000 + self.dice.below(2));
        let fails = !self.calm && self.dice.once_in(25);
        let report = match state {
            _ if fails => allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None },
            State::Planned => allocation::Command::ReportPulling,
            State::Pulling => allocation::Command::ReportStarting { digest },
            State::Starting => allocation::Command::ReportReady { digest, address },
            State::Draining => allocation::Command::ReportStopped { sessions_ended: 0 },
            State::Ready | State::Stopped | State::Failed => {
                allocation::Command::ReportRestarted { restarts: one.restarts + 1, exit: "exit 1".into() }
            }
        };
        if !(self.calm && state == State::Ready) {
            self.reports.push((planned.id, report));
        }
    }

    fn take_report(&mut self, id: AllocationId, report: allocation::Command) {
        let mut loaded = self.load::<Allocation>(id.0);
        let mut unit = self.unit(Writer::Runner, 7, CorrelationId(id.0), None);
        if unit.decide(&mut loaded, report).is_ok() {
            if loaded.state.0.state == Some(State::Failed) {
                self.failures.push((id, self.seconds));
            }
            self.storm();
            let _refused = self.commit(unit, None, None);
        }
    }

    pub(super) fn edge(&mut self) {
        // The region in which most happens is heard most.
        let n = if self.is_estate() { self.dice.below(self.edges.len()) } else { self.dice.below(2) };
        let feed = self.door.log().tables().feed(self.edges[n].region).to_vec();
        if self.is_estate() && self.dice.once_in(2) {
            return self.repair_edge(n);
        }
        let edge = &mut self.edges[n];
        match self.dice.below(3) {
            // The bus: any entry, at any time.
            0 if !feed.is_empty() => drop(edge.hear(&feed[self.dice.below(feed.len())])),
            // The repair path: what comes next, perhaps twice.
            1 => {
                if let Some(next) = feed.get(edge.seq()) {
                    edge.hear(next);
                    if self.dice.once_in(3) {
                        edge.hear(next);
                    }
                }
            }
            _ => edge.observe(environment(self.dice.below(ENVIRONMENTS)), self.seconds),
        }
    }

    pub(super) fn repair(&mut self) {
        (0..self.edges.len()).for_each(|n| self.repair_edge(n));
    }

    /// It hears all that it missed, and looks at everything.
    fn repair_edge(&mut self, n: usize) {
        let tables = self.door.log().tables();
        let edge = &mut self.edges[n];
        for entry in tables.feed(edge.region).iter().skip(edge.seq()) {
            edge.hear(entry);
        }
        (0..ENVIRONMENTS).for_each(|n| edge.observe(environment(n), self.seconds));
    }
}
