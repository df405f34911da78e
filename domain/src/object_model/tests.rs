//! The nouns are described once and whole; and the traps that are structure: what an identity is made of.

use super::*;
use serde_json::Value;
use std::{fs, path::Path};

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

#[test]
fn trap_hardcoding_the_first_cell_into_public_product_identity() {
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
    let sin = serde_json::json!({ "id": "x", "facts": { "home_cell": "c" } });
    assert_eq!(fields_with(&sin, &topology), ["home_cell"]);
}

/// What this event does not say of where it is and whose.
fn erased(event: &str, payload: &Value) -> Vec<&'static str> {
    // What is bound is bound in a region; which cell reaches it is nobody's choice.
    let bound = event.contains("_binding.");
    let known = |word: &&str| payload[*word].is_string() || (payload["id"].is_string() && event.starts_with(*word));
    let topology = ["region", "cell", "app", "environment", "workspace"];
    topology.into_iter().filter(|word| !(known(word) || bound && *word == "cell")).collect()
}

#[test]
fn trap_mvp_erases_topology() {
    for event in [
        "allocation.planned",
        "environment.created",
        "operation.requested",
        "route_owner.opened",
        "provider_binding.requested",
        "runtime_service_binding.requested",
    ] {
        assert_eq!(erased(event, &golden(event)), Vec::<&str>::new(), "{event}");
        // The sin: there is one region, so why say which.
        for word in ["region", "workspace"] {
            let mut sin = golden(event);
            sin.as_object_mut().expect("it has fields").remove(word);
            assert_eq!(erased(event, &sin), [word], "{event}");
        }
    }
}

#[test]
fn trap_confusing_app_identity_with_one_running_process() {
    let running = ["process", "command", "allocation", "pid", "port", "address", "deployment", "artifact"];
    for event in ["app.created", "app.imported", "app.source_set"] {
        assert_eq!(fields_with(&golden(event), &running), Vec::<String>::new(), "{event}");
    }
    let sin = serde_json::json!({ "id": "x", "last_pid": 7 });
    assert_eq!(fields_with(&sin, &running), ["last_pid"]);
}
