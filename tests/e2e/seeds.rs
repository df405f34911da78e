//! The table in ARCHITECTURE.md that says, for every row of the object model, the state taxonomy, the glossary and the
//! anti-patterns, and for the five scenarios, which file holds it, which test proves it and which sin that proof has caught: all of them must exist. The
//! traps avoided: a table that is true on the day it was written, and a proof that nothing could ever have failed.

use rhone_tests::program;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

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

/// The traps of the object model and of the glossary, by words that the name of a test has which proves the row. The traps of the
/// anti-patterns are their own words.
const TRAPS: [(&str, &str, &[&str]); 29] = [
    ("object model", "Workspace", &["app_runtime_identity", "tenancy"]),
    ("object model", "Project", &["project_config", "generated_build_output"]),
    ("object model", "App", &["app_identity", "one_running_process"]),
    ("object model", "Environment", &["preview", "production", "same_mutable_database"]),
    ("object model", "Deployment", &["build_successful_before_validation", "policy_evidence"]),
    ("object model", "Artifact", &["rebuilding_source_during_promotion"]),
    ("object model", "Allocation", &["allocation_health_as_route_ownership_truth"]),
    ("object model", "RouteOwner", &["latest_healthy_backend", "route_owner_authority"]),
    ("object model", "Operation", &["user_facing_status_from_logs"]),
    ("object model", "ProviderBinding", &["app_declared_config_proves_hosted_readiness"]),
    ("object model", "RuntimeServiceBinding", &["horizontal_scale", "runtime_services_are_missing"]),
    ("object model", "Region", &["regions", "dns"]),
    ("object model", "Cell", &["hardcoding_the_first_cell", "public_product_identity"]),
    ("glossary", "Allocation", &["deployment_or_source_of_route_truth"]),
    ("glossary", "Artifact", &["rebuilding_source_during_promotion"]),
    ("glossary", "Broadcast backend", &["product_database_truth"]),
    ("glossary", "Cell", &["hardcoding_the_first_cell", "public_product_identity"]),
    ("glossary", "Cold deploy", &["normal_zero_risk_promotion"]),
    ("glossary", "Compare-and-swap", &["stale_promotion_workers_overwrite_newer_route_ownership"]),
    ("glossary", "Drain", &["sessions_moved", "still_attached_to_the_old_allocation"]),
    ("glossary", "Durable consumer", &["subscribers_are_always_online"]),
    ("glossary", "Idempotency key", &["retrying_mutation_requests", "duplicate_resources"]),
    ("glossary", "JetStream", &["event_stream_as_the_authoritative_database"]),
    ("glossary", "RPO", &["rpo_is_not_rto"]),
    ("glossary", "RTO", &["rpo_is_not_rto"]),
    ("glossary", "Route epoch", &["latest_healthy_backend", "route_owner_authority"]),
    ("glossary", "Route owner", &["route_owner_with_allocation_selection"]),
    ("glossary", "Session store", &["serialize_an_entire_go_process"]),
    ("glossary", "Warm deploy", &["warm_deploy", "safe_rollback"]),
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
fn every_trap_has_a_test_that_carries_its_name() {
    let rows = rows(&architecture());
    assert_eq!(unnamed(&rows), Vec::<String>::new());
    // The sin: tests that prove the row, under names that say nothing of the trap.
    let nameless = |row: &Row| Row {
        seed: row.seed.clone(),
        word: row.word.clone(),
        held: vec![],
        tests: vec![("domain/src/lib.rs".into(), "it_works".into())],
        sins: vec![],
    };
    let nameless = unnamed(&rows.iter().map(nameless).collect::<Vec<_>>());
    assert_eq!(nameless.len(), TRAPS.len() + ANTI_PATTERNS.len(), "{nameless:?}");
}

#[test]
fn a_row_that_names_nothing_is_found() {
    let (file, test) = ("`domain/src/lib.rs`", "`tests/e2e/seeds.rs` `a_row_that_names_nothing_is_found`");
    let this = "`tests/e2e/seeds.rs` `a_row_that_names_nothing_is_found: no_test`";
    let gaps = |held: &str, tests: &str, sins: &str| {
        let row = format!("| glossary | Drain | {held} | {tests} | {sins} |");
        gaps(&rows(&format!("{HEADING}\n\n| a | b | c | d | e |\n|---|---|---|---|---|\n{row}\n")))
    };
    let model = "`domain/src/operation/tests/model.rs` `BelievesLateReports`";
    for sin in [this, "`tests/simulator/sins.rs` `KeyIgnored`", model] {
        assert_eq!(gaps(file, test, sin), Vec::<String>::new(), "{sin}");
    }
    let missing = "`tests/e2e/seeds.rs` `no_such_test_anywhere`";
    let no_test = "`tests/e2e/seeds.rs` `has_sin`";
    let honest = "`tests/e2e/seeds.rs` `every_row_of_the_seeds_has_a_file_and_a_test_that_exist`";
    for (held, tests, sins) in [
        ("`domain/src/no_such_file.rs`", test, this),
        (file, missing, this),
        (file, no_test, this),
        (file, "-", this),
        (file, test, "-"),
        (file, test, missing),
        (file, test, honest),
        // A test that only speaks of sins, and one whose variant has another name.
        (file, test, test),
        (file, test, "`tests/e2e/seeds.rs` `a_row_that_names_nothing_is_found: no_tes`"),
        (file, test, "`tests/e2e/seeds.rs` `a_row_that_names_nothing_is_found: gaps_of_nothing`"),
        (file, test, "`tests/simulator/sins.rs` `NobodyCommitsThis`"),
        // It is named there, and in no list.
        (file, test, "`tests/simulator/sins.rs` `Sinner`"),
        (file, test, "`domain/src/operation/tests/model.rs` `NobodyCommitsThis`"),
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

/// The traps without a test that is called after them.
fn unnamed(rows: &[Row]) -> Vec<String> {
    let has = |seed: &str, word: &str, parts: &[&str]| {
        let called = |(_, test): &(String, String)| parts.iter().all(|part| test.contains(part));
        rows.iter().any(|row| row.seed == seed && row.word == word && row.tests.iter().any(called))
    };
    let traps = TRAPS.iter().filter(|(seed, word, parts)| !has(seed, word, parts));
    let patterns = ANTI_PATTERNS.iter().filter(|word| {
        let name = word.to_lowercase().replace(' ', "_");
        !has("anti-pattern", word, &[name.as_str()])
    });
    let traps = traps.map(|(seed, word, _)| format!("{seed} {word}"));
    traps.chain(patterns.map(|word| format!("anti-pattern {word}"))).collect()
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

/// A planted bug of the simulator or of the model that somebody commits, a sin that a noun's model catches, or the variant that a
/// test plants: `test: variant`, by the name under which its text has it.
fn has_sin(file: &Path, sin: &str) -> bool {
    let Ok(whole) = fs::read_to_string(file) else { return false };
    match sin.split_once(": ") {
        Some((test, variant)) => test_of(file, test).is_some_and(|text| plants(&text, &whole, variant)),
        None => is_row_of_a_model(&whole, sin) || is_of_a_list(&whole, sin) && is_committed(file, sin),
    }
}

fn is_row_of_a_model(whole: &str, sin: &str) -> bool {
    whole.contains(&format!("(\"{sin}\", "))
}

/// Whether it stands in the list of a file of sins.
fn is_of_a_list(whole: &str, sin: &str) -> bool {
    let lists = ["sins! {\n", "enum Sin {\n"].into_iter().filter_map(|begins| Some(whole.split_once(begins)?.1));
    let mut lists = lists.map(|list| list.split("\n}").next().unwrap_or_default());
    lists.any(|list| list.lines().any(|line| line.trim() == format!("{sin},")))
}

/// Whether somebody commits it: beside the list that names it, a program of the same folder asks for it.
fn is_committed(file: &Path, sin: &str) -> bool {
    let asks = |text: &str| words(text, &format!("Sin::{sin}")) > 0;
    let folder = file.parent().expect("a file is in a folder");
    sources(folder).iter().any(|file| fs::read_to_string(file).is_ok_and(|text| asks(&text)))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Whether a test has a variant of this name: it or its file brings it into being, and the test uses it.
fn plants(test: &str, whole: &str, variant: &str) -> bool {
    let bound = ["let ", "let mut ", "for "].into_iter().map(|before| words(test, &format!("{before}{variant}"))).sum();
    let listed = usize::from(test.contains(&format!("(\"{variant}\", ")));
    let of_the_file: usize = words(whole, &format!("fn {variant}"));
    match (bound, listed, of_the_file) {
        (0, 0, 0) => false,
        (0, 0, _) => words(test, variant) > 0,
        (0, _, _) => true,
        (_, _, _) => words(test, variant) > 1,
    }
}

/// How often these words stand there by themselves, and not as a part of longer ones.
fn words(text: &str, wanted: &str) -> usize {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole = |(at, _): &(usize, &str)| {
        !part(text[..*at].chars().next_back()) && !part(text[at + wanted.len()..].chars().next())
    };
    text.match_indices(wanted).filter(whole).count()
}
