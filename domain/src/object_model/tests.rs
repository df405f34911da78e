//! The nouns are described once and whole; and the traps that are structure: what an identity is made of.

use super::*;
use crate::{
    aggregate::{Command as _, fold},
    allocation::{self, Planned},
    catalogue, environment,
    feed::Route,
    numbers::Epoch,
    operation, provider_binding,
    route_owner::{self, RouteOwner},
    runtime_service_binding,
    story::{
        BLUE, CELL_1, FIRST, GREEN, HOST_1, HOST_2, LYON, allocated, allocation as allocation_id, at, crashed, host,
        moved, opened, owner, planned, ready,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};
use uuid::Uuid;

#[test]
fn no_noun_stands_twice_and_none_without_owner_writer_durability_and_trap() {
    let mut names = NOUNS.iter().map(|noun| noun.name).collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NOUNS.len());
    for noun in NOUNS {
        let cells = [noun.meaning, noun.owner, noun.written_by, noun.durability, noun.trap];
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{}", noun.name);
    }
}

/// The nouns as people know them.
const KNOWN: [&str; 14] = [
    "Workspace",
    "Project",
    "App",
    "Environment",
    "Deployment",
    "Artifact",
    "Allocation",
    "RouteOwner",
    "Operation",
    "ProviderBinding",
    "RuntimeServiceBinding",
    "Region",
    "Cell",
    "Host",
];

#[test]
fn the_nouns_are_those_that_people_know_and_each_has_streams_of_its_own() {
    assert_eq!(NOUNS.iter().map(|noun| noun.name).collect::<Vec<_>>(), KNOWN);
    let streams = catalogue::nouns().into_iter().map(|noun| noun.category).collect::<Vec<_>>();
    for noun in NOUNS {
        assert_eq!(streams.iter().filter(|category| **category == noun.category).count(), 1, "{}", noun.name);
    }
}

/// What the file of every noun says of it in its first lines.
const SAID: [&str; 4] = [" Owner: ", " Writer: ", " Durability: ", " Trap: "];

fn module_doc(noun: &Noun) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(noun.category).with_extension("rs");
    let whole = fs::read_to_string(path).expect("every noun has its file");
    let doc = whole.lines().take_while(|line| line.starts_with("//!"));
    doc.map(|line| line.trim_start_matches("//!").trim()).collect::<Vec<_>>().join(" ")
}

fn unsaid(doc: &str) -> Vec<&'static str> {
    SAID.into_iter().filter(|word| !doc.contains(word)).collect()
}

#[test]
fn the_file_of_every_noun_begins_with_its_owner_writer_durability_and_trap() {
    for noun in NOUNS {
        let doc = module_doc(noun);
        assert_eq!(unsaid(&doc), Vec::<&str>::new(), "{}", noun.name);
        for word in SAID {
            assert_eq!(unsaid(&doc.replace(word, "")), [word], "{}: the sin, a file that leaves it out", noun.name);
        }
    }
}

/// What events of an identity look like in the log for ever.
fn golden(event: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{event}.v1.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("the golden file is there")).expect("it is JSON")
}

/// The fields, however deep, whose name has one of these words.
fn fields_with(payload: &Value, words: &[&str]) -> Vec<String> {
    match payload {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let itself = name.split('_').any(|part| words.contains(&part)).then(|| name.clone());
                itself.into_iter().chain(fields_with(value, words))
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(|value| fields_with(value, words)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The shop is moved from the first cell to another region's: whoever knows it by name, route key or owner knows it still.
#[test]
fn trap_hardcoding_the_first_cell_into_public_product_identity() {
    let promoted =
        route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(BLUE), at: at(0), drain: None };
    let named = route_owner::Event::HostAttached { host: host("shop.example.com") };
    let mut events = vec![route_owner::Event::Opened(opened()), named, promoted];
    let at_home = fold::<RouteOwner>(&events).route().expect("it is open");
    events.push(route_owner::Event::Moved(moved()));
    let elsewhere = fold::<RouteOwner>(&events).route().expect("it is open");
    assert_ne!((at_home.region, at_home.cell), (elsewhere.region, elsewhere.cell), "it is served elsewhere");
    let public =
        |route: &Route| (route.environment, route.workspace, route.app, route.hosts.clone(), route.owner.clone());
    assert_eq!(public(&at_home), public(&elsewhere));
    let hardcoded = |route: &Route| format!("{}.{}.rhone.app", route.app, route.cell);
    assert_ne!(hardcoded(&at_home), hardcoded(&elsewhere), "the sin is caught: its customers would have to be told");
    // Nor does an identity of the log say where it is.
    let topology = ["region", "cell", "host", "zone"];
    for event in [
        "workspace.created",
        "project.created",
        "app.created",
        "app.imported",
        "deployment.created",
        "artifact.registered",
    ] {
        assert_eq!(fields_with(&golden(event), &topology), Vec::<String>::new(), "{event}");
    }
}

/// What each event must say of where something is and whose.
const PLACED: [(&str, &[&str]); 8] = [
    ("allocation.planned", &["region", "cell", "host", "app", "environment", "workspace"]),
    ("environment.created", &["region", "cell", "app", "workspace"]),
    ("operation.requested", &["region", "workspace"]),
    ("route_owner.opened", &["region", "cell", "app", "environment", "workspace"]),
    ("provider_binding.requested", &["region", "app", "environment", "workspace"]),
    ("runtime_service_binding.requested", &["region", "app", "environment", "workspace"]),
    ("host.registered", &["region", "cell"]),
    ("cell.created", &["region"]),
];

/// Whether the noun takes an event that says this.
fn is_taken(event: &str, payload: &Value) -> bool {
    fn by<E: DeserializeOwned>(said: Value) -> bool {
        serde_json::from_value::<E>(said).is_ok()
    }
    let said = json!({ "type": event, "data": payload });
    match event.split('.').next() {
        Some("allocation") => by::<allocation::Event>(said),
        Some("environment") => by::<environment::Event>(said),
        Some("operation") => by::<operation::Event>(said),
        Some("route_owner") => by::<route_owner::Event>(said),
        Some("provider_binding") => by::<provider_binding::Event>(said),
        Some("runtime_service_binding") => by::<runtime_service_binding::Event>(said),
        Some("host") => by::<crate::host::Event>(said),
        Some("cell") => by::<crate::cell::Event>(said),
        _ => panic!("nobody reads {event}"),
    }
}

/// What could be left out of the placed events without anybody's refusal.
fn erasable(takes: impl Fn(&str, &Value) -> bool) -> Vec<(&'static str, &'static str)> {
    let mut erasable = Vec::new();
    for (event, words) in PLACED {
        assert!(takes(event, &golden(event)), "{event} is read as it stands in the log");
        for word in words {
            let mut mvp = golden(event);
            assert!(mvp.as_object_mut().expect("it has fields").remove(*word).is_some(), "{event} says its {word}");
            if takes(event, &mvp) {
                erasable.push((event, *word));
            }
        }
    }
    erasable
}

/// There is one region yet, so why say which. The sin: a noun whose place may be left out, and is the first one then.
#[test]
fn trap_mvp_erases_topology() {
    assert_eq!(erasable(is_taken), []);
    let there_is_one_region = |event: &str, payload: &Value| {
        let mut said = payload.clone();
        let fields = said.as_object_mut().expect("it has fields");
        for (word, first) in [("region", json!(LYON)), ("cell", json!(CELL_1)), ("host", json!(HOST_1))] {
            fields.entry(word).or_insert(first);
        }
        // What knows no such field does not mind it.
        is_taken(event, &said)
    };
    let found = erasable(there_is_one_region);
    let places = PLACED.iter().flat_map(|(event, words)| words.iter().map(move |word| (*event, *word)));
    let places = places.filter(|(_, word)| ["region", "cell", "host"].contains(word)).collect::<Vec<_>>();
    assert_eq!(found, places, "the sin is caught wherever something has a place");
}

/// One process crashes, another one runs the next deployment on another host: it is the same app, and its stream says nothing of it.
#[test]
fn trap_confusing_app_identity_with_one_running_process() {
    let first = allocated(planned(allocation_id(1), BLUE, Epoch(1)), &[ready(BLUE), crashed()]);
    let second = Planned { host: HOST_2, ..planned(allocation_id(2), GREEN, Epoch(2)) };
    let processes = [first.planned.expect("it was ordered"), second];
    let identities = |of: &dyn Fn(&Planned) -> Uuid| processes.iter().map(of).collect::<BTreeSet<_>>().len();
    let by_process = |process: &Planned| process.id.0;
    assert_eq!(identities(&|process| process.app.0), 1);
    assert_eq!(identities(&by_process), 2, "the sin is caught: a restart would be another app");
    let running = ["process", "command", "allocation", "pid", "port", "address", "deployment", "artifact"];
    for event in ["app.created", "app.imported", "app.source_set"] {
        assert_eq!(fields_with(&golden(event), &running), Vec::<String>::new(), "{event}");
    }
    let names = crate::app::Command::NAMES.iter().flat_map(|name| name.split(['.', '_']));
    assert_eq!(names.filter(|part| running.contains(part)).count(), 0, "nobody tells an app what runs");
}
