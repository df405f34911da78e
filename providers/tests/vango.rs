//! What a real Vango app generated at six successive commits (tests/vango) is read as it stands. Trap: a parser that was only
//! ever tried on manifests written by its own author.

use rhone_domain::{artifact_facts::VangoFacts, vango_state};
use rhone_providers::{artifact_facts::read_facts, artifact_pack::pack_directory};
use serde_json::Value;
use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

const MANIFEST: &str = "vango_state_manifest.json";
const SCHEMA: &str = "vango_state_schema.json";

/// The common beginning of the names of each pair of manifest and schema, in order.
fn generations() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vango");
    let files = fs::read_dir(&folder).expect("the folder of manifests").map(|entry| entry.expect("an entry").path());
    let names = files.filter_map(|path| Some(path.to_str()?.strip_suffix(MANIFEST)?.to_owned().into()));
    let mut names = names.collect::<Vec<_>>();
    names.sort();
    names
}

fn file(generation: &Path, kind: &str) -> Vec<u8> {
    fs::read(format!("{}{kind}", generation.display())).expect("a manifest or schema")
}

/// What the artifact of an app with these two files says.
fn facts(manifest: &[u8], schema: &[u8]) -> VangoFacts {
    read_facts(packed(manifest, schema).as_slice())
        .expect("what a real app generated is read")
        .vango
        .expect("a Vango app")
}

/// The artifact itself.
fn packed(manifest: &[u8], schema: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rhone.toml"), "process = [\"./app\"]\nhealth = \"/\"\n").expect("rhone.toml");
    fs::write(folder.path().join(MANIFEST), manifest).expect("a manifest");
    fs::write(folder.path().join(SCHEMA), schema).expect("a schema");
    let mut tar = Vec::new();
    pack_directory(folder.path(), &mut tar).expect("a packed app");
    tar
}

/// From names to things: another name in there would be another thing.
const MAPS: [&str; 3] = ["primitives", "persistedPrimitives", "sessionKeys"];

/// Puts a field that nobody knows into every object of a file, however deep.
fn strange(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields.iter_mut() {
                let is_map = MAPS.contains(&name.as_str());
                match inner.as_object_mut().filter(|_| is_map) {
                    Some(named) => named.values_mut().for_each(strange),
                    None => strange(inner),
                }
            }
            fields.insert("fromALaterVango".to_owned(), serde_json::json!({ "since": [1, "2"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(strange),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The artifact is what keeps them: byte for byte what the app's own build wrote.
#[test]
fn fields_that_nobody_knows_are_accepted_at_every_level_and_kept() {
    for generation in generations() {
        let (manifest, schema) = (file(&generation, MANIFEST), file(&generation, SCHEMA));
        let later = |bytes: &[u8]| {
            let mut value: Value = serde_json::from_slice(bytes).expect("JSON");
            strange(&mut value);
            serde_json::to_vec(&value).expect("JSON")
        };
        let (new_manifest, new_schema) = (later(&manifest), later(&schema));
        assert_ne!(new_manifest, manifest);
        assert_eq!(facts(&new_manifest, &new_schema), facts(&manifest, &schema), "{}", generation.display());
        let packed = packed(&new_manifest, &new_schema);
        for (name, wanted) in [(MANIFEST, new_manifest), (SCHEMA, new_schema)] {
            assert_eq!(within(&packed, name), wanted, "{name} of {}", generation.display());
        }
    }
}

fn within(packed: &[u8], name: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(packed);
    let mut entries = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
    let is_it = |entry: &tar::Entry<'_, &[u8]>| entry.path().is_ok_and(|path| path.ends_with(name));
    let mut entry = entries.find(is_it).expect("it is in the artifact");
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).expect("it can be read");
    bytes
}

#[test]
fn six_generations_of_a_real_app_are_read_as_they_stand() {
    let generations = generations();
    assert_eq!(generations.len(), 6);
    for generation in generations {
        let (manifest, schema) = (file(&generation, MANIFEST), file(&generation, SCHEMA));
        let text = |bytes: &[u8], field: &str| {
            let value: Value = serde_json::from_slice(bytes).expect("JSON");
            value[field].as_str().expect("a text").to_owned()
        };
        let expected = VangoFacts {
            manifest_version: text(&manifest, "manifestVersion"),
            build_schema: text(&manifest, "buildSchema"),
            schema_hash: Some(text(&schema, "schemaHash")),
            schema_version: Some(text(&schema, "schemaVersion")),
            ..VangoFacts::default()
        };
        assert_eq!(facts(&manifest, &schema), expected, "{}", generation.display());
    }
}

#[test]
fn six_generations_that_persist_nothing_follow_one_another_warm() {
    let facts = |generation: &PathBuf| facts(&file(generation, MANIFEST), &file(generation, SCHEMA));
    let all = generations().iter().map(facts).collect::<Vec<_>>();
    for (present, next) in all.iter().zip(&all[1..]) {
        let impact = vango_state::between(Some(present), Some(next));
        assert_eq!(impact.compatibility, vango_state::Compatibility::Same, "{impact:?}");
    }
}

#[test]
fn a_real_manifest_with_one_primitive_made_persistent_shows_it() {
    let generation = generations().pop().expect("six generations");
    let (manifest, schema) = (file(&generation, MANIFEST), file(&generation, SCHEMA));
    let mut changed: Value = serde_json::from_slice(&manifest).expect("JSON");
    let primitives = changed["primitives"].as_object_mut().expect("primitives by name");
    let first = primitives.values_mut().next().expect("an app with primitives");
    first["persisted"] = Value::Bool(true);
    let (id, print) = (first["stableID"].clone(), first["codecFingerprint"].clone());
    let found = facts(&serde_json::to_vec(&changed).expect("JSON"), &schema).persisted;
    let expected = (id.as_str().expect("an id").to_owned(), print.as_str().expect("a fingerprint").to_owned());
    assert_eq!(found, [expected].into());
}
