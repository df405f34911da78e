//! Every case of the decision, and its two traps by their names.

use super::*;
use crate::runtime_service::Backend;

const SERVERS: [Server; 2] = [Server::Same, Server::Another];
const SCHEMAS: [Schema; 2] = [Schema::Compatible, Schema::Incompatible];

/// Rows: how sessions can be resumed. Columns: same allocation with a compatible and an incompatible schema, another one with
/// a compatible and an incompatible schema. `d`: drained in place. `h`: hydrated. `f`: fresh.
const TABLE: [(ResumeMode, &str); 3] =
    [(ResumeMode::None, "ddff"), (ResumeMode::InMemory, "ddff"), (ResumeMode::PersistentStore, "ddhf")];

type Decide = fn(ResumeMode, Server, Schema) -> Fate;

/// The cases that a function decides otherwise than the table.
fn differences(decide: Decide) -> Vec<(ResumeMode, Server, Schema)> {
    let mut wrong = vec![];
    for (mode, row) in TABLE {
        let cases = SERVERS.into_iter().flat_map(|server| SCHEMAS.map(|schema| (server, schema)));
        for ((server, schema), letter) in cases.zip(row.chars()) {
            let wanted = match letter {
                'd' => Fate::DrainInPlace,
                'h' => Fate::Hydrate,
                _ => Fate::StartFresh,
            };
            if decide(mode, server, schema) != wanted {
                wrong.push((mode, server, schema));
            }
        }
    }
    wrong
}

/// The cases in which a sin shows, none of which the decision itself commits.
fn caught(sin: Decide) -> Vec<(ResumeMode, Server, Schema)> {
    let (shows, committed) = (differences(sin), differences(decide));
    assert!(shows.iter().all(|case| !committed.contains(case)), "the decision commits it: {committed:?}");
    shows
}

#[test]
fn every_session_gets_what_the_table_says() {
    assert_eq!(TABLE.map(|(mode, _)| mode).as_slice(), ResumeMode::ALL);
    assert_eq!(differences(decide), []);
}

#[test]
fn claiming_sessions_moved_when_they_are_still_attached_to_the_old_allocation() {
    // The sin: what is attached is said to be served by somebody else already.
    let sin: Decide = |mode, _, schema| decide(mode, Server::Another, schema);
    assert_eq!(caught(sin).len(), 6, "every session of the same allocation, whatever its mode");
    assert!(Fate::ALL.iter().all(|fate| !fate.as_str().contains("mov")), "there is no word for it");
}

#[test]
fn pretending_sessions_teleport() {
    // The sin: another allocation goes on with what it cannot have seen.
    let sin: Decide = |mode, server, schema| match server {
        Server::Same => decide(mode, server, schema),
        Server::Another => Fate::Hydrate,
    };
    assert_eq!(caught(sin).len(), 5, "all but a compatible persistent store");
}

#[test]
fn trap_session_store_assumed_to_serialize_an_entire_go_process() {
    // The sins: a store keeps whatever a process held, so that no schema matters; and what a process held is as good as kept.
    let keeps_it_all: Decide = |mode, server, schema| match (mode, server) {
        (ResumeMode::PersistentStore, Server::Another) => Fate::Hydrate,
        _ => decide(mode, server, schema),
    };
    let memory_is_a_store: Decide = |mode, server, schema| match mode {
        ResumeMode::InMemory => decide(ResumeMode::PersistentStore, server, schema),
        ResumeMode::None | ResumeMode::PersistentStore => decide(mode, server, schema),
    };
    let (store, another) = (ResumeMode::PersistentStore, Server::Another);
    assert_eq!(caught(keeps_it_all), [(store, another, Schema::Incompatible)]);
    assert_eq!(caught(memory_is_a_store), [(ResumeMode::InMemory, another, Schema::Compatible)]);
}

#[test]
fn only_a_proven_session_store_resumes() {
    let mode = |standing: Option<Standing>| {
        ResumeMode::of(&standing.into_iter().map(|standing| (Service::SessionStore, standing)).collect())
    };
    assert_eq!(mode(None), ResumeMode::None);
    for backend in Service::SessionStore.backends().iter().copied() {
        assert_eq!(mode(Some(Standing::Unproven(backend))), ResumeMode::None, "{backend}");
        let proven = if backend == Backend::Memory { ResumeMode::InMemory } else { ResumeMode::PersistentStore };
        assert_eq!(mode(Some(Standing::Verified(backend))), proven, "{backend}");
    }
}
