//! What bindings owe: each is proven by a probe that its own operation sent with the credential that is used from then on, by one
//! resource for ever, in the append that ends the operation; and nobody is promoted to own traffic without what its bytes need.

use super::{Beside, Verdict, law};
use rhone_domain::{
    artifact,
    backend::{self, Purpose, Use},
    binding::{BindingWork, Change, Credential, Proof, State},
    digest::Digest,
    ids::BindingId,
    operation::Stage,
    provider::{Needs, Resource},
    provider_binding,
    runtime_service::Service,
    runtime_service_binding,
};
use rhone_eventstore::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Resource(Resource),
    Service(Service),
}

struct One {
    environment: Uuid,
    thing: Thing,
    state: State,
    identity: Option<String>,
}

/// All bindings, and the operations on them.
#[derive(Default)]
pub(super) struct Bindings {
    bound: BTreeMap<BindingId, One>,
    works: BTreeMap<Uuid, BindingWork>,
    uses: BTreeMap<Uuid, BTreeMap<BindingId, Use>>,
    needs: BTreeMap<Digest, Needs>,
    /// What ended in the append that is being read.
    ended: Vec<(Uuid, Stage)>,
    proven_again: usize,
}

enum Said {
    Asked(BindingId, Thing),
    Proven(BindingId, Proof, Option<Credential>),
    Unproven(BindingId),
    Ended(BindingId),
}

/// What an event of a noun says.
macro_rules! said {
    ($event:expr, $module:ident, $thing:expr) => {
        match $event.decode::<$module::Event>().map_err(|error| error.to_string())? {
            $module::Event::Requested(asked) => Said::Asked(asked.id, $thing(asked.what)),
            $module::Event::Verified { binding, proof, credential } => Said::Proven(binding, proof, credential),
            $module::Event::Failed { binding, .. } => Said::Unproven(binding),
            $module::Event::Disabled { binding, .. } => Said::Ended(binding),
        }
    };
}

fn said(event: &Recorded) -> Result<Said, String> {
    Ok(if event.envelope.stream.category() == "provider_binding" {
        said!(event, provider_binding, |what: provider_binding::What| Thing::Resource(what.resource))
    } else {
        said!(event, runtime_service_binding, |what: runtime_service_binding::What| Thing::Service(what.service))
    })
}

impl Bindings {
    pub(super) fn needs(&mut self, bytes: Digest, needs: Needs) {
        self.needs.insert(bytes, needs);
    }

    /// What bytes need is what they said when they were put on record.
    pub(super) fn registered(&mut self, event: &Recorded) -> Verdict {
        let artifact::Event::Created(created) = event.decode().map_err(|error| error.to_string())?;
        self.needs(created.digest, created.facts.needs);
        Ok(())
    }

    pub(super) fn asked(&mut self, operation: Uuid, work: &BindingWork) {
        self.works.insert(operation, work.clone());
    }

    pub(super) fn is_about_one(&self, operation: Uuid) -> bool {
        self.works.contains_key(&operation)
    }

    /// An operation ends in this append; what it owes is looked at when all of the append was read.
    pub(super) fn ended(&mut self, operation: Uuid, stage: Stage) {
        if self.is_about_one(operation) && stage.is_final() {
            self.ended.push((operation, stage));
        }
    }

    /// One event of a lane of bindings.
    pub(super) fn read(&mut self, event: &Recorded, append: &[Recorded], beside: &Beside<'_>) -> Verdict {
        let said = said(event)?;
        if let Said::Asked(binding, thing) = said {
            let environment = event.envelope.stream.id();
            let asked = append.iter().any(|event| event.envelope.event_type == "operation.requested");
            law(asked, || "a binding was asked for and nobody proves it".into())?;
            let fresh = One { environment, thing, state: State::Requested, identity: None };
            return law(self.bound.insert(binding, fresh).is_none(), || "a binding was asked for twice".into());
        }
        let (Said::Asked(binding, _) | Said::Proven(binding, ..) | Said::Unproven(binding) | Said::Ended(binding)) =
            said;
        let works = &self.works;
        let ends = |event: &&Recorded| works.get(&event.envelope.stream.id()).is_some_and(|w| w.binding == binding);
        let by = append.iter().find(ends).map(|event| event.envelope.stream.id());
        let by = by.ok_or("a binding changed and no operation on it went on")?;
        let one = self.bound.get_mut(&binding).ok_or("a binding that nobody asked for")?;
        law(one.state != State::Disabled, || "a binding came back after its end".into())?;
        match said {
            Said::Proven(_, proof, credential) => {
                law(proof.by.0 == by, || "a binding is proven by another operation".into())?;
                let identity = proof.identity.ok_or("a database without an identity")?;
                let credential = credential.map(|credential| credential.value);
                let answered = (beside.probed)(proof.by, binding, credential, &identity);
                law(answered, || "a binding is proven by what no probe of it has said".into())?;
                let same = one.identity.as_ref().is_none_or(|known| *known == identity);
                law(same, || "another resource proves a binding than the one that was bound".into())?;
                self.proven_again += usize::from(one.state == State::Failed);
                (one.state, one.identity) = (State::Verified, Some(identity));
            }
            Said::Unproven(_) => one.state = State::Failed,
            Said::Ended(_) => one.state = State::Disabled,
            Said::Asked(..) => {}
        }
        Ok(())
    }

    /// Who uses a backend: preview and production no product database, unless that is meant.
    pub(super) fn backend(&mut self, event: &Recorded) -> Verdict {
        let uses = self.uses.entry(event.envelope.stream.id()).or_default();
        match event.decode().map_err(|error| error.to_string())? {
            backend::Event::Taken(of) => {
                let truth = |one: &Use| one.purpose == Purpose::Truth;
                let other = |one: &Use| one.binding != of.binding && one.kind != of.kind && truth(one) && truth(&of);
                let alone = of.shared.is_some() || !uses.values().any(other);
                uses.insert(of.binding, of);
                law(alone, || "preview and production share a database by accident".into())
            }
            backend::Event::Released { binding } => {
                uses.remove(&binding);
                Ok(())
            }
        }
    }

    /// What an append owes that ended operations on bindings.
    pub(super) fn owed(&mut self, append: &[Recorded]) -> Verdict {
        for (operation, stage) in std::mem::take(&mut self.ended) {
            let work = self.works.get(&operation).ok_or("an operation on a binding that nobody asked for")?;
            let state = self.bound.get(&work.binding).map(|one| one.state);
            let proven = |event: &Recorded| {
                event.envelope.event_type.ends_with("_binding.verified")
                    && event.envelope.stream.id() == work.environment.0
            };
            match (work.change, stage) {
                (Change::Unbind, Stage::Verified) => {
                    law(state == Some(State::Disabled), || "a binding was let go and is still attached".into())?;
                }
                (_, Stage::Verified) => {
                    law(append.iter().any(proven), || "an operation ended well and proved nothing".into())?;
                }
                (Change::Bind, _) | (Change::Verify, Stage::Failed) => {
                    let unproven = matches!(state, None | Some(State::Failed | State::Disabled));
                    law(unproven, || "a probe failed and its binding still counts".into())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What these bytes need and an environment lacks: what is not proven there at this moment.
    pub(super) fn lacks(&self, environment: Uuid, bytes: Digest) -> Option<String> {
        let Needs { providers, services, .. } = self.needs.get(&bytes)?;
        let resources = providers.keys().map(|resource| Thing::Resource(*resource));
        let mut things = resources.chain(services.keys().map(|service| Thing::Service(*service)));
        let proven = |thing: &Thing| {
            let here = |one: &&One| one.environment == environment && one.thing == *thing;
            self.bound.values().filter(here).any(|one| one.state == State::Verified)
        };
        things.find(|thing| !proven(thing)).map(|thing| format!("{thing:?}"))
    }

    /// Whether a service is proven there at this moment.
    pub(super) fn serves(&self, environment: Uuid, service: Service) -> bool {
        let here = |one: &&One| one.environment == environment && one.thing == Thing::Service(service);
        self.bound.values().filter(here).any(|one| one.state == State::Verified)
    }

    pub(super) fn needs_something(&self, bytes: Digest) -> bool {
        self.needs.get(&bytes).is_some_and(|needs| !needs.is_empty())
    }

    /// How many bindings were asked for and never proven, failed or let go.
    pub(super) fn open(&self) -> usize {
        self.bound.values().filter(|one| one.state == State::Requested).count()
    }

    /// How often one that had failed was proven again.
    pub(super) fn proven_again(&self) -> usize {
        self.proven_again
    }
}
