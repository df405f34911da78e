//! The formats that can never change: one golden file per event type and schema version, each under its digest, and the
//! catalogue that people read. `UPDATE=1` writes what is missing and rewrites the catalogue; it never edits a golden file
//! nor a digest that stands. Trap: a golden file quietly rewritten to fit the code.

mod refusals;
mod samples;

use super::*;
use crate::{
    aggregate::{Encoded, Unreadable, decode, encode},
    canonical::Payload,
    digest::Digest,
};
use samples::samples;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::Once,
};

type Reread = fn(&Encoded) -> Result<Encoded, Unreadable>;

/// How an event of each category is read and written again.
const CATEGORIES: &[(&str, Reread)] = &[
    (Allocation::CATEGORY, reread::<Allocation>),
    (App::CATEGORY, reread::<App>),
    (Artifact::CATEGORY, reread::<Artifact>),
    (Backend::CATEGORY, reread::<Backend>),
    (Cell::CATEGORY, reread::<Cell>),
    (Claim::CATEGORY, reread::<Claim>),
    (Deployment::CATEGORY, reread::<Deployment>),
    (Environment::CATEGORY, reread::<Environment>),
    (Host::CATEGORY, reread::<Host>),
    (Migrations::CATEGORY, reread::<Migrations>),
    (Operation::CATEGORY, reread::<Operation>),
    (Project::CATEGORY, reread::<Project>),
    (ProviderBindings::CATEGORY, reread::<ProviderBindings>),
    (Refusals::CATEGORY, reread::<Refusals>),
    (Region::CATEGORY, reread::<Region>),
    (RouteOwner::CATEGORY, reread::<RouteOwner>),
    (Token::CATEGORY, reread::<Token>),
    (Variables::CATEGORY, reread::<Variables>),
    (RuntimeServices::CATEGORY, reread::<RuntimeServices>),
    (Workspace::CATEGORY, reread::<Workspace>),
];

fn reread<A: Aggregate>(stored: &Encoded) -> Result<Encoded, Unreadable> {
    Ok(encode(&decode::<A::Event>(stored)?).expect("what was a payload is one again"))
}

fn reread_as(category: &str, stored: &Encoded) -> Result<Encoded, Unreadable> {
    let (_, reread) = CATEGORIES.iter().find(|(name, _)| *name == category).expect("every category is listed");
    reread(stored)
}

/// The samples of a category, in order.
pub(crate) fn samples_of(category: &str) -> Vec<Encoded> {
    let of = |sample: &Encoded| sample.event_type.split_once('.').is_some_and(|(noun, _)| noun == category);
    samples().into_iter().filter(of).collect()
}

/// Every state that the samples of a category lead through, in order.
pub(crate) fn every_state() -> Vec<(&'static str, Value)> {
    let samples: BTreeMap<_, _> = samples().into_iter().map(|sample| (sample.event_type.clone(), sample)).collect();
    let mut states = Vec::new();
    for noun in nouns() {
        let mut walk = crate::history::Walk::of(noun.category).expect("every noun is folded");
        for (event_type, _) in noun.events {
            walk.take(&samples[*event_type]).expect("a sample is read");
            states.push((noun.category, walk.state().clone()));
        }
    }
    states
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn sums_file() -> PathBuf {
    folder().join("SHA256SUMS")
}

fn catalogue_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events.md")
}

fn file_name(event_type: &str, version: u16) -> String {
    format!("{event_type}.v{version}.json")
}

/// Writes what is missing, once, when asked to.
fn update() {
    static UPDATED: Once = Once::new();
    UPDATED.call_once(|| {
        if std::env::var_os("UPDATE").is_some_and(|asked| asked == "1") {
            add_missing().expect("the golden files can be written");
            fs::write(catalogue_file(), catalogue()).expect("the catalogue can be written");
        }
    });
}

fn add_missing() -> io::Result<()> {
    fs::create_dir_all(folder())?;
    let listed = sums();
    let mut added = fs::read_to_string(sums_file()).unwrap_or_default();
    for sample in samples() {
        let name = file_name(&sample.event_type, sample.schema_version);
        if listed.contains_key(&name) {
            continue;
        }
        if !folder().join(&name).exists() {
            fs::write(folder().join(&name), format!("{}\n", sample.payload.as_str()))?;
        }
        let digest = Digest::of(&[&fs::read(folder().join(&name))?]);
        writeln!(added, "{}  {name}", digest.hex()).expect("a text takes all that is written");
    }
    fs::write(sums_file(), added)
}

/// The digests on record, by file.
fn sums() -> BTreeMap<String, String> {
    let text = fs::read_to_string(sums_file()).unwrap_or_default();
    let lines = text.lines().map(|line| line.split_once("  ").expect("a digest, two blanks and a name"));
    let sums: BTreeMap<_, _> = lines.map(|(digest, name)| (name.to_owned(), digest.to_owned())).collect();
    assert_eq!(sums.len(), text.lines().count(), "a file stands twice in SHA256SUMS");
    sums
}

/// The golden files there are.
fn files() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).expect("the folder of golden files");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "SHA256SUMS").collect()
}

fn golden(event_type: &str, version: u16) -> Encoded {
    let name = file_name(event_type, version);
    let text = fs::read_to_string(folder().join(&name))
        .unwrap_or_else(|error| panic!("{name}: {error}; UPDATE=1 writes a missing golden file"));
    let payload = Payload::parse(text.trim_end()).expect("a golden file is a payload");
    Encoded { event_type: event_type.to_owned(), schema_version: version, payload }
}

/// Every field by its path, with what JSON calls it.
fn fields(value: &Value, path: &str, all: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let kind = match value {
        Value::Object(map) if !map.is_empty() => {
            return map.iter().for_each(|(key, one)| fields(one, &below(key), all));
        }
        Value::Array(list) if !list.is_empty() => return fields(&list[0], &format!("{path}[]"), all),
        Value::Object(_) => "object",
        Value::Array(_) => "list",
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "truth",
        Value::Null => "null",
    };
    if !path.is_empty() {
        all.push(format!("`{path}` {kind}"));
    }
}

fn catalogue() -> String {
    let samples: BTreeMap<_, _> = samples().into_iter().map(|sample| (sample.event_type.clone(), sample)).collect();
    let mut text = String::from(
        "# Events\n\nEvery type of event with its newest schema version and the fields of its payload. Generated from the \
         types by the tests of\n`catalogue`; `UPDATE=1 cargo test -p rhone-domain` rewrites it. The envelope around it is \
         that of ADR 0001.\n\n| category | type | version | payload |\n|---|---|---|---|\n",
    );
    for (category, event_type, version) in events() {
        let mut all = vec![];
        fields(&samples[event_type].payload.to_value(), "", &mut all);
        let payload = if all.is_empty() { "empty".to_owned() } else { all.join(", ") };
        writeln!(text, "| {category} | `{event_type}` | {version} | {payload} |")
            .expect("a text takes all that is written");
    }
    text
}

#[test]
fn every_live_event_has_a_golden_file_for_each_of_its_versions() {
    update();
    let wanted = events().into_iter().flat_map(|(_, name, newest)| (1..=newest).map(move |v| file_name(name, v)));
    let (wanted, files): (BTreeSet<_>, _) = (wanted.collect(), files());
    assert_eq!(wanted.difference(&files).collect::<Vec<_>>(), Vec::<&String>::new(), "missing; UPDATE=1 writes them");
}

#[test]
fn every_golden_file_is_read_and_the_newest_version_is_written_again_as_it_stands() {
    update();
    for (category, event_type, newest) in events() {
        for version in 1..=newest {
            let stored = golden(event_type, version);
            let again = reread_as(category, &stored).expect("a golden file is read for ever");
            assert_eq!((again.event_type.as_str(), again.schema_version), (event_type, newest));
            if version == newest {
                assert_eq!(again.payload.to_value(), stored.payload.to_value(), "{event_type} version {version}");
            }
        }
    }
}

#[test]
fn no_golden_file_was_edited_removed_or_left_unlisted() {
    update();
    let found = files().into_iter().map(|name| {
        let bytes = fs::read(folder().join(&name)).expect("a golden file");
        (name, Digest::of(&[&bytes]).hex())
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), sums(), "golden files on the left, SHA256SUMS on the right");
}

#[test]
fn every_live_event_has_one_sample_that_is_read_back() {
    let categories: BTreeMap<_, _> = events().into_iter().map(|(category, name, _)| (name, category)).collect();
    let samples = samples();
    let names: Vec<_> = samples.iter().map(|sample| sample.event_type.as_str()).collect();
    assert_eq!(names, events().iter().map(|(_, name, _)| *name).collect::<Vec<_>>());
    for sample in &samples {
        let again = reread_as(categories[sample.event_type.as_str()], sample).expect("what was just written");
        assert_eq!(again.payload.to_value(), sample.payload.to_value(), "{}", sample.event_type);
    }
}

#[test]
fn every_event_type_is_named_noun_verbed_and_stands_once() {
    let names: Vec<_> = events().into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for (category, name, version) in events() {
        assert_eq!(name.split_once('.').map(|(noun, _)| noun), Some(category), "{name}");
        assert!(version >= 1, "{name}");
    }
}

#[test]
fn the_catalogue_is_up_to_date() {
    update();
    let found = fs::read_to_string(catalogue_file()).unwrap_or_default();
    assert_eq!(found, catalogue(), "domain/events.md is stale; UPDATE=1 rewrites it");
}
