//! What a real Vango app generated at six successive commits (tests/vango) is read as it stands. Trap: a parser that was only
//! ever tried on manifests written by its own author.

use rhone_domain::{artifact_facts::VangoFacts, vango_state};
use rhone_providers::{artifact_facts::read_facts, artifact_pack::pack_directory};
use serde_json::Value;
use std::{
    fs,
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
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rhone.toml"), "process = [\"./app\"]\nhealth = \"/\"\n").expect("rhone.toml");
    fs::write(folder.path().join(MANIFEST), manifest).expect("a manifest");
    fs::write(folder.path().join(SCHEMA), schema).expect("a schema");
    let mut tar = Vec::new();
    pack_directory(folder.path(), &mut tar).expect("a packed app");
    read_facts(tar.as_slice()).expect("what a real app generated is read").vango.expect("a Vango app")
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
