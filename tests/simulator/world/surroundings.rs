//! What surrounds the workers: a scheduler, a runner whose reports come late, twice or wrong, and two edges that hear what
//! chance lets through.

use super::{DEPLOYMENTS, ENVIRONMENTS, World};
use crate::sins::{Sin, committed};
use rhone_domain::{
    actor::Writer,
    allocation::{self, Allocation, State},
    environment::Replicas,
    ids::{AllocationId, CorrelationId},
    route_owner::RouteOwner,
    scheduling::{Lane, Order, orders},
};
use rhone_tests::rules::{DRAIN, at, bytes, environment};

impl World {
    pub(super) fn scheduler(&mut self) {
        for n in 0..ENVIRONMENTS {
            let route = self.load::<RouteOwner>(environment(n).0);
            let here = self
                .allocations(|one| one.planned.as_ref().is_some_and(|planned| planned.environment == environment(n)));
            let awaited = {
                let tables = self.door.log().tables();
                let running =
                    tables.operations.values().filter(|(one, _)| one.stage.is_some_and(|stage| !stage.is_final()));
                running.filter_map(|(one, _)| Some(rhone_tests::rules::change_of(one)?.1)).collect::<Vec<_>>()
            };
            let mut owner = route.state.0.clone();
            if committed(Sin::SchedulerLeads) {
                owner.owner = None;
            }
            let now = at(self.seconds);
            let look = Lane {
                now,
                owner: &owner,
                drain: DRAIN,
                replicas: Replicas::default(),
                leaving: &[],
                proving: &[],
                lost: &[],
                busy: &[],
                allocations: &here,
                failures: &[],
                awaited: &awaited,
            };
            for order in orders(&look) {
                let Order::Drain(id, why) = order else { continue };
                let mut loaded = self.load::<Allocation>(id.0);
                let mut unit = self.unit(Writer::Scheduler, 8, CorrelationId(id.0), None);
                unit.assert(&route);
                if unit
                    .decide(&mut loaded, allocation::Command::Drain { reason: why.to_owned(), deadline: None })
                    .is_ok()
                {
                    let _refused = self.commit(unit, None, None);
                }
            }
        }
    }

    /// The runner sees something, and a report of it arrives at some time: late, twice, or after a newer one.
    pub(super) fn runner(&mut self) {
        let living = self.allocations(|one| one.state.is_some_and(|state| !state.is_final()));
        if !living.is_empty() {
            let one = living[self.dice.below(living.len())].clone();
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
            self.storm();
            let _refused = self.commit(unit, None, None);
        }
    }

    pub(super) fn edge(&mut self) {
        let n = self.dice.below(2);
        let feed = self.door.log().tables().feed.clone();
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
        let feed = self.door.log().tables().feed.clone();
        for edge in &mut self.edges {
            for entry in feed.iter().skip(edge.seq()) {
                edge.hear(entry);
            }
            (0..ENVIRONMENTS).for_each(|n| edge.observe(environment(n), self.seconds));
        }
    }
}
