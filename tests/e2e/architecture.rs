//! The rooms' rule of who may use whom, held against what cargo says. The trap avoided: a rule that is only written down,
//! and a check that would let anything pass; it is shown an invented breach.

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};
use rhone_tests::program;
use std::collections::{BTreeMap, BTreeSet};

/// Which of our own crates each may use, besides in tests.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("rhone-domain", &[]),
    ("rhone-eventstore", &["rhone-domain"]),
    ("rhone-projections", &["rhone-domain", "rhone-eventstore"]),
    ("rhone-providers", &["rhone-domain"]),
    ("rhone-image", &["rhone-domain"]),
    ("rhone-builder", &["rhone-domain", "rhone-image", "rhone-providers"]),
    ("rhone-api", &["rhone-domain", "rhone-eventstore", "rhone-projections", "rhone-providers"]),
    ("rhone-workers", &["rhone-builder", "rhone-domain", "rhone-eventstore", "rhone-projections", "rhone-providers"]),
    ("rhone-edge", &["rhone-domain"]),
    ("rhone-runner", &["rhone-domain", "rhone-image"]),
];

/// What each must not even reach through others.
const MUST_NEVER: [(&str, &[&str]); 6] = [
    ("rhone-domain", &["tokio", "sqlx", "async-nats", "reqwest", "hyper", "rand", "axum"]),
    ("rhone-providers", &["sqlx"]),
    ("rhone-edge", &["sqlx", "sqlx-postgres", "tokio-postgres", "async-graphql"]),
    ("rhone-runner", &["sqlx", "sqlx-postgres", "tokio-postgres", "async-graphql", "async-nats"]),
    ("rhone-builder", &["sqlx", "async-graphql"]),
    ("rhone-eventstore", &["axum", "async-graphql", "async-nats", "reqwest"]),
];

/// Whom each package uses, besides in tests.
type Uses = BTreeMap<String, BTreeSet<String>>;

#[test]
fn nobody_uses_what_its_room_forbids() {
    assert_eq!(breaches(&uses()), Vec::<String>::new());
}

#[test]
fn the_table_knows_every_room_that_is_no_wiring() {
    let wiring = ["rhone", "rhone-e2e", "rhone-model", "rhone-simulator", "rhone-tests", "rhone-migrations", "counter"];
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).chain(wiring).collect();
    let metadata = metadata();
    let unknown: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| package.name.to_string())
        .filter(|name| !known.contains(name.as_str()))
        .collect();
    assert_eq!(unknown, Vec::<String>::new(), "a new crate needs a row in this file");
}

#[test]
fn an_invented_breach_is_found_directly_and_through_others() {
    for (from, to) in [("rhone-domain", "tokio"), ("rhone-projections", "rhone-api"), ("rhone-api", "rhone-workers")] {
        let mut uses = uses();
        uses.entry(from.into()).or_default().insert(to.into());
        assert!(!breaches(&uses).is_empty(), "{from} using {to} must be found");
    }
    let mut uses = uses();
    uses.entry("hyper".into()).or_default().insert("sqlx".into());
    let found = breaches(&uses);
    assert!(found.iter().any(|breach| breach.starts_with("rhone-edge")), "{found:?}");
}

fn breaches(uses: &Uses) -> Vec<String> {
    let none = BTreeSet::new();
    let mut found = Vec::new();
    for (from, may) in MAY_USE {
        assert!(uses.contains_key(from), "{from} is gone: so should its row be");
        let own = uses.get(from).unwrap_or(&none).iter().filter(|name| name.starts_with("rhone"));
        found.extend(own.filter(|to| !may.contains(&to.as_str())).map(|to| format!("{from} uses {to}")));
    }
    for (from, never) in MUST_NEVER {
        let reached = reached(uses, from);
        found.extend(never.iter().filter(|to| reached.contains(**to)).map(|to| format!("{from} reaches {to}")));
    }
    found
}

fn reached(uses: &Uses, from: &str) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = next.pop() {
        for to in uses.get(&name).into_iter().flatten() {
            if reached.insert(to.clone()) {
                next.push(to.clone());
            }
        }
    }
    reached
}

fn uses() -> Uses {
    let metadata = metadata();
    let name_of: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (package.id.clone(), package.name.to_string())).collect();
    let resolve = metadata.resolve.expect("dependencies were resolved");
    let mut uses = Uses::new();
    for node in resolve.nodes {
        let to = node.deps.iter().filter(|dependency| {
            dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal || kind.kind == DependencyKind::Build)
        });
        uses.entry(name_of[&node.id].clone()).or_default().extend(to.map(|to| name_of[&to.pkg].clone()));
    }
    uses
}

/// For this platform only: what others would need was never fetched.
fn metadata() -> cargo_metadata::Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(program::root().join("Cargo.toml"))
        .features(CargoOpt::SomeFeatures(Vec::new()))
        .other_options(["--locked", "--offline", "--filter-platform", &platform].map(str::to_owned))
        .exec()
        .expect("cargo knows this workspace")
}
