//! The table in ARCHITECTURE.md that says, for every row of the object model, the state taxonomy, the glossary and the
//! anti-patterns, and for the five scenarios, which file holds it, which test proves it and which sin that proof has caught: all of them must exist. The
//! traps avoided: a table that is true on the day it was written, and a proof that nothing could ever have failed.

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

const SCENARIOS: [&str; 5] = [
    "1: two promotions race from one epoch",
    "2: a webhook reaches a sleeping app",
    "3: a rollback after a destructive migration",
    "4: a scale-out without a broadcast backend",
    "5: a host drain without headroom",
];

/// A row: from which seed, which word, the files that hold it, the tests that prove it and the sins that are caught, each as
/// file and name.
#[derive(Debug)]
struct Row {
    seed: String,
    word: String,
    held: Vec<String>,
    tests: Vec<(String, String)>,
    sins: Vec<(String, String)>,
}

#[test]
fn every_row_of_the_seeds_has_a_file_and_a_test_that_exist() {
    let rows = rows(&architecture());
    let wanted = [
        ("object model", &OBJECT_MODEL[..]),
        ("taxonomy", &TAXONOMY),
        ("glossary", &GLOSSARY),
        ("anti-pattern", &ANTI_PATTERNS),
        ("scenario", &SCENARIOS),
    ];
    for (seed, words) in wanted {
        let found = rows.iter().filter(|row| row.seed == seed).map(|row| row.word.as_str()).collect::<BTreeSet<_>>();
        assert_eq!(found, words.iter().copied().collect(), "{seed}");
    }
    assert_eq!(gaps(&rows), Vec::<String>::new());
}

#[test]
fn a_row_that_names_nothing_is_found() {
    let (file, this) = ("`domain/src/lib.rs`", "`tests/e2e/seeds.rs` `a_row_that_names_nothing_is_found`");
    let gaps = |held: &str, tests: &str, sins: &str| {
        let row = format!("| glossary | Drain | {held} | {tests} | {sins} |");
        gaps(&rows(&format!("{HEADING}\n\n| a | b | c | d | e |\n|---|---|---|---|---|\n{row}\n")))
    };
    let model = "`domain/src/operation/tests/model.rs` `BelievesLateReports`";
    for sin in [this, "`tests/simulator/sins.rs` `KeyIgnored`", model] {
        assert_eq!(gaps(file, this, sin), Vec::<String>::new(), "{sin}");
    }
    let (missing, no_test) = ("`tests/e2e/seeds.rs` `no_such_test_anywhere`", "`tests/e2e/seeds.rs` `has_sin`");
    let honest = "`tests/e2e/seeds.rs` `every_row_of_the_seeds_has_a_file_and_a_test_that_exist`";
    for (held, tests, sins) in [
        ("`domain/src/no_such_file.rs`", this, this),
        (file, missing, this),
        (file, no_test, this),
        (file, "-", this),
        (file, this, "-"),
        (file, this, missing),
        (file, this, honest),
        (file, this, "`tests/simulator/sins.rs` `NobodyCommitsThis`"),
        (file, this, "`domain/src/operation/tests/model.rs` `NobodyCommitsThis`"),
    ] {
        assert_eq!(gaps(held, tests, sins).len(), 1, "{held} | {tests} | {sins}");
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
    let [seed, word, held, proof, sins] = cells[..] else { panic!("a row has five cells: {line}") };
    Row { seed: seed.to_owned(), word: word.to_owned(), held: quoted(held), tests: named(proof), sins: named(sins) }
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What is named in files: a file is followed by its names.
fn named(cell: &str) -> Vec<(String, String)> {
    let (mut named, mut file) = (Vec::new(), String::new());
    for word in quoted(cell) {
        if Path::new(&word).extension().is_some() { file = word } else { named.push((file.clone(), word)) }
    }
    named
}

fn gaps(rows: &[Row]) -> Vec<String> {
    let root = program::root();
    let mut gaps = Vec::new();
    for row in rows {
        let mut gap = |what: &str| gaps.push(format!("{} {}: {what}", row.seed, row.word));
        if row.held.is_empty() || row.tests.is_empty() || row.sins.is_empty() {
            gap("no file, no test or no sin");
        }
        for file in row.held.iter().filter(|file| !root.join(file).is_file()) {
            gap(&format!("{file} is no file"));
        }
        for (file, test) in row.tests.iter().filter(|(file, test)| test_of(&root.join(file), test).is_none()) {
            gap(&format!("{file} has no test {test}"));
        }
        for (file, sin) in row.sins.iter().filter(|(file, sin)| !has_sin(&root.join(file), sin)) {
            gap(&format!("{file} has no sin {sin}"));
        }
    }
    gaps
}

/// A test with what stands above it, if it is one that runs.
fn test_of(file: &Path, test: &str) -> Option<String> {
    let whole = fs::read_to_string(file).ok()?;
    let (above, below) = whole.split_once(&format!("fn {test}("))?;
    let above = above.rsplit("\n\n").next().unwrap_or_default();
    let runs = above.lines().map(str::trim).any(|line| line == "#[test]" || line.starts_with("#[tokio::test"));
    let indent = above.lines().last().map_or(0, |line| line.len() - line.trim_start().len());
    let (body, _) = below.split_once(&format!("\n{}}}\n", " ".repeat(indent)))?;
    runs.then(|| format!("{above}{test}{body}"))
}

/// A planted bug of the simulator or of the model, a sin that a noun's model catches, or a test that has caught one.
fn has_sin(file: &Path, sin: &str) -> bool {
    if sin.starts_with(char::is_uppercase) {
        let committed = |text: String| {
            text.lines().any(|line| line.trim() == format!("{sin},")) || text.contains(&format!("(\"{sin}\", "))
        };
        return fs::read_to_string(file).is_ok_and(committed);
    }
    let confesses = |text: &str| text.split(|c: char| !c.is_alphabetic()).any(|word| SINS.contains(&word));
    test_of(file, sin).is_some_and(|text| confesses(&text))
}

/// How the tests say that they caught a broken variant.
const SINS: [&str; 5] = ["sin", "sins", "caught", "misled", "planted"];
