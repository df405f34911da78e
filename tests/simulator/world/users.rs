//! What users do: they ask for promotions and rollbacks, some of them twice or on an old epoch, hold and let go of routes, set
//! variables, and change their minds.

use super::{DEADLINE, DEPLOYMENTS, ENVIRONMENTS, World, actor};
use crate::{
    bindings::Lanes,
    sins::{Sin, committed, reason},
};
use rhone_domain::{
    actor::Writer,
    database_impact::{self, Answer},
    digest::Digest,
    ids::CorrelationId,
    migrations::Migrations,
    numbers::Epoch,
    operation::{self, Acknowledgement, Kind, Operation, Requested, Work},
    route_owner::{self, RouteOwner},
};
use rhone_eventstore::Idempotency;
use rhone_tests::rules::{ACME, Ask, at, bytes, deploy, deployment, environment, number, requested};
use uuid::Uuid;

impl World {
    pub(super) fn user(&mut self) {
        let n = self.dice.below(ENVIRONMENTS);
        match self.dice.below(48) {
            0..=28 => self.ask(n),
            40..=45 => self.ask_to_deploy(n),
            29 => self.ask_again(),
            30 => self.tell_route(n, route_owner::Command::Freeze { reason: reason() }),
            31..=33 => self.tell_route(n, route_owner::Command::Unfreeze { reason: reason() }),
            34..=36 => self.tell_route(n, route_owner::Command::ReleasePin { reason: reason() }),
            37 | 38 => {
                let digest = bytes(self.dice.below(DEPLOYMENTS));
                self.tell_route(n, route_owner::Command::LiftQuarantine { digest, reason: reason() });
            }
            _ => self.wish_to_cancel(),
        }
    }

    fn ask(&mut self, n: usize) {
        if self.open_changes() > 0 && !self.dice.once_in(4) {
            return;
        }
        // Somebody sets a variable now and then, before a promotion and between two of the same deployment.
        if self.asked.len() % 3 == 2 {
            self.sets[n] += 1;
        }
        let route = self.load::<RouteOwner>(environment(n).0).state.0;
        let back = self.dice.once_in(if route.former.len() > 1 { 2 } else { 8 });
        let kind = if back { Kind::Rollback } else { Kind::Promotion };
        let expected = if self.dice.once_in(8) { Epoch(route.epoch.0.saturating_sub(1)) } else { route.epoch };
        let most = if self.dice.once_in(8) { DEPLOYMENTS } else { DEPLOYMENTS - 1 };
        let mut deployment = self.dice.below(most);
        // What needs something is mostly asked for where that is proven; by the time it is judged it may be gone.
        let proven = Lanes::load(self, environment(n)).proven();
        if !proven.is_empty() && self.dice.once_in(2) {
            deployment = proven[self.dice.below(proven.len())];
        }
        let former = route.former.keys().map(|id| number(*id));
        let former = former.filter(|n| route.owner.as_ref().is_none_or(|owner| owner.artifact != bytes(*n)));
        let former = former.collect::<Vec<_>>();
        if kind == Kind::Rollback && !former.is_empty() && !self.dice.once_in(4) {
            deployment = former[self.dice.below(former.len())];
        }
        self.send(n, kind, deployment, expected);
    }

    pub(super) fn promote(&mut self, n: usize, deployment: usize) {
        let epoch = self.load::<RouteOwner>(environment(n).0).state.0.epoch;
        self.send(n, Kind::Promotion, deployment, epoch);
    }

    fn send(&mut self, n: usize, kind: Kind, deployment: usize, expected: Epoch) {
        let (deadline, env_set) = (at(self.seconds + DEADLINE), self.set_of(n, deployment));
        let id = self.door.clock().new_id();
        let ask = Ask { id, kind, environment: n, deployment, env_set, expected, deadline };
        let mut asked = requested(&ask);
        if let Work::Promotion(change) = &mut asked.work
            && self.acknowledges(n, deployment)
        {
            change.acknowledgements.push(Acknowledgement { gate: "database".into(), reason: reason(), covers: None });
        }
        self.request_once(asked);
    }

    /// About every other time that the gate of the database has to be acknowledged, somebody does; never before what it is about
    /// has run, for the API refuses whoever asks too early.
    fn acknowledges(&self, n: usize, of: usize) -> bool {
        if committed(Sin::AcknowledgedInAdvance) {
            return true;
        }
        let owner = self.load::<RouteOwner>(environment(n).0).state.0.owner;
        let present = owner.map_or_else(Vec::new, |owner| self.declared(number(owner.deployment)));
        let ran = self.load::<Migrations>(environment(n).0).state.0;
        let found = database_impact::promotion(&self.declared(of), &present, &ran);
        found.answer == Answer::Acknowledge && self.asked.len() % 4 < 2
    }

    /// What counts on a migration that takes something away is promoted once that is on record, while no owner is changed.
    pub(super) fn promote_what_counts_on_it(&mut self, n: usize) {
        let of = 2;
        let owner = self.load::<RouteOwner>(environment(n).0).state.0.owner;
        let ran = self.load::<Migrations>(environment(n).0).state.0;
        let on_record = self.declared(of).iter().all(|one| ran.find(&one.id).is_some());
        let owns = owner.is_some_and(|owner| owner.deployment == deployment(of));
        if !owns && self.open_changes() == 0 && (on_record || committed(Sin::AcknowledgedInAdvance)) {
            self.promote(n, of);
        }
    }

    /// A release of a commit: the preview shows it as soon as it may, production when somebody says so.
    pub(super) fn ask_to_deploy(&mut self, n: usize) {
        let deployment = DEPLOYMENTS + self.deploys;
        // Each has its own bytes, and there are only so many.
        if deployment >= 200 {
            return;
        }
        self.deploys += 1;
        let id = self.door.clock().new_id();
        self.request_once(deploy(id, n, deployment, at(self.seconds + DEADLINE)));
    }

    pub(super) fn request_once(&mut self, requested: Requested) {
        let key = format!("request-{}", self.asked.len());
        self.asked.push((key.clone(), requested.clone()));
        self.request(&key, requested);
    }

    /// The same request arrives once more, under an id of its own, as a client that heard nothing sends it; that of a wake is made
    /// of what it wakes.
    fn ask_again(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let (key, requested) = self.asked[self.dice.below(self.asked.len())].clone();
        let id = if requested.kind() == Kind::Wake { requested.id } else { self.door.clock().new_id() };
        self.request(&key, Requested { id, ..requested });
    }

    fn request(&mut self, key: &str, requested: Requested) {
        let mut loaded = self.load::<Operation>(requested.id.0);
        let writer = if requested.kind() == Kind::HostDrain { Writer::Platform } else { Writer::Api };
        let mut unit = self.unit(writer, 9, requested.id.into(), Some(key));
        if unit.decide(&mut loaded, operation::Command::Request(requested)).is_err() {
            return;
        }
        let idempotency = Idempotency {
            workspace: ACME,
            actor: actor(9),
            key: key.to_owned(),
            fingerprint: Digest::of(&[key.as_bytes()]),
            answer: serde_json::Value::Null,
        };
        self.storm();
        let _lost_or_refused = self.commit(unit, Some(idempotency), None);
    }

    pub(super) fn tell_route(&mut self, n: usize, command: route_owner::Command) {
        let mut loaded = self.load::<RouteOwner>(environment(n).0);
        let mut unit = self.unit(Writer::Api, 9, CorrelationId(Uuid::from_u128(9)), None);
        if unit.decide(&mut loaded, command).is_ok() {
            let _refused = self.commit(unit, None, None);
        }
    }

    /// How many changes of an owner have not ended.
    fn open_changes(&self) -> usize {
        let tables = self.door.log().tables();
        let open = tables.operations.values().filter(|(one, _)| !one.stage.is_some_and(operation::Stage::is_final));
        open.filter(|(one, _)| rhone_tests::rules::change_of(one).is_some()).count()
    }

    pub(super) fn wish_to_cancel(&mut self) {
        let open = self.dice.once_in(2);
        let tables = self.door.log().tables();
        let ended = |one: &Operation| one.stage.is_some_and(operation::Stage::is_final);
        let ids = tables.operations.iter().filter(|(_, (one, _))| !(open && ended(one))).map(|(id, _)| *id);
        let ids = ids.collect::<Vec<_>>();
        drop(tables);
        if ids.is_empty() {
            return;
        }
        let id = ids[self.dice.below(ids.len())];
        let mut loaded = self.load::<Operation>(id.0);
        let mut unit = self.unit(Writer::Api, 9, id.into(), None);
        if unit.decide(&mut loaded, operation::Command::RequestCancel { reason: reason() }).is_ok() {
            let _refused = self.commit(unit, None, None);
        }
    }
}
