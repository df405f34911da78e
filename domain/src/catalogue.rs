//! The catalogue of events, generated from the types themselves and compared with the checked-in file by a test.

use crate::{
    aggregate::{Aggregate, Event},
    allocation::Allocation,
    app::App,
    artifact::Artifact,
    cell::Cell,
    claim::Claim,
    deployment::Deployment,
    environment::Environment,
    host::Host,
    operation::Operation,
    project::Project,
    refusal::Refusals,
    region::Region,
    route_owner::RouteOwner,
    workspace::Workspace,
};

/// Every type of event with its category and newest schema version, in order.
pub fn events() -> Vec<(&'static str, &'static str, u16)> {
    let mut all = Vec::new();
    add::<Allocation>(&mut all);
    add::<App>(&mut all);
    add::<Artifact>(&mut all);
    add::<Cell>(&mut all);
    add::<Claim>(&mut all);
    add::<Deployment>(&mut all);
    add::<Environment>(&mut all);
    add::<Host>(&mut all);
    add::<Operation>(&mut all);
    add::<Project>(&mut all);
    add::<Refusals>(&mut all);
    add::<Region>(&mut all);
    add::<RouteOwner>(&mut all);
    add::<Workspace>(&mut all);
    all
}

fn add<A: Aggregate>(all: &mut Vec<(&'static str, &'static str, u16)>) {
    all.extend(A::Event::TYPES.iter().map(|(event_type, version)| (A::CATEGORY, *event_type, *version)));
}

#[cfg(test)]
mod tests;
