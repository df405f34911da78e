//! What users ask about bindings: to attach a resource, to prove it again, to change its credential, and to let it go. Now and
//! then the address is that of another environment's database, by accident or because it is meant.

use super::{ENVIRONMENTS, World, actor};
use crate::{
    bindings::lane::{Lane, Noun},
    sins::reason,
};
use rhone_domain::{
    actor::Writer,
    binding::{BindingWork, Change, Credential},
    digest::Digest,
    ids::{BindingId, OperationId},
    numbers::EnvSet,
    operation::{self, Operation, Requested, Work},
    runtime_service::Service,
    scale_readiness::SHARED,
    text::Reason,
};
use rhone_eventstore::{Idempotency, Unit};
use rhone_tests::rules::{ACME, LYON, SHOP, at, environment};

/// How long an operation on a binding may take.
const DEADLINE: i64 = 60;

impl World {
    /// What several allocations share is bound to production before anything else happens.
    pub(super) fn share_services(&mut self) {
        for service in SHARED {
            self.bind(Noun::Service, service, 0);
        }
    }

    /// A database for what needs one.
    pub(super) fn bind_a_database(&mut self, n: usize) {
        self.bind(Noun::Provider, Service::SessionStore, n);
    }

    /// A service, or of providers the database.
    fn bind(&mut self, noun: Noun, service: Service, n: usize) {
        let (binding, id): (BindingId, OperationId) = (self.door.clock().new_id(), self.door.clock().new_id());
        let credential = Credential { value: self.door.clock().new_id(), generation: EnvSet(1) };
        let mut lane = Lane::load(self, noun, environment(n));
        let (key, mut unit) = (format!("binding-{id}"), self.unit(Writer::Api, 9, id.into(), None));
        self.provider.offer(binding, resource(noun, service, n));
        let asked = lane.request(&mut unit, (binding, n), service, credential, None);
        assert!(asked.is_some(), "it can be asked for");
        let change = Change::Bind;
        let work = BindingWork { app: SHOP, environment: environment(n), binding, change, credential: None };
        self.send_about_a_binding(unit, &key, self.about_a_binding(id, noun, work, None));
    }

    pub(super) fn attach(&mut self) {
        // Mostly somebody is at work on what somebody else is about to rest on.
        let n = match self.changing() {
            Some(n) if !self.dice.once_in(3) => n,
            _ => self.dice.below(ENVIRONMENTS),
        };
        let noun = if self.dice.once_in(3) { Noun::Service } else { Noun::Provider };
        let mut lane = Lane::load(self, noun, environment(n));
        let attached = lane.attached();
        let change = match self.dice.below(8) {
            _ if attached.is_empty() => Change::Bind,
            0 | 1 => Change::Bind,
            2..=4 => Change::Verify,
            5 | 6 => Change::Rotate,
            _ => Change::Unbind,
        };
        let new = change == Change::Bind;
        let binding = if new { self.door.clock().new_id() } else { attached[self.dice.below(attached.len())] };
        let generation = if new { EnvSet(1) } else { lane.next_generation(binding) };
        let credential = Credential { value: self.door.clock().new_id(), generation };
        let shared = (new && self.dice.once_in(4)).then(reason);
        let id: OperationId = self.door.clock().new_id();
        let key = format!("binding-{id}");
        let mut unit = self.unit(Writer::Api, 9, id.into(), Some(&key));
        if new {
            let other = self.is_estate() && self.dice.once_in(2);
            let service = if other { Service::Broadcast } else { Service::SessionStore };
            self.offer(noun, service, n, binding);
            if lane.request(&mut unit, (binding, n), service, credential, shared.clone()).is_none() {
                return;
            }
        } else {
            lane.assert(&mut unit);
        }
        if change == Change::Rotate && self.dice.once_in(4) {
            self.provider.revoke(credential.value);
        }
        let credential = (change == Change::Rotate).then_some(credential);
        let work = BindingWork { app: SHOP, environment: environment(n), binding, change, credential };
        let why = if change == Change::Unbind { Some(reason()) } else { shared };
        self.send_about_a_binding(unit, &key, self.about_a_binding(id, noun, work, why));
    }

    /// The environment of a change of owner, or of how many there are, that has not ended.
    fn changing(&self) -> Option<usize> {
        let tables = self.door.log().tables();
        let open = |one: &&Operation| one.stage.is_some_and(|stage| !stage.is_final());
        let rests = |work: &Work| work.route_change().is_some() || matches!(work, Work::Scale(_));
        let of = tables.operations.values().map(|(one, _)| one).filter(open).find_map(|one| {
            let work = &one.requested.as_ref()?.work;
            work.environment().filter(|_| rests(work))
        })?;
        (0..ENVIRONMENTS).find(|n| environment(*n) == of)
    }

    /// Where the address leads: to the environment's own, and sometimes to another one's.
    fn offer(&mut self, noun: Noun, service: Service, n: usize, binding: BindingId) {
        let of = if self.dice.once_in(5) { (n + 1) % ENVIRONMENTS } else { n };
        self.provider.offer(binding, resource(noun, service, of));
    }

    fn about_a_binding(&self, id: OperationId, noun: Noun, work: BindingWork, reason: Option<Reason>) -> Requested {
        let (deadline, work) = (at(self.seconds + DEADLINE), noun.work(work));
        Requested { id, workspace: ACME, region: LYON, cell: None, reason, deadline, work }
    }

    fn send_about_a_binding(&mut self, mut unit: Unit, key: &str, requested: Requested) {
        let mut loaded = self.load::<Operation>(requested.id.0);
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
}

/// What is bound to an environment, by the name that it gives itself.
fn resource(noun: Noun, service: Service, of: usize) -> String {
    let what = if noun == Noun::Service { service.as_str() } else { "database" };
    format!("{what} of {of}")
}
