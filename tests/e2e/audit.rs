//! Judged by others: the GraphQL-over-HTTP audit of npm's `graphql-http`, and schemathesis, both against the running platform.
//! The first runs where node is and `./dev test` or `./dev audit` laid its tools out; the other one is ignored by default, because
//! it needs a Python environment that `./dev audit` lays out; it names the versions.
//! The trap avoided: a tool's own idea of a failure, and of having asked; every answer that it got is read and counted here again.

use futures_util::future::join_all;
use rhone_tests::{database::person, graphql::Client, inputs::Owner, platform::Platform, program, schema::Schema};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
    process::Stdio,
    thread::available_parallelism,
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

/// Codes of answers that no question led to: it was turned away at the door, so that it does not count as asked.
const AT_THE_DOOR: [&str; 3] = ["UNAUTHENTICATED", "RATE_LIMITED", "OVERLOADED"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs schemathesis: ./dev audit schema [EXAMPLES] [--part I/N]"]
async fn schema_fuzz() {
    let platform = Platform::shared().await;
    let (owner, other) = (Owner::new(platform).await, Owner::new(platform).await);
    let stranger = person(platform).await.client;
    let extent = Extent::from_environment();
    // Whoever owns something gets past the door; nobody may come upon what is another's.
    let callers = [("a stranger", &stranger, vec![&owner, &other]), ("an owner", &owner.person.client, vec![&other])];
    // All at once: one process of schemathesis keeps no more than one processor busy.
    let seeds = extent.seeds();
    let runs = callers.iter().flat_map(|(who, client, _)| seeds.iter().map(move |seed| (*who, *client, *seed)));
    let fuzzed = join_all(runs.map(|(who, client, seed)| fuzzed(platform, client, who, seed, extent.each()))).await;
    let mut wrong = Vec::new();
    for ((who, _, others), fuzzed) in callers.iter().zip(fuzzed.chunks(seeds.len())) {
        let mut judged = Judged::default();
        for (har, said) in fuzzed {
            judged.read(&fs::read(har).unwrap_or_else(|error| panic!("{error}: {said}")), others);
        }
        let short = short(&judged, extent.examples());
        eprintln!(
            "S11: schema fuzz, {} examples per operation, seeds {seeds:?}, as {who}: {} answers, \
             {} operations asked less often, {} server errors, {} leaks; by code {:?}",
            extent.examples(),
            judged.answers,
            short.len(),
            judged.faults.len(),
            judged.leaks.len(),
            judged.codes
        );
        wrong.extend(judged.faults.into_iter().chain(judged.leaks));
        if !short.is_empty() {
            let said = fuzzed.iter().map(|(_, said)| said.as_str()).collect::<String>();
            wrong.push(format!("as {who}, asked less often than {} times: {short:?}\n{said}", extent.examples()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
    let judged = judged(&har);
    assert_eq!((judged.operations["rateLimit"], judged.operations["tokenCreate"]), (1, 1));
    let short = short(&judged, 1);
    assert!(short.contains(&"node: 0".to_owned()), "{short:?}");
    assert!(!short.iter().any(|one| one.starts_with("rateLimit: ")), "{short:?}");
}

#[test]
fn an_answer_at_the_door_is_no_example_and_a_fault_is_one_wherever_it_stands() {
    let answered = |status: u16, codes: &[&str]| {
        let errors = codes.iter().map(|code| json!({ "message": "no", "extensions": { "code": code } }));
        let text = json!({ "errors": errors.collect::<Vec<_>>() }).to_string();
        let asked = json!({ "postData": { "text": json!({ "query": "{ regions { id } }" }).to_string() } });
        json!({ "request": asked, "response": { "status": status, "content": { "text": text } } })
    };
    let door = AT_THE_DOOR.map(|code| answered(200, &[code]));
    let fine = answered(400, &["BAD_USER_INPUT"]);
    let entries = [door, [fine.clone(), fine.clone(), fine]].concat();
    let judged = judged(&json!({ "log": { "entries": entries } }));
    assert_eq!((judged.answers, judged.operations["regions"], judged.faults.len()), (6, 3, 0));
    for fault in [answered(503, &[]), answered(200, &["NOT_FOUND", "INTERNAL"])] {
        assert_eq!(self::judged(&json!({ "log": { "entries": [fault] } })).faults.len(), 1);
    }
}

#[test]
fn the_parts_of_an_audit_together_are_the_whole_and_no_seed_is_asked_twice() {
    for (examples, parts, processors) in [(1000, 1, 2), (1000, 4, 2), (20, 3, 1), (1000, 3, 16), (1, 2, 8)] {
        let parts = (1..=parts).map(|part| Extent::new(examples, &format!("{part}/{parts}"), processors));
        let parts: Vec<_> = parts.collect();
        assert!(parts.iter().map(Extent::examples).sum::<usize>() >= examples, "{parts:?}");
        let seeds: Vec<_> = parts.iter().flat_map(Extent::seeds).collect();
        let different: BTreeSet<_> = seeds.iter().collect();
        assert_eq!((different.len(), seeds[0]), (seeds.len(), FIRST_SEED), "{parts:?}");
    }
    let whole = Extent::new(1000, "1/1", 2);
    assert_eq!((whole.seeds(), whole.each()), (vec![FIRST_SEED], 1000));
}

const FIRST_SEED: usize = 4;

/// The stranger and the owner.
const CALLERS: usize = 2;

/// How much is asked: of every operation so many examples, or a part of that, by a process for each of the seeds.
#[derive(Debug)]
struct Extent {
    whole: usize,
    part: usize,
    parts: usize,
    processes: usize,
}

impl Extent {
    fn from_environment() -> Self {
        let examples = env::var("RHONE_EXAMPLES").map_or(20, |examples| examples.parse().expect("it is a number"));
        let part = env::var("RHONE_PART").unwrap_or_else(|_| "1/1".to_owned());
        Self::new(examples, &part, available_parallelism().map_or(1, usize::from))
    }

    /// A part such as `2/4`. More than four processes would only wait for the API.
    fn new(whole: usize, part: &str, processors: usize) -> Self {
        let (part, parts) = part.split_once('/').expect("a part such as 2/4");
        let number = |text: &str| text.parse::<usize>().expect("it is a number");
        let (part, parts) = (number(part), number(parts));
        assert!((1..=parts).contains(&part), "there is no part {part} of {parts}");
        Self { whole, part, parts, processes: (processors / CALLERS).clamp(1, 4) }
    }

    /// How many examples one process asks.
    fn each(&self) -> usize {
        self.whole.div_ceil(self.parts * self.processes)
    }

    /// How many all processes of this part ask.
    fn examples(&self) -> usize {
        self.each() * self.processes
    }

    /// The seed of each process.
    fn seeds(&self) -> Vec<usize> {
        let first = FIRST_SEED + (self.part - 1) * self.processes;
        (first..first + self.processes).collect()
    }
}

/// What schemathesis is told of our scalars, beside other things.
fn scalars() -> PathBuf {
    program::root().join("tests/schemathesis/hooks.py")
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

/// Where every answer is that a caller got, and what schemathesis said of it. On standard error it tells how far it has come.
async fn fuzzed(platform: &Platform, client: &Client, who: &str, seed: usize, examples: usize) -> (PathBuf, String) {
    let har = platform.data().join(format!("fuzz-{}-{seed}.har", who.replace(' ', "-")));
    let mut fuzz = Command::new(tools().join("venv/bin/st"));
    fuzz.env("SCHEMATHESIS_HOOKS", scalars()).env("PYTHONDONTWRITEBYTECODE", "1");
    // It would look for a proxy at each request, and would ask by one that the machine has.
    fuzz.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    fuzz.env("RHONE_AUDIT_WHO", format!("{who}, seed {seed}")).env("RHONE_AUDIT_EXAMPLES", examples.to_string());
    fuzz.args(["--no-color", "run"]).arg(format!("{}/graphql", client.url())).arg("--max-examples");
    fuzz.arg(examples.to_string()).args(["--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink"]);
    // On a slow machine an operation would end early.
    fuzz.args(["--suppress-health-check", "all"]);
    // Each example would be compared with all that are kept for a next run: most of the time of a long one, for nothing.
    fuzz.args(["--generation-database", "none"]);
    fuzz.arg("--seed").arg(seed.to_string());
    fuzz.args(["--workers", "4", "--output-sanitize", "false", "--request-timeout", "20"]);
    fuzz.arg("--header").arg(format!("Authorization: Bearer {}", client.token()));
    fuzz.arg("--report-har-path").arg(&har).current_dir(platform.data());
    let fuzz = fuzz.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true).spawn();
    let output = fuzz.expect("schemathesis starts").wait_with_output().await.expect("schemathesis runs");
    (har, program::text(&output.stdout))
}

/// What is read of a report; the rest of it would take the memory of the machine.
#[derive(Debug, Deserialize)]
struct Har {
    log: Log,
}

#[derive(Debug, Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    request: Request,
    #[serde(default)]
    response: Response,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    post_data: Option<Content>,
}

#[derive(Debug, Default, Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    content: Content,
}

#[derive(Debug, Default, Deserialize)]
struct Content {
    text: Option<String>,
}

impl Content {
    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

/// What a report of nobody else's things came to.
fn judged(har: &Value) -> Judged {
    let mut judged = Judged::default();
    judged.read(har.to_string().as_bytes(), &[]);
    judged
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

impl Judged {
    /// One more report.
    fn read(&mut self, har: &[u8], others: &[&Owner]) {
        let har: Har = serde_json::from_slice(har).expect("the report is JSON");
        for Entry { request, response } in &har.log.entries {
            let asked = request.post_data.as_ref().map_or("", Content::text);
            self.answer(asked, response.status, response.content.text(), others);
        }
    }

    fn answer(&mut self, asked: &str, status: u16, text: &str, others: &[&Owner]) {
        self.answers += 1;
        let codes = codes(text);
        if !codes.iter().any(|code| AT_THE_DOOR.contains(&code.as_str())) {
            *self.operations.entry(operation(asked)).or_default() += 1;
        }
        if status >= 500 || status == 0 || codes.iter().any(|code| code == "INTERNAL") {
            self.faults.push(format!("{status} {text:.300}\n{asked:.600}"));
        }
        let first = codes.into_iter().next().unwrap_or_else(|| "none".to_owned());
        *self.codes.entry(first).or_default() += 1;
        let foreign = others.iter().flat_map(|other| [&other.tenant.workspace, &other.tenant.app]);
        let foreign = foreign.into_iter().any(|id| text.contains(id.as_str()));
        if foreign || LEAKS.iter().any(|leak| text.contains(leak)) {
            self.leaks.push(format!("{text:.600}"));
        }
    }
}

/// The codes of an answer's errors, the first one first.
fn codes(text: &str) -> Vec<String> {
    let answer = serde_json::from_str::<Value>(text).unwrap_or_default();
    let errors = answer["errors"].as_array().into_iter().flatten();
    errors.filter_map(|error| error["extensions"]["code"].as_str()).map(str::to_owned).collect()
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
