//! Judged by others: the GraphQL-over-HTTP audit of npm's `graphql-http`, and schemathesis, both against the running platform.
//! The first runs where node is and `./dev test` or `./dev audit` laid its tools out; the other one is ignored by default, because
//! it needs a Python environment that `./dev audit` lays out; it names the versions.
//! The trap avoided: a tool's own idea of a failure; every answer that it got is read here again.

use rhone_tests::{database::person, graphql::Client, inputs::Owner, platform::Platform, program};
use serde_json::Value;
use std::{collections::BTreeMap, env, fs, path::PathBuf};
use tokio::process::Command;

/// Where `./dev audit` laid the tools out.
fn tools() -> PathBuf {
    env::var_os("RHONE_AUDIT").map_or_else(|| program::root().join(".rhone/audit"), PathBuf::from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_over_http() {
    let is_there = Command::new("node").arg("--version").output().await.is_ok();
    if !is_there || !tools().join("node_modules/graphql-http").is_dir() {
        eprintln!(
            "SKIPPED: the audit of GraphQL over HTTP (S9): node, or what npm fetches for it, is not there; ./dev audit graphql"
        );
        return;
    }
    let platform = Platform::shared().await;
    let client = person(platform).await.client;
    let url = format!("{}/graphql", client.url());
    let mut audit = Command::new("node");
    audit.arg(tools().join("audit.mjs")).args([url.as_str(), client.token()]);
    let output = audit.output().await.expect("node runs");
    let said = format!("{}{}", program::text(&output.stdout), program::text(&output.stderr));
    let last = said.trim().lines().next_back().unwrap_or_default().replace(" of ", "/");
    eprintln!("S9: {last} of GraphQL over HTTP");
    assert!(output.status.success() && said.contains("61 of 61"), "{said}");
}

/// What must stand in no answer: words of the database, of the program, of the machine, and secrets.
const LEAKS: [&str; 12] = [
    "panicked",
    "RUST_BACKTRACE",
    "sqlx",
    "SQLSTATE",
    "syntax error at",
    "permission denied",
    "postgres://rhone",
    "nats://",
    "/src/",
    "/var/tmp/",
    "relation \\\"",
    "password authentication",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs schemathesis: ./dev audit schema [EXAMPLES]"]
async fn schema_fuzz() {
    let platform = Platform::shared().await;
    let (owner, other) = (Owner::new(platform).await, Owner::new(platform).await);
    let stranger = person(platform).await.client;
    let examples = env::var("RHONE_EXAMPLES").unwrap_or_else(|_| "20".into());
    // Whoever owns something gets past the door; nobody may come upon what is another's.
    let callers = [("a stranger", &stranger, vec![&owner, &other]), ("an owner", &owner.person.client, vec![&other])];
    for (who, client, others) in callers {
        let judged = judge(&fuzzed(platform, client, &examples).await, &others);
        eprintln!(
            "S11: schema fuzz, {examples} examples per operation, seed 4, as {who}: {} answers, {} server errors, {} leaks; \
             by code {:?}",
            judged.answers,
            judged.faults.len(),
            judged.leaks.len(),
            judged.codes
        );
        assert!(judged.answers > 100, "it hardly asked");
        assert!(judged.faults.is_empty() && judged.leaks.is_empty(), "{:#?}{:#?}", judged.faults, judged.leaks);
    }
    let log = platform.log("serve");
    assert!(!log.contains("panicked at"), "the API panicked");
}

/// Every answer that a caller got.
async fn fuzzed(platform: &Platform, client: &Client, examples: &str) -> Vec<u8> {
    let har = platform.data().join("fuzz.har");
    let mut fuzz = Command::new(tools().join("venv/bin/st"));
    fuzz.args(["--no-color", "run"]).arg(format!("{}/graphql", client.url()));
    fuzz.args(["--max-examples", examples, "--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink"]);
    fuzz.args(["--seed", "4", "--workers", "4", "--output-sanitize", "false", "--request-timeout", "20"]);
    fuzz.arg("--header").arg(format!("Authorization: Bearer {}", client.token()));
    fuzz.arg("--report-har-path").arg(&har).current_dir(platform.data());
    let output = fuzz.output().await.expect("schemathesis runs");
    fs::read(&har).unwrap_or_else(|error| panic!("{error}: {}", program::text(&output.stdout)))
}

#[derive(Debug, Default)]
struct Judged {
    answers: usize,
    faults: Vec<String>,
    leaks: Vec<String>,
    codes: BTreeMap<String, usize>,
}

fn judge(har: &[u8], others: &[&Owner]) -> Judged {
    let har: Value = serde_json::from_slice(har).expect("the report is JSON");
    let mut judged = Judged::default();
    for entry in har["log"]["entries"].as_array().into_iter().flatten() {
        let (response, asked) = (&entry["response"], entry["request"]["postData"]["text"].as_str().unwrap_or_default());
        let text = response["content"]["text"].as_str().unwrap_or_default();
        judged.answers += 1;
        let code = serde_json::from_str::<Value>(text).unwrap_or_default()["errors"][0]["extensions"]["code"].clone();
        let code = code.as_str().unwrap_or("none").to_owned();
        let status = response["status"].as_u64().unwrap_or_default();
        if status >= 500 || status == 0 || code == "INTERNAL" {
            judged.faults.push(format!("{status} {text:.300}\n{asked:.600}"));
        }
        *judged.codes.entry(code).or_default() += 1;
        let foreign = others.iter().flat_map(|other| [&other.tenant.workspace, &other.tenant.app]);
        let foreign = foreign.into_iter().any(|id| text.contains(id.as_str()));
        if foreign || LEAKS.iter().any(|leak| text.contains(leak)) {
            judged.leaks.push(format!("{text:.600}"));
        }
    }
    judged
}
