//! The codes with which process managers end an operation: one closed list, in the catalogue, and no literal outside it. Trap: a
//! code that stands in one process manager alone, and that nobody who programs against the API has ever heard of.

use crate::refusal::code::{OF_PROCESSES, is_refusal};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

/// What stands in capitals beside them and is no code: what a gate says of its evidence, a variable of tests, a stream of NATS.
const BESIDE: [&str; 5] = ["AWAITED", "NOT_NEEDED", "READY", "PROPTEST_CASES", "RHONE_ROUTES"];

/// As people read it.
pub(super) fn section() -> String {
    let mut text = String::from(
        "\n## Bad ends\n\nWith these an operation fails that no gate and no rule refused, beside what a fetch, a build, an image or a \
         probe says of itself.\n\n| code | it means |\n|---|---|\n",
    );
    for (code, meaning) in OF_PROCESSES {
        writeln!(text, "| `{code}` | {meaning} |").expect("a text grows");
    }
    text
}

/// The sources of process managers: what makes failures, without its tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !["tests", "runs"].contains(&name) {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && !["tests.rs", "story.rs", "runs.rs"].contains(&name)
        {
            let text = fs::read_to_string(&path).expect("a source can be read");
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            found.extend(text.to_lowercase().contains("failure").then_some(text));
        }
    }
}

/// The texts in capitals of a source, as codes are written.
fn capitals(source: &str) -> impl Iterator<Item = &str> {
    let is_code = |text: &&str| text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    source.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).filter(is_code)
}

/// The codes that are said in the sources of these folders, refusals of the rules aside.
fn said(folders: &[&Path]) -> BTreeSet<String> {
    let mut found = vec![];
    for folder in folders {
        sources(folder, &mut found);
    }
    let all = found.iter().flat_map(|source| capitals(source).map(str::to_owned));
    all.filter(|code| !BESIDE.contains(&code.as_str()) && !is_refusal(code)).collect()
}

#[test]
fn every_code_that_ends_an_operation_is_of_the_closed_list_and_each_is_said() {
    let listed: BTreeSet<String> = OF_PROCESSES.iter().map(|(code, _)| (*code).to_owned()).collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(said(&[&here.join("src"), &here.join("../workers/src")]), listed);
    assert_eq!(listed.len(), OF_PROCESSES.len(), "each once");
    assert!(OF_PROCESSES.is_sorted());
}

/// The sin lies in a source that has no `Failure`, in a folder below the one that is read.
#[test]
fn a_literal_that_nobody_listed_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let below = folder.path().join("scale");
    fs::create_dir(&below).expect("a folder");
    fs::write(below.join("story.rs"), "failure(\"OF_A_TEST\", \"told in a test\")").expect("a file");
    fs::write(below.join("steps.rs"), "Step::Fail(failure(\"X_NEW\", \"the worker had other plans\"))")
        .expect("a file");
    let found = said(&[folder.path()]);
    assert_eq!(found, BTreeSet::from(["X_NEW".to_owned()]));
    assert!(OF_PROCESSES.iter().all(|(code, _)| !found.contains(*code)), "it is caught above");
}
