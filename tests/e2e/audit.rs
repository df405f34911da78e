//! Judged by others: the GraphQL-over-HTTP audit of npm's `graphql-http`, and schemathesis, both against the running platform.
//! The first runs where node is and `./dev test` or `./dev audit` laid its tools out; the other one is ignored by default, because
//! it needs a Python environment that `./dev audit` lays out; it names the versions.
//! The trap avoided: a tool's own idea of a failure, and of having asked; every answer that it got is read and counted here again.

use rhone_tests::{database::person, graphql::Client, inputs::Owner, platform::Platform, program, schema::Schema};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
};
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
    let examples: usize = env::var("RHONE_EXAMPLES").map_or(20, |examples| examples.parse().expect("it is a number"));
    // Whoever owns something gets past the door; nobody may come upon what is another's.
    let callers = [("a stranger", &stranger, vec![&owner, &other]), ("an owner", &owner.person.client, vec![&other])];
    for (who, client, others) in callers {
        let (har, said) = fuzzed(platform, client, examples).await;
        let judged = judge(&har, &others);
        let short = short(&judged, examples);
        eprintln!(
            "S11: schema fuzz, {examples} examples per operation, seed 4, as {who}: {} answers, \
             {} operations asked less often, {} server errors, {} leaks; by code {:?}",
            judged.answers,
            short.len(),
            judged.faults.len(),
            judged.leaks.len(),
            judged.codes
        );
        assert!(judged.faults.is_empty() && judged.leaks.is_empty(), "{:#?}{:#?}", judged.faults, judged.leaks);
        assert!(short.is_empty(), "asked less often than {examples} times: {short:?}\n{said}");
    }
    let log = platform.log("serve");
    assert!(!log.contains("panicked at"), "the API panicked");
}

#[test]
fn every_scalar_that_inputs_take_can_be_written_by_schemathesis() {
    let written = fs::read_to_string(scalars()).expect("it is checked in");
    assert_eq!(not_written(&written), BTreeSet::new());
    assert!(!not_written("").is_empty(), "a list that knows none of them is caught");
}

#[test]
fn an_operation_that_is_asked_less_often_than_was_said_is_named() {
    let asked = |query: &str| json!({ "request": { "postData": { "text": json!({ "query": query }).to_string() } } });
    let question = asked("{\n  rateLimit {\n    limit\n  }\n}");
    let change = asked("mutation {\n  tokenCreate(input: {name: \"{ node\"}) {\n    replayed\n  }\n}");
    let har = json!({ "log": { "entries": [question, change] } });
    let judged = judge(har.to_string().as_bytes(), &[]);
    assert_eq!((judged.operations["rateLimit"], judged.operations["tokenCreate"]), (1, 1));
    let short = short(&judged, 1);
    assert!(short.contains(&"node: 0".to_owned()), "{short:?}");
    assert!(!short.iter().any(|one| one.starts_with("rateLimit: ")), "{short:?}");
}

/// What schemathesis is told of our scalars.
fn scalars() -> PathBuf {
    program::root().join("tests/schemathesis/scalars.py")
}

/// The scalars of inputs and arguments that neither schemathesis nor this list of ours writes.
fn not_written(list: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(program::root().join("api/schema.graphql")).expect("the schema is checked in");
    let schema = Schema::checked_in();
    let arguments = schema.objects.values().flatten().flat_map(|field| &field.arguments);
    let taken = schema.inputs.values().flatten().chain(arguments);
    let taken: BTreeSet<&str> = taken.map(|field| field.kind.trim_matches(['[', ']', '!'])).collect();
    let scalars = text.lines().filter_map(|line| line.strip_prefix("scalar "));
    let unknown = scalars.filter(|name| *name != "DateTime" && !list.contains(&format!("\"{name}\"")));
    unknown.filter(|name| taken.contains(name)).map(str::to_owned).collect()
}

/// Every answer that a caller got, and what schemathesis said of it.
async fn fuzzed(platform: &Platform, client: &Client, examples: usize) -> (Vec<u8>, String) {
    let har = platform.data().join("fuzz.har");
    let mut fuzz = Command::new(tools().join("venv/bin/st"));
    fuzz.env("SCHEMATHESIS_HOOKS", scalars()).env("PYTHONDONTWRITEBYTECODE", "1");
    fuzz.args(["--no-color", "run"]).arg(format!("{}/graphql", client.url())).arg("--max-examples");
    fuzz.arg(examples.to_string()).args(["--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink"]);
    // On a slow machine an operation would end early.
    fuzz.args(["--suppress-health-check", "all"]);
    fuzz.args(["--seed", "4", "--workers", "4", "--output-sanitize", "false", "--request-timeout", "20"]);
    fuzz.arg("--header").arg(format!("Authorization: Bearer {}", client.token()));
    fuzz.arg("--report-har-path").arg(&har).current_dir(platform.data());
    let output = fuzz.output().await.expect("schemathesis runs");
    let said = program::text(&output.stdout);
    (fs::read(&har).unwrap_or_else(|error| panic!("{error}: {said}")), said)
}

#[derive(Debug, Default)]
struct Judged {
    answers: usize,
    faults: Vec<String>,
    leaks: Vec<String>,
    codes: BTreeMap<String, usize>,
    /// How often each was asked.
    operations: BTreeMap<String, usize>,
}

fn judge(har: &[u8], others: &[&Owner]) -> Judged {
    let har: Value = serde_json::from_slice(har).expect("the report is JSON");
    let mut judged = Judged::default();
    for entry in har["log"]["entries"].as_array().into_iter().flatten() {
        let (response, asked) = (&entry["response"], entry["request"]["postData"]["text"].as_str().unwrap_or_default());
        let text = response["content"]["text"].as_str().unwrap_or_default();
        judged.answers += 1;
        *judged.operations.entry(operation(asked)).or_default() += 1;
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

/// What a request is for; schemathesis asks for one thing at a time.
fn operation(asked: &str) -> String {
    let request: Value = serde_json::from_str(asked).unwrap_or_default();
    let (_, selection) = request["query"].as_str().unwrap_or_default().split_once('{').unwrap_or_default();
    selection.trim_start().chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The operations that were asked less often than so many times, and how often they were.
fn short(judged: &Judged, examples: usize) -> Vec<String> {
    let schema = Schema::checked_in();
    let questions = schema.objects["Query"].iter().map(|question| &question.name);
    let operations = questions.chain(schema.mutations.iter().map(|mutation| &mutation.name));
    let asked = operations.map(|name| (name, judged.operations.get(name).copied().unwrap_or_default()));
    asked.filter(|(_, asked)| *asked < examples).map(|(name, asked)| format!("{name}: {asked}")).collect()
}
