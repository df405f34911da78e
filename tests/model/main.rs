//! A model of the real rules, explored to its end. The rules are the programs' own: decide and apply of route owner,
//! operation, deployment, allocation and migrations, the process manager `promotion::next` with its gates, and the edge's
//! `judge`; the shell around them is the model's. Read by `./dev test` and, with wider bounds, `./dev soak model`.
//!
//! The world: production (deployment 0 owned it, 1 owns it, 2 is new) and a preview without an owner; two workers, two edges.
//! Requests capture the epoch of their moment and pass the gates that the API asks. A worker reads and decides in one step
//! and appends in a later one; between them anything may happen. An append checks the fence, then that nothing it asserts has
//! moved. An operation is lost by its worker when the other one takes its lease over; the loser goes on not knowing it. An
//! edge hears the newest entry, its own again, or what the other edge holds, which may be older.
//!
//! The bounds: [`RUNS`] says how often each thing may happen; an epoch is at most 2 plus the accepted requests (5). The
//! preview is limited to interference: at most one promotion of its own, of deployment 0, and one allocation of any
//! deployment that comes up there. Two operations of production are open at once, and a deployment has two allocations in
//! an environment at most; a third is not ordered. No run has everything at once: the product was too large.
//!
//! What is left out: cancel, quarantine lifts, restores of data, scaling, sleep, drains, approvals, time other than before and
//! after a deadline. Artifacts keep no state and declare no migration. An edge observes at the moment in which it is asked.
//!
//! The trap: a model in which nothing can go wrong. It must be able to reach eight things by name, and five planted bugs of
//! `sins.rs` must each break the law that it is named with.

#![expect(clippy::wildcard_enum_match_arm, reason = "a law looks at the few events that it is about")]

mod book;
mod laws;
mod nouns;
mod platform;
mod properties;
mod sins;
mod state;
mod worker;

use platform::{Bounds, Platform};
use properties::name;
use sins::Sin;
use stateright::{Checker, Expectation, HasDiscoveries, Model as _};
use std::{collections::BTreeSet, time::Instant};

/// Two requests to production, a migration, and each operation lost once at most.
const TWO: Bounds = Bounds {
    requests: [2, 0],
    open: [2, 1],
    fences: 2,
    freezes: [0, 0],
    migrations: [1, 0],
    failures: [0, 0],
    come_up: [0, 0],
    deadlines: [0, 0],
    deployments: [3, 1],
};

/// What `./dev test` explores.
const RUNS: [(&str, Bounds); 4] = [
    ("three requests", Bounds { requests: [3, 0], ..TWO }),
    ("a freeze", Bounds { freezes: [1, 0], ..TWO }),
    ("allocations fail", Bounds { failures: [1, 0], come_up: [0, 1], ..TWO }),
    ("a deadline passes beside a preview", Bounds { requests: [2, 1], deadlines: [1, 0], ..TWO }),
];

/// What `./dev soak model` explores.
const LONG_RUNS: [(&str, Bounds); 4] = [
    ("a preview interferes", Bounds { requests: [2, 1], come_up: [0, 1], ..TWO }),
    ("three requests, each lost twice", Bounds { requests: [3, 0], fences: 3, ..TWO }),
    ("three requests beside a preview", Bounds { requests: [3, 1], ..TWO }),
    ("a freeze and a deadline", Bounds { freezes: [1, 0], deadlines: [1, 0], ..TWO }),
];

/// Explores all that these bounds allow.
fn explore(what: &str, bounds: Bounds) {
    let begun = Instant::now();
    let checker = Platform::new(bounds, None).checker().threads(2).spawn_bfs().join();
    let (unique, generated, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    let found = checker.discoveries();
    let is_found = |expected: &Expectation| {
        let properties = properties::all().into_iter().filter(|one| one.expectation == *expected);
        properties.map(|one| (one.name, found.contains_key(one.name))).collect::<Vec<_>>()
    };
    let broken = is_found(&Expectation::Always).into_iter().filter(|(_, found)| *found).collect::<Vec<_>>();
    let missed = is_found(&Expectation::Sometimes).into_iter().filter(|(_, found)| !found).collect::<Vec<_>>();
    let took = begun.elapsed();
    println!(
        "{what}: {unique} unique states, {generated} generated, depth {depth}, {} broken laws, {took:?}",
        broken.len()
    );
    for (law, _) in &broken {
        println!("{law}: {:?}", found[law].clone().into_actions());
    }
    assert!(checker.is_done(), "{what}: not explored to the end");
    assert_eq!((broken, missed), (vec![], vec![]), "{what}: broken laws, and what cannot happen");
}

#[test]
fn no_law_is_broken_in_any_state() {
    for (what, bounds) in RUNS {
        explore(what, bounds);
    }
}

#[test]
fn every_planted_bug_is_found() {
    for (sin, law) in Sin::ALL {
        let bounds = Bounds { come_up: [0, 1], ..TWO };
        let until = HasDiscoveries::AllOf(BTreeSet::from([name(law)]));
        let checker = Platform::new(bounds, Some(sin)).checker().threads(2).finish_when(until).spawn_bfs().join();
        let found = checker.discovery(name(law)).map(stateright::Path::into_actions);
        println!("{sin:?} after {} states: {}: {found:?}", checker.unique_state_count(), name(law));
        assert!(found.is_some(), "{sin:?} was not found");
    }
}

/// `./dev soak model`.
#[test]
#[ignore = "takes minutes: ./dev soak model"]
fn soak() {
    for (what, bounds) in LONG_RUNS {
        explore(what, bounds);
    }
}
