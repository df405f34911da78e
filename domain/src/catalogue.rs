//! The catalogue of nouns with their events and commands, generated from the types themselves. Its events are compared with
//! the checked-in file by a test, its commands with the table of authorization.

use crate::{
    aggregate::{Aggregate, Command, Event},
    allocation::Allocation,
    app::App,
    artifact::Artifact,
    backend::Backend,
    cell::Cell,
    claim::Claim,
    deployment::Deployment,
    environment::Environment,
    history::{Folding, folding_of},
    host::Host,
    migrations::Migrations,
    operation::Operation,
    project::Project,
    provider_binding::ProviderBindings,
    refusal::Refusals,
    region::Region,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    token::Token,
    variables::Variables,
    workspace::Workspace,
};
use serde::Serialize;

/// What a noun has.
#[derive(Clone, Copy, Debug)]
pub struct Noun {
    /// The first half of its streams' names.
    pub category: &'static str,
    /// Its types of events with their newest schema versions.
    pub events: &'static [(&'static str, u16)],
    /// The names of its commands.
    pub commands: &'static [&'static str],
    /// Begins a fold of it, for whoever knows its category only.
    pub folding: fn() -> Box<dyn Folding>,
}

/// Every type of event with its category and newest schema version, in order.
pub fn events() -> Vec<(&'static str, &'static str, u16)> {
    let of = |noun: Noun| noun.events.iter().map(move |(event, version)| (noun.category, *event, *version));
    nouns().into_iter().flat_map(of).collect()
}

/// The name of every command, in order.
pub fn commands() -> Vec<&'static str> {
    nouns().into_iter().flat_map(|noun| noun.commands.iter().copied()).collect()
}

/// Every noun, in order.
pub fn nouns() -> Vec<Noun> {
    let mut all = Vec::new();
    add::<Allocation>(&mut all);
    add::<App>(&mut all);
    add::<Artifact>(&mut all);
    add::<Backend>(&mut all);
    add::<Cell>(&mut all);
    add::<Claim>(&mut all);
    add::<Deployment>(&mut all);
    add::<Environment>(&mut all);
    add::<Host>(&mut all);
    add::<Migrations>(&mut all);
    add::<Operation>(&mut all);
    add::<Project>(&mut all);
    add::<ProviderBindings>(&mut all);
    add::<Refusals>(&mut all);
    add::<Region>(&mut all);
    add::<RouteOwner>(&mut all);
    add::<Token>(&mut all);
    add::<Variables>(&mut all);
    add::<RuntimeServices>(&mut all);
    add::<Workspace>(&mut all);
    all
}

fn add<A: Aggregate + Serialize>(all: &mut Vec<Noun>) {
    all.push(Noun {
        category: A::CATEGORY,
        events: A::Event::TYPES,
        commands: A::Command::NAMES,
        folding: folding_of::<A>,
    });
}

#[cfg(test)]
pub(crate) mod tests;
