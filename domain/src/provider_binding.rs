//! ProviderBinding: a platform-owned attachment between an environment and an outside resource, in one region. Owner: Rhone.
//! Writer: provider operations; a request is the API's. Durability: the log for what is attached, the vault for credentials.
//! Trap: assuming app-declared config proves hosted readiness; a binding counts only when an operation has verified it, with
//! evidence. One stream for each environment, whose id it has.

use crate::{
    aggregate::{self, Aggregate},
    backend::Purpose,
    binding::{Bound, Credential, Declared, Proof, State, Unproven, lane_of_bindings},
    ids::{BindingId, RegionId},
    provider::{Resource, Vendor},
    text::Reason,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    /// Which resource.
    pub resource: Resource,
    /// How it is reached.
    pub vendor: Vendor,
}

const MADE_OF: &str = "vendor";

impl What {
    /// For what its backend is used.
    pub fn purpose(self) -> Purpose {
        if self.resource == Resource::Database { Purpose::Truth } else { Purpose::Service }
    }

    fn same_place(self, other: Self) -> bool {
        self.resource == other.resource
    }
}

fn impossible(what: What) -> Option<String> {
    let possible = what.resource.vendors().contains(&what.vendor);
    (!possible).then(|| format!("{} cannot be a {}", what.vendor, what.resource))
}

lane_of_bindings! {
    /// An environment's provider bindings, as later decisions see them.
    ProviderBindings, What, "provider_binding",
    "provider_binding.requested", "provider_binding.verified", "provider_binding.failed", "provider_binding.disabled",
    "provider_binding.request", "provider_binding.verify", "provider_binding.fail", "provider_binding.disable"
}

impl ProviderBindings {
    /// The proven binding of a resource in a region; one that only failed or was only asked for is none.
    pub fn verified(&self, region: RegionId, resource: Resource) -> Option<&Bound<What>> {
        self.here(region, resource).find(|bound| bound.state == State::Verified)
    }

    /// Every binding of a resource in a region that is not disabled, the latest first.
    pub fn here(&self, region: RegionId, resource: Resource) -> impl Iterator<Item = &Bound<What>> {
        self.bindings.values().rev().filter(move |bound| {
            bound.declared.region == region
                && bound.declared.what.resource == resource
                && bound.state != State::Disabled
        })
    }
}

#[cfg(test)]
mod tests;
