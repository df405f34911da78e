//! The table in ARCHITECTURE.md that says, for every row of the object model, the state taxonomy, the glossary and the
//! anti-patterns, which file holds it and which test proves it: both must exist. The trap avoided: a table that is true on
//! the day it was written.

use rhone_tests::program;
use std::{collections::BTreeSet, fs, path::Path};

const HEADING: &str = "## The seeds, row by row";

const OBJECT_MODEL: [&str; 14] = [
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

const TAXONOMY: [&str; 9] = [
    "Vango session",
    "Persisted Vango session state",
    "Product data",
    "Route ownership",
    "Allocation health",
    "Operation state",
    "Build logs",
    "Provider credentials",
    "NATS route events",
];

const GLOSSARY: [&str; 16] = [
    "Allocation",
    "Artifact",
    "Broadcast backend",
    "Cell",
    "Cold deploy",
    "Compare-and-swap",
    "Drain",
    "Durable consumer",
    "Idempotency key",
    "JetStream",
    "RPO",
    "RTO",
    "Route epoch",
    "Route owner",
    "Session store",
    "Warm deploy",
];

const ANTI_PATTERNS: [&str; 7] = [
    "Pretending Sessions Teleport",
    "Using Logs As Truth",
    "Event Bus As Database",
    "Routing By Healthy Backend",
    "Unsafe Wake Replay",
    "MVP Erases Topology",
    "Warm Deploy Equals Safe Rollback",
];

/// A row: from which seed, which word, the files that hold it, the tests that prove it as file and name.
#[derive(Debug)]
struct Row {
    seed: String,
    word: String,
    held: Vec<String>,
    tests: Vec<(String, String)>,
}

#[test]
fn every_row_of_the_seeds_has_a_file_and_a_test_that_exist() {
    let rows = rows(&architecture());
    let wanted = [
        ("object model", &OBJECT_MODEL[..]),
        ("taxonomy", &TAXONOMY),
        ("glossary", &GLOSSARY),
        ("anti-pattern", &ANTI_PATTERNS),
    ];
    for (seed, words) in wanted {
        let found = rows.iter().filter(|row| row.seed == seed).map(|row| row.word.as_str()).collect::<BTreeSet<_>>();
        assert_eq!(found, words.iter().copied().collect(), "{seed}");
    }
    assert_eq!(gaps(&rows), Vec::<String>::new());
}

#[test]
fn a_row_that_names_nothing_is_found() {
    for row in [
        "| glossary | Drain | `domain/src/no_such_file.rs` | `domain/src/drain/tests.rs` `it_drains` |",
        "| glossary | Drain | `domain/src/lib.rs` | `tests/e2e/seeds.rs` `no_such_test_anywhere` |",
        "| glossary | Drain | `domain/src/lib.rs` | - |",
    ] {
        assert!(
            !gaps(&rows(&format!("{HEADING}\n\n| a | b | c | d |\n|---|---|---|---|\n{row}\n"))).is_empty(),
            "{row}"
        );
    }
}

fn architecture() -> String {
    fs::read_to_string(program::root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there")
}

fn rows(text: &str) -> Vec<Row> {
    let (_, section) = text.split_once(HEADING).expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter(|line| line.starts_with("| ")).skip(1).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells = line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let [seed, word, held, proof] = cells[..] else { panic!("a row has four cells: {line}") };
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let (mut tests, mut file) = (Vec::new(), String::new());
    for word in quoted(proof) {
        if word.contains('/') { file = word } else { tests.push((file.clone(), word)) }
    }
    Row { seed: seed.to_owned(), word: word.to_owned(), held: quoted(held), tests }
}

fn gaps(rows: &[Row]) -> Vec<String> {
    let root = program::root();
    let mut gaps = Vec::new();
    for row in rows {
        let mut gap = |what: &str| gaps.push(format!("{} {}: {what}", row.seed, row.word));
        if row.held.is_empty() || row.tests.is_empty() {
            gap("no file, or no test");
        }
        for file in row.held.iter().filter(|file| !root.join(file).is_file()) {
            gap(&format!("{file} is no file"));
        }
        for (file, test) in row.tests.iter().filter(|(file, test)| !has_test(&root.join(file), test)) {
            gap(&format!("{file} has no test {test}"));
        }
    }
    gaps
}

fn has_test(file: &Path, test: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}
