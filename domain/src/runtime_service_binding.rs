//! RuntimeServiceBinding: the declared and proven availability of a session store, broadcast backend, idempotency store, cache,
//! queue or object storage for an environment, in one region. Owner: Rhone. Writer: provider operations; a request is the
//! API's. Durability: the log for what is attached, the vault for credentials. Trap: allowing horizontal scale while required
//! runtime services are missing. One stream for each environment, whose id it has.

use crate::{
    aggregate::{self, Aggregate},
    backend::Purpose,
    binding::{Bound, Credential, Declared, Proof, State, Unproven, lane_of_bindings},
    environment::Environment,
    gate::{Code, Refusal},
    ids::{BindingId, RegionId},
    route_owner::RouteOwner,
    runtime_service::{Backend, Needed, Service, Standing, Standings},
    scale_readiness::{self, Readiness},
    text::Reason,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    /// Which service.
    pub service: Service,
    /// What it is made of.
    pub backend: Backend,
}

const MADE_OF: &str = "backend";

impl What {
    /// For what its backend is used.
    pub fn purpose(self) -> Purpose {
        if self.service == Service::Broadcast { Purpose::Broadcast } else { Purpose::Service }
    }

    fn same_place(self, other: Self) -> bool {
        self.service == other.service
    }
}

fn impossible(what: What) -> Option<String> {
    let possible = what.service.backends().contains(&what.backend);
    (!possible).then(|| format!("{} cannot be a {}", what.backend, what.service.spoken()))
}

lane_of_bindings! {
    /// An environment's runtime service bindings, as later decisions see them.
    RuntimeServices, What, "runtime_service_binding",
    "runtime_service_binding.requested", "runtime_service_binding.verified", "runtime_service_binding.failed",
    "runtime_service_binding.disabled",
    "runtime_service_binding.request", "runtime_service_binding.verify", "runtime_service_binding.fail", "runtime_service_binding.disable"
}

impl RuntimeServices {
    /// How every service stands in a region.
    pub fn standings(&self, region: RegionId) -> Standings {
        let mut standings = Standings::new();
        for bound in self.bindings.values().filter(|bound| bound.declared.region == region) {
            let What { service, backend } = bound.declared.what;
            match bound.state {
                State::Verified => drop(standings.insert(service, Standing::Verified(backend))),
                State::Requested | State::Failed => {
                    let _ = standings.entry(service).or_insert(Standing::Unproven(backend));
                }
                State::Disabled => {}
            }
        }
        standings
    }

    /// Whether an environment can do without one of its bindings. Several allocations that serve its traffic cannot do without
    /// what they share; what the artifact alone asks for is its next promotion's to judge, or nothing could ever be replaced.
    pub fn may_do_without(
        &self,
        binding: BindingId,
        environment: &Environment,
        owner: &RouteOwner,
    ) -> Result<(), Refusal> {
        let serves = owner.owner.is_some().then(|| owner.place()).flatten().map(|place| place.region);
        let Some(bound) = self.bindings.get(&binding).filter(|bound| Some(bound.declared.region) == serves) else {
            return Ok(());
        };
        let (service, replicas) = (bound.declared.what.service, environment.replicas);
        let lacks = |services: &Self| match scale_readiness::judge(
            replicas.0.into(),
            &Needed::new(),
            &services.standings(bound.declared.region),
        ) {
            Readiness::Allowed(_) => false,
            Readiness::Blocked(missing) => missing.iter().any(|one| one.service == service),
        };
        let mut without = self.clone();
        without.change(binding, |bound| bound.state = State::Disabled);
        if lacks(self) || !lacks(&without) {
            return Ok(());
        }
        let name = service.spoken();
        let words = format!("{replicas} allocations serve the environment and share its {name}: scale it to one first");
        let mut refusal = Refusal::new(Code::RuntimeServiceNeeded, Some("runtimeServiceBindingId"), words);
        refusal.expected_and_actual = Some(("1".to_owned(), replicas.to_string()));
        Err(refusal)
    }
}

#[cfg(test)]
mod tests;
