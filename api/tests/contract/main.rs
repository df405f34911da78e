//! The schema as a contract: what was released is kept, and the reference says what there is. `RELEASE=1` writes the released
//! schema anew, `UPDATE=1` the reference. The trap avoided: a change that breaks clients and looks like any other in a diff.

mod diff;
mod model;
mod reference;

use model::Model;
use rhone_api::{Exposure, graphql};
use rhone_domain::authorization::{SEEN, audience};
use std::{env, fs, path::PathBuf};

/// Breaks of the released schema that are meant, in the words of the test; emptied with each release.
const MEANT: &[&str] = &[];

/// What went before there was a first release, when nobody could be told. Whatever goes after one is deprecated first: with
/// a release in the CHANGELOG this list is empty, and stays so.
const BEFORE_ANY_RELEASE: &[&str] = &[];

fn current() -> String {
    graphql::builder(Exposure::Development).finish().sdl()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn nothing_that_was_released_is_broken() {
    let (file, current) = (path("schema.released.graphql"), current());
    let released = fs::read_to_string(&file).expect("the released schema is checked in");
    let breaks = diff::breaks(&Model::read(&released), &Model::read(&current));
    let meant: Vec<_> = MEANT.iter().chain(BEFORE_ANY_RELEASE).collect();
    let unmeant: Vec<_> = breaks.iter().filter(|broken| !meant.contains(&&broken.as_str())).collect();
    assert!(unmeant.is_empty(), "clients of the released schema break (see docs/deprecation.md):\n{unmeant:#?}");
    let gone: Vec<_> = meant.iter().filter(|meant| !breaks.iter().any(|broken| broken == **meant)).collect();
    assert!(gone.is_empty(), "no longer so, take them off the list: {gone:?}");
    let changelog = fs::read_to_string(path("../CHANGELOG.md")).expect("it is there");
    assert_eq!(slipped(MEANT, BEFORE_ANY_RELEASE, &changelog), Vec::<&str>::new(), "deprecate it first, for a release");
    // Last: written first, it would be compared with itself, and a break would be released by releasing it.
    if env::var_os("RELEASE").is_some() {
        fs::write(&file, &current).expect("the folder can be written to");
    }
}

/// What is meant to go and was never deprecated, though it had to be.
fn slipped<'a>(meant: &[&'a str], before_any_release: &[&'a str], changelog: &str) -> Vec<&'a str> {
    let unannounced = |said: &&&str| said.ends_with(diff::UNANNOUNCED);
    let is_released = changelog.lines().any(|line| line.starts_with("## [") && line != "## [Unreleased]");
    let excused = before_any_release.iter().filter(|_| is_released);
    meant.iter().filter(unannounced).chain(excused).copied().collect()
}

#[test]
fn what_goes_without_having_been_deprecated_is_never_meant_once_there_is_a_release() {
    let (unannounced, announced) = (format!("A.b: the field is gone{}", diff::UNANNOUNCED), "A.b: the field is gone");
    let (new, old) = ("## [Unreleased]\n", "## [Unreleased]\n## [1.0.0] - 2026-12-01\n");
    for changelog in [new, old] {
        assert_eq!(slipped(&[&unannounced], &[], changelog), [unannounced.as_str()]);
        assert_eq!(slipped(&[announced], &[], changelog), Vec::<&str>::new());
    }
    assert_eq!(slipped(&[], &[&unannounced], new), Vec::<&str>::new());
    assert_eq!(slipped(&[], &[&unannounced], old), [unannounced.as_str()]);
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let (file, said) = (path("../docs/api.md"), reference::of(&Model::read(&current())));
    if env::var_os("UPDATE").is_some() {
        fs::write(&file, &said).expect("the folder can be written to");
    }
    let checked_in = fs::read_to_string(&file).expect("the reference is checked in");
    assert!(said == checked_in, "docs/api.md is stale: UPDATE=1 cargo test -p rhone-api --test contract");
}

#[test]
fn every_field_is_for_whom_the_table_of_the_domain_says() {
    let model = Model::read(&current());
    let objects = || model.types.iter().filter(|(_, of)| ["object", "interface"].contains(&of.kind));
    let fields: Vec<_> =
        objects().flat_map(|(object, of)| of.fields.iter().map(move |field| (object, field))).collect();
    let without: Vec<_> = fields.iter().filter(|(object, field)| audience(object, &field.name).is_none()).collect();
    let without: Vec<_> = without.iter().map(|(object, field)| format!("{object}.{}", field.name)).collect();
    eprintln!("S1: {} fields, {} without a row in the table of the domain", fields.len(), without.len());
    assert_eq!(without, Vec::<String>::new(), "say who sees them in domain/src/authorization/seen.rs");
    let is_there = |name: &&str| match name.split_once('.') {
        Some((object, field)) => fields.iter().any(|(of, one)| *of == object && one.name == field),
        None => objects().any(|(object, _)| object == name),
    };
    let gone: Vec<_> = SEEN.iter().flat_map(|(_, names)| *names).filter(|name| !is_there(name)).collect();
    assert_eq!(gone, Vec::<&&str>::new(), "the schema has no such thing any more");
}
