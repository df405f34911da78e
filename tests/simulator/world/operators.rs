//! What else is asked of a life: another number of allocations, a drain of some of them or of a whole host, sleep and wake, a
//! migration on record, another region, and a move there. Most of it is judged only by the operation, as if the API had been
//! asked a moment ago; much of it comes at a bad time.

use super::{DEADLINE, ENVIRONMENTS, World};
use crate::{
    bindings::needs,
    fleet::{BERGEN, FJORD, HOSTS},
    sins::{Sin, committed, reason},
};
use rhone_domain::{
    actor::Writer,
    allocation::State,
    drain::Drain,
    environment::{self, DataTopology, Environment, Replicas},
    host::{self, Host},
    host_drain::HostDrain,
    ids::{ActorId, CellId, CorrelationId, HostId, OperationId},
    migration::Migration,
    migrations::RanBy,
    numbers::SleepGeneration,
    operation::{Acknowledgement, Kind, Requested, Work},
    region_enablement::Enablement,
    region_failover::{self, Wish},
    route_owner::RouteOwner,
    scale::Scale,
    session_fate::Fate,
    sleep,
    text::Proof,
    wake::{self, Ask},
};
use rhone_tests::rules::{ACME, CELL, DRAIN, LYON, SHOP, at, deployment, environment, number};
use uuid::Uuid;

/// What operators ask for; twice what has the most stages, or the most that must be there before.
pub(super) const ASKED: [Kind; 12] = [
    Kind::HostDrain,
    Kind::RegionFailover,
    Kind::ProviderBinding,
    Kind::Deploy,
    Kind::Scale,
    Kind::Drain,
    Kind::Sleep,
    Kind::Wake,
    Kind::Migration,
    Kind::RegionEnablement,
    Kind::RegionFailover,
    Kind::HostDrain,
];

impl World {
    pub(super) fn operator(&mut self, focus: Kind) {
        let kind = if self.dice.once_in(4) { ASKED[self.dice.below(ASKED.len())] } else { focus };
        let mut n = if self.dice.once_in(3) { self.dice.below(ENVIRONMENTS) } else { 0 };
        if !self.dice.once_in(4) {
            n = match kind {
                Kind::RegionEnablement | Kind::RegionFailover => self.fit_for_a_region(),
                Kind::Sleep | Kind::Wake => (0..ENVIRONMENTS).find(|n| self.running(environment(*n)).is_empty()),
                _ => None,
            }
            .unwrap_or(n);
        }
        match kind {
            Kind::Deploy => self.ask_to_deploy(n),
            Kind::ProviderBinding => self.attach(),
            _ => {
                if let Some(requested) = self.wish(kind, n) {
                    self.request_once(requested);
                }
                if kind == Kind::Migration {
                    self.promote_what_counts_on_it(n);
                }
            }
        }
    }

    /// What is there when a life begins that is about what needs it: a region to move to, a route that sleeps, and now and then an
    /// owner that needs something.
    pub(super) fn prepare(&mut self, focus: Kind, n: usize) {
        let owner = self.load::<RouteOwner>(environment(n).0).state.0;
        let wish = match focus {
            Kind::RegionFailover => Some(self.enablement(n, Some(DataTopology::Shared))),
            Kind::Wake if n > 0 => self.wish_to_sleep(n, &owner),
            Kind::Migration => return self.bind_a_database(n),
            Kind::RegionEnablement if n == 0 => self.record_of(0, 3),
            Kind::RegionEnablement if self.dice.once_in(2) => return self.promote(0, 3),
            _ => None,
        };
        if let Some(requested) = wish {
            self.request_once(requested);
        }
    }

    fn wish(&mut self, kind: Kind, n: usize) -> Option<Requested> {
        let owner = self.load::<RouteOwner>(environment(n).0).state.0;
        match kind {
            Kind::Scale => self.wish_to_scale(n, &owner),
            Kind::Drain => self.wish_to_drain(n, &owner),
            Kind::Sleep | Kind::Wake => self.wish_to_wake(n, &owner).or_else(|| self.wish_to_sleep(n, &owner)),
            Kind::Migration => self.wish_to_record(n),
            Kind::RegionEnablement => self.wish_for_another_region(n),
            Kind::RegionFailover => self.wish_to_move(n, &owner).or_else(|| Some(self.wish_for_a_region(n))),
            Kind::HostDrain => Some(self.wish_to_empty_a_host()),
            Kind::Promotion | Kind::Rollback | Kind::Deploy | Kind::ProviderBinding | Kind::RuntimeServiceBinding => {
                None
            }
        }
    }

    fn asked_for(&self, work: Work, seconds: i64) -> Requested {
        let (id, deadline): (OperationId, _) = (self.door.clock().new_id(), at(self.seconds + seconds));
        Requested { id, workspace: ACME, region: LYON, cell: Some(CELL), reason: Some(reason()), deadline, work }
    }

    fn wish_to_scale(&mut self, n: usize, owner: &RouteOwner) -> Option<Requested> {
        let from = self.load::<Environment>(environment(n).0).state.0.replicas;
        let replicas = Replicas(u8::try_from(1 + self.dice.below(3)).expect("small"));
        let stale = self.dice.once_in(8);
        let from = if stale { Replicas(from.0 % 3 + 1) } else { from };
        let deployment = owner.owner.as_ref()?.deployment;
        let work = Scale { app: SHOP, environment: environment(n), deployment, from, replicas };
        (from != replicas).then(|| self.asked_for(Work::Scale(work), DEADLINE))
    }

    fn wish_to_drain(&mut self, n: usize, owner: &RouteOwner) -> Option<Requested> {
        let here = self.allocations(|one| {
            one.state == Some(State::Ready) && one.planned.as_ref().is_some_and(|it| it.environment == environment(n))
        });
        let of = here.get(self.dice.below(here.len().max(1)))?.planned.clone()?;
        // Mostly what owns the traffic: what may not go before another one is ready.
        let mut its = here.iter().filter_map(|one| one.planned.as_ref()).filter(|planned| owner.owns(planned));
        let of = its.next_back().filter(|_| !self.dice.once_in(4)).cloned().unwrap_or(of);
        let work = Drain {
            app: SHOP,
            environment: environment(n),
            deployment: of.deployment,
            allocations: vec![of.id],
            drain_seconds: 5,
            sessions: Fate::StartFresh,
        };
        let seconds = (work.deadline(at(0)) - at(0)).num_seconds();
        Some(self.asked_for(Work::Drain(work), seconds))
    }

    /// Mostly of what nobody works on, for everything else is refused.
    fn wish_to_sleep(&mut self, n: usize, owner: &RouteOwner) -> Option<Requested> {
        if !self.running(environment(n)).is_empty() && !self.dice.once_in(4) {
            return None;
        }
        let idle = self.dice.once_in(3).then_some(5);
        let id = self.door.clock().new_id();
        let asked = sleep::request(id, owner, idle, Some(reason()), at(self.seconds)).ok()?;
        Some(Requested { deadline: at(self.seconds + 2 * DEADLINE), ..asked })
    }

    /// Whoever comes to a sleeping route asks, and so does the next one.
    fn wish_to_wake(&mut self, n: usize, owner: &RouteOwner) -> Option<Requested> {
        let asleep = owner.asleep.as_ref()?;
        let generation = asleep.generation;
        let stale = self.dice.once_in(8);
        let sleep_generation = if stale { SleepGeneration(generation.0.saturating_sub(1)) } else { generation };
        let ask = Ask { environment: environment(n), epoch: owner.epoch, sleep_generation };
        let mut asked = wake::request(owner, ask, Some(reason()), at(self.seconds)).ok()?;
        if committed(Sin::WakeStampede) {
            asked.id = self.door.clock().new_id();
        }
        Some(asked)
    }

    fn wish_to_record(&mut self, n: usize) -> Option<Requested> {
        let of = 2 + self.dice.below(2);
        self.record_of(n, of)
    }

    fn record_of(&mut self, n: usize, of: usize) -> Option<Requested> {
        let told = self.declared(of).pop()?;
        let other = !self.is_calm() && self.dice.once_in(6);
        let work = Migration {
            app: SHOP,
            environment: environment(n),
            deployment: deployment(of),
            migration: told.id,
            digest: if other { rhone_tests::rules::bytes(90) } else { told.digest },
            impact: told.impact,
            ran_by: RanBy::External,
            evidence: Proof::parse("evidence", "it was seen to run").expect("a proof"),
            acknowledgements: vec![Acknowledgement { gate: "database".into(), reason: reason(), covers: None }],
        };
        Some(self.asked_for(Work::Migration(work), DEADLINE))
    }

    /// An environment whose owner needs nothing there: one allocation, of bytes to which nothing is attached.
    fn fit_for_a_region(&self) -> Option<usize> {
        (0..ENVIRONMENTS).rev().find(|n| {
            let owner = self.load::<RouteOwner>(environment(*n).0).state.0.owner;
            let alone = self.load::<Environment>(environment(*n).0).state.0.replicas == Replicas(1);
            alone && owner.is_some_and(|owner| needs(number(owner.deployment)).is_empty())
        })
    }

    /// What is fit already has to be let go before it can be proven again.
    fn wish_for_another_region(&mut self, n: usize) -> Option<Requested> {
        if self.load::<Environment>(environment(n).0).state.0.regions.contains_key(&BERGEN) && !self.dice.once_in(4) {
            self.let_go_of_the_region(n);
            return None;
        }
        Some(self.wish_for_a_region(n))
    }

    fn wish_for_a_region(&mut self, n: usize) -> Requested {
        let all = [DataTopology::Shared, DataTopology::Replicated];
        let topology = (!self.dice.once_in(8)).then(|| all[self.dice.below(all.len())]);
        self.enablement(n, topology)
    }

    fn enablement(&self, n: usize, topology: Option<DataTopology>) -> Requested {
        let work = Enablement { app: SHOP, environment: environment(n), region: BERGEN, cell: FJORD, topology };
        let asked = self.asked_for(Work::RegionEnablement(work), DEADLINE);
        Requested { region: BERGEN, cell: Some(FJORD), ..asked }
    }

    fn let_go_of_the_region(&self, n: usize) {
        let mut settings = self.load::<Environment>(environment(n).0);
        let route = self.load::<RouteOwner>(environment(n).0);
        let serving = route.state.0.owner.as_ref().and_then(|_| route.state.0.place()).map(|place| place.region);
        let mut unit = self.unit(Writer::Api, 9, CorrelationId(Uuid::from_u128(9)), None);
        unit.assert(&route);
        let disable =
            environment::Command::DisableRegion { region: BERGEN, serving, reason: reason(), at: at(self.seconds) };
        if unit.decide(&mut settings, disable).is_ok() {
            let _refused = self.commit(unit, None, None);
        }
    }

    fn wish_to_move(&mut self, n: usize, owner: &RouteOwner) -> Option<Requested> {
        let settings = self.load::<Environment>(environment(n).0).state.0;
        let there = owner.place()?.region;
        let wish = Wish {
            region: if there == LYON { BERGEN } else { LYON },
            expected: None,
            sessions: Fate::StartFresh,
            drain: DRAIN,
            by: ActorId(Uuid::from_u128(9)),
            acknowledgements: vec![Acknowledgement { gate: "sessions".into(), reason: reason(), covers: None }],
            reason: Some(reason()),
        };
        let id = self.door.clock().new_id();
        region_failover::request(id, owner, &settings, wish, at(self.seconds)).ok()
    }

    fn wish_to_empty_a_host(&mut self) -> Requested {
        // Mostly one of a cell in which nobody is at work.
        let active = |id: HostId| self.load::<Host>(id.0).state.0.state == Some(host::State::Active);
        let quiet = |of: CellId| HOSTS.iter().filter(|(_, _, cell)| *cell == of).all(|(id, ..)| active(*id));
        let quiet = HOSTS.iter().filter(|(_, _, cell)| quiet(*cell)).copied().collect::<Vec<_>>();
        let among = if quiet.is_empty() || self.dice.once_in(4) { HOSTS.to_vec() } else { quiet };
        let (host, region, cell) = among[self.dice.below(among.len())];
        let asked = self.asked_for(Work::HostDrain(HostDrain { host }), 2 * DEADLINE);
        Requested { region, cell: Some(cell), ..asked }
    }
}
