//! How the book becomes the table that requests read. Called by the applier alone. The trap: a socket opened right after a
//! flip that finds its allocation still marked for closing, so fates are told before routes are shown.

use crate::{
    allocations::Fate,
    book::{Book, Key},
    clock,
    core::Core,
    drain::fate,
    table::{Lane, Table, Target, Targets, Trust},
};
use rhone_domain::{
    feed::{Content, Endpoint, EndpointState, Route},
    ids::EnvironmentId,
};
use std::{collections::HashMap, sync::Arc};

/// Brings one key of the table up to the book.
pub(crate) fn key(core: &Core, book: &Book, key: Key) {
    let table = core.table.load();
    match book.held.get(&key).map(|held| &held.content) {
        Some(Content::Route(route)) => {
            tell_fates(core, route, &table.targets(route.environment));
            table.set_lane(lane(core, book, route));
            core.waking.moved(route.environment);
        }
        Some(Content::Allocation(endpoint)) if endpoint.state == EndpointState::Gone => {
            table.drop_target(endpoint.environment, endpoint.allocation);
            core.allocations.forget(endpoint.allocation);
        }
        Some(Content::Allocation(endpoint)) => {
            if let Some(target) = target(core, endpoint) {
                if let Some(found) = table.environment(endpoint.environment) {
                    tell_fate(core, &found.lane.route, &target);
                }
                if endpoint.state == EndpointState::Draining {
                    // Nobody new comes; a connection kept for them would only keep the app from ending.
                    target.allocation.forget_idle();
                }
                table.set_target(target);
                core.waking.moved(endpoint.environment);
            }
        }
        None => {}
    }
}

/// Swaps in a table made from the whole book; which environments have another epoch than before.
pub(crate) fn all(core: &Core, book: &Book) -> Vec<EnvironmentId> {
    let table = Table::with_capacity(book.held.len());
    for (environment, targets) in targets(core, book) {
        table.set_targets(environment, targets);
    }
    let before = core.table.load();
    let mut changed = Vec::new();
    for held in book.held.values() {
        if let Content::Route(route) = &held.content {
            tell_fates(core, route, &table.targets(route.environment));
            table.set_lane(lane(core, book, route));
            if before.environment(route.environment).is_none_or(|found| found.lane.route.epoch != route.epoch) {
                changed.push(route.environment);
            }
        }
    }
    core.table.store(Arc::new(table));
    core.waking.all_moved();
    core.allocations.keep_only(|id| book.held.contains_key(&Key::Allocation(id)));
    changed
}

fn targets(core: &Core, book: &Book) -> HashMap<EnvironmentId, Targets> {
    let mut all: HashMap<EnvironmentId, Vec<Arc<Target>>> = HashMap::new();
    for held in book.held.values() {
        if let Content::Allocation(endpoint) = &held.content
            && endpoint.state != EndpointState::Gone
            && let Some(target) = target(core, endpoint)
        {
            all.entry(endpoint.environment).or_default().push(Arc::new(target));
        }
    }
    all.into_iter().map(|(environment, targets)| (environment, targets.into())).collect()
}

fn target(core: &Core, endpoint: &Endpoint) -> Option<Target> {
    let target = Target::new(endpoint.clone(), core.allocations.meet(endpoint.allocation));
    if target.is_none() {
        core.counters.feed_unread.up();
        tracing::warn!(allocation = %endpoint.allocation, "an endpoint's address is none");
    }
    target
}

fn lane(core: &Core, book: &Book, route: &Route) -> Lane {
    let trust = match route.region {
        _ if book.quarantined.contains_key(&route.environment) => Trust::Quarantined,
        region if region == core.config.region => Trust::Good,
        region => Trust::Elsewhere(region),
    };
    Lane::new(route.clone(), trust)
}

fn tell_fates(core: &Core, route: &Route, targets: &Targets) {
    for target in targets.iter() {
        tell_fate(core, route, target);
    }
}

fn tell_fate(core: &Core, route: &Route, target: &Target) {
    if route.region != core.config.region {
        // Nobody new comes; a connection kept for them would only keep the app from ending.
        target.allocation.forget_idle();
    }
    target.allocation.fate.send_if_modified(|known: &mut Fate| {
        let next = fate(route, core.config.region, target.endpoint.deployment, *known, clock::now());
        let changed = *known != next;
        *known = next;
        changed
    });
}
