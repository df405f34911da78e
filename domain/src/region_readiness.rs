//! Whether a region is fit for an environment: a pure decision, gate by gate, on what is proven in that very region. Trap:
//! thinking that several regions are only a matter of DNS; a host that is there proves neither services nor data nor bytes, and
//! what is proven at home proves nothing elsewhere.

use crate::{
    artifact_facts::ArtifactFacts,
    cell::Cell,
    environment::{DataTopology, Environment, Rejection},
    gate::{Code, Judged, Refusal, provider_bindings, residency, runtime_services, variables},
    provider::{Needs, Resource},
    provider_binding::ProviderBindings,
    region::Region,
    region_enablement::Enablement,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    variables::Variables,
};

/// What the gates look at, folded from streams whose versions the append asserts.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub wanted: &'a Enablement,
    /// The environment.
    pub environment: &'a Environment,
    /// Who owns its traffic.
    pub owner: &'a RouteOwner,
    /// What the owner's bytes say; none without an owner.
    pub artifact: Option<&'a ArtifactFacts>,
    /// Its outside resources, of every region.
    pub providers: &'a ProviderBindings,
    /// Its runtime services, of every region.
    pub services: &'a RuntimeServices,
    /// Its sets of variables.
    pub variables: &'a Variables,
    /// The region it is about.
    pub region: &'a Region,
    /// The cell it is about.
    pub cell: &'a Cell,
}

/// Judges every gate. The list is the order in which a caller learns of closed ones.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    let nothing = Needs::default();
    let needs = facts.artifact.map_or(&nothing, |artifact| &artifact.needs);
    let (region, replicas) = (facts.wanted.region, facts.environment.replicas.0.into());
    let set = facts.owner.owner.as_ref().map(|owner| owner.env_set).unwrap_or_default();
    let secrets = variables::of(needs, set, facts.variables);
    vec![
        residency::of(facts.environment, region),
        cell(facts),
        already(facts),
        owner(facts),
        data_topology(facts, needs),
        provider_bindings::of(needs, region, facts.providers),
        runtime_services::of(replicas, &needs.services, &facts.services.standings(region)),
        secrets.named("secrets"),
    ]
}

fn already(facts: &Facts<'_>) -> Judged {
    const KIND: &str = "already";
    let evidence = facts.wanted.region.to_string();
    match facts.environment.may_enable(facts.wanted.region) {
        Err(rejection @ (Rejection::Home(_) | Rejection::AlreadyEnabled(_))) => {
            Judged::closed(KIND, Refusal::of(&rejection), evidence)
        }
        // What else may be said against it is another gate's.
        Ok(()) | Err(_) => Judged::open(KIND, "it is neither the home region nor enabled", evidence),
    }
}

fn cell(facts: &Facts<'_>) -> Judged {
    const KIND: &str = "cell";
    let evidence = format!("region {}, cell {}", facts.wanted.region, facts.wanted.cell);
    let known = facts.region.created.as_ref().is_some_and(|region| region.id == facts.wanted.region);
    let its_region = facts.cell.created.as_ref().map(|cell| cell.region);
    let refusal = match its_region {
        _ if !known => Refusal::new(Code::NotFound, Some("regionId"), "there is no such region"),
        None => Refusal::new(Code::NotFound, Some("cellId"), "there is no such cell"),
        Some(its) if its != facts.wanted.region => {
            let mut refusal = Refusal::new(Code::CellElsewhere, Some("cellId"), "the cell belongs to another region");
            refusal.expected_and_actual = Some((facts.wanted.region.to_string(), its.to_string()));
            refusal
        }
        Some(_) => return Judged::open(KIND, "the cell belongs to the region", evidence),
    };
    Judged::closed(KIND, refusal, evidence)
}

fn owner(facts: &Facts<'_>) -> Judged {
    match &facts.owner.owner {
        Some(owner) => Judged::open("owner", "a deployment owns the traffic", owner.artifact.to_string()),
        None => {
            let message = "no deployment owns the traffic yet, so that there is nothing to bring there";
            Judged::closed("owner", Refusal::new(Code::NoOwner, Some("environmentId"), message), "none")
        }
    }
}

/// Where the data is; of an app with a database, nobody may say that there is none.
fn data_topology(facts: &Facts<'_>, needs: &Needs) -> Judged {
    const KIND: &str = "data_topology";
    let migrates = facts.artifact.is_some_and(|artifact| !artifact.migrations.is_empty());
    let database = needs.providers.contains_key(&Resource::Database) || migrates;
    let refused = |code, message, evidence: &str| {
        Judged::closed(KIND, Refusal::new(code, Some("dataTopology"), message), evidence)
    };
    match facts.wanted.topology {
        None => {
            let message = "nobody has said where the data is for this region: replicated, shared or none";
            refused(Code::DataTopologyUndeclared, message, "undeclared")
        }
        Some(DataTopology::Nothing) if database => {
            let message = "the artifact needs a database, and none is said to be there";
            refused(Code::DataNotReplicated, message, DataTopology::Nothing.as_str())
        }
        Some(topology) => Judged::open(KIND, "it is said where the data is", topology.as_str()),
    }
}

#[cfg(test)]
mod tests;
