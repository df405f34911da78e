//! Vango's state manifest and schema: what a session keeps. Fields that we do not read stay in the artifact. The form of
//! persisted entries is not published, so that a list and an object are both understood, and null is none.

use super::{FactsError, MANIFEST, SCHEMA, checked, json, text};
use rhone_domain::artifact_facts::{PersistedFacts, VangoFacts};
use serde_json::Value;
use std::collections::{BTreeMap, btree_map::Entry};

type Fingerprints = BTreeMap<String, String>;
type Details = BTreeMap<String, PersistedFacts>;

/// Reads both files; none without a manifest.
pub(super) fn read(manifest: Option<&Vec<u8>>, schema: Option<&Vec<u8>>) -> Result<Option<VangoFacts>, FactsError> {
    let Some(manifest) = manifest else {
        return match schema {
            None => Ok(None),
            Some(_) => Err(FactsError::file(MANIFEST, "is missing beside vango_state_schema.json")),
        };
    };
    let manifest = json(MANIFEST, manifest)?;
    let mut facts = VangoFacts {
        manifest_version: text(MANIFEST, "manifestVersion", manifest.get("manifestVersion"))?,
        build_schema: text(MANIFEST, "buildSchema", manifest.get("buildSchema"))?,
        ..VangoFacts::default()
    };
    persisted_primitives(&mut facts, &manifest)?;
    add(&mut facts.session_keys, MANIFEST, "sessionKeys", manifest.get("sessionKeys"))?;
    if let Some(schema) = schema {
        let schema = json(SCHEMA, schema)?;
        if text(SCHEMA, "buildSchema", schema.get("buildSchema"))? != facts.build_schema {
            return Err(FactsError::field(SCHEMA, "buildSchema", "must be the manifest's"));
        }
        facts.schema_hash = Some(text(SCHEMA, "schemaHash", schema.get("schemaHash"))?);
        facts.schema_version = named(&schema, &["schemaVersion"]).map(ToOwned::to_owned);
        let persisted = schema.get("persistedPrimitives");
        add(&mut facts.persisted, SCHEMA, "persistedPrimitives", persisted)?;
        detail_each(&mut facts.details, persisted);
        add(&mut facts.session_keys, SCHEMA, "sessionKeys", schema.get("sessionKeys"))?;
    }
    Ok(Some(facts))
}

/// The manifest's primitives that are persisted, by their stable id.
fn persisted_primitives(facts: &mut VangoFacts, manifest: &Value) -> Result<(), FactsError> {
    let primitives = match manifest.get("primitives") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(primitives)) => primitives,
        Some(_) => return Err(FactsError::field(MANIFEST, "primitives", "must be an object")),
    };
    for (name, primitive) in primitives {
        let field = format!("primitives.{name}");
        match primitive.get("persisted") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => {
                insert(&mut facts.persisted, MANIFEST, &field, name, primitive)?;
                detail(&mut facts.details, name, Some(name), primitive);
            }
            Some(_) => return Err(FactsError::field(MANIFEST, format!("{field}.persisted"), "must be true or false")),
        }
    }
    Ok(())
}

/// What a schema says of its persisted primitives besides their encoding.
fn detail_each(to: &mut Details, entries: Option<&Value>) {
    match entries {
        Some(Value::Object(entries)) => entries.iter().for_each(|(name, entry)| detail(to, name, None, entry)),
        Some(Value::Array(entries)) => {
            for entry in entries {
                if let Some(name) = named(entry, &["stableID", "id", "key", "name"]) {
                    detail(to, name, None, entry);
                }
            }
        }
        _ => {}
    }
}

/// Adds what an entry says besides its encoding; what one file said, the other only completes.
fn detail(to: &mut Details, name: &str, anchor: Option<&str>, entry: &Value) {
    let text = |names: &[&str]| named(entry, names).map(ToOwned::to_owned);
    let found = to.entry(named(entry, &["stableID"]).unwrap_or(name).to_owned()).or_default();
    found.anchor = found.anchor.take().or_else(|| anchor.map(ToOwned::to_owned)).or_else(|| text(&["anchor"]));
    found.kind = found.kind.take().or_else(|| text(&["kind"]));
    found.schema_id = found.schema_id.take().or_else(|| text(&["schemaID", "schemaId"]));
    if found.aliases.is_empty() {
        let aliases = entry.get("aliases").and_then(Value::as_array).into_iter().flatten();
        found.aliases = aliases.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    }
}

/// Adds the entries of a null, an object or a list.
fn add(to: &mut Fingerprints, file: &'static str, field: &str, entries: Option<&Value>) -> Result<(), FactsError> {
    match entries {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(entries)) => {
            entries.iter().try_for_each(|(name, entry)| insert(to, file, &format!("{field}.{name}"), name, entry))
        }
        Some(Value::Array(entries)) => entries.iter().enumerate().try_for_each(|(at, entry)| {
            let field = format!("{field}[{at}]");
            let name = entry.as_str().or_else(|| named(entry, &["stableID", "id", "key", "name"]));
            let name = name.ok_or_else(|| FactsError::field(file, &field, "must have a stableID, id, key or name"))?;
            insert(to, file, &field, name, entry)
        }),
        Some(_) => Err(FactsError::field(file, field, "must be null, an object or a list")),
    }
}

/// Adds one entry. Two files may name the same one; then they must agree.
fn insert(to: &mut Fingerprints, file: &'static str, field: &str, name: &str, entry: &Value) -> Result<(), FactsError> {
    let name = checked(file, field, named(entry, &["stableID"]).unwrap_or(name))?;
    let fingerprint = match named(entry, &["codecFingerprint", "fingerprint"]).or_else(|| entry.as_str()) {
        Some(fingerprint) => checked(file, field, fingerprint)?,
        None => entry.to_string(),
    };
    match to.entry(name) {
        Entry::Vacant(free) => {
            free.insert(fingerprint);
            Ok(())
        }
        Entry::Occupied(taken) if *taken.get() == fingerprint => Ok(()),
        Entry::Occupied(_) => Err(FactsError::field(file, field, "is declared twice, with different encodings")),
    }
}

fn named<'a>(entry: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| entry.get(name)?.as_str())
}
