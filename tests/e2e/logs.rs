//! What apps print, from their pipes to whoever follows it: once, in order, masked, to those who may see it. The trap avoided: the
//! follower's own account of what it missed; what the app was asked to print is the ledger.

use crate::live::followers::all_go_on;
use rhone_tests::{
    artifacts::Version,
    database::{connect, person, uuid},
    graphql::{Client, http, unique},
    live::{Events, Heard, Subscription},
    platform::Platform,
    program, report,
    scan::{Needle, everywhere},
    story::{Environment, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use sqlx::Connection as _;
use std::{
    future::ready,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

mod asked;
mod deleted;
mod wrong;

const LINE: &str = "at stream text number source appId environmentId deploymentId operationId allocationId";
const LINES: &str = "subscription($workspace: ID!, $filter: LogFilter, $after: String) { \
    logLines(workspaceId: $workspace, filter: $filter, after: $after) { __typename ... on PrintedLines { position lines { text } } \
    ... on CaughtUp { position } ... on Resync { position reason } } }";

/// Has the app print something; none while it does not answer.
pub(crate) async fn print(tenant: &Tenant, environment: &Environment, path: &str, words: &str) -> Option<()> {
    let request = http().post(format!("{}{path}", tenant.edge)).header("host", &environment.host);
    let answer = request.body(words.to_owned()).send().await.ok()?;
    (answer.status() == 204).then_some(())
}

/// Every line of a thing that matches, page by page.
async fn read(client: &Client, noun: &str, id: &str, filter: &Value) -> Vec<Value> {
    let document = format!(
        "query($id: ID!, $filter: LogFilter, $after: String) {{ {noun}(id: $id) {{ logs(filter: $filter, first: 100, \
         after: $after) {{ looked pageInfo {{ hasNextPage }} nodes {{ {LINE} }} }} }} }}"
    );
    let (mut lines, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "id": id, "filter": filter, "after": after });
        let page = client.data(&document, variables).await[noun]["logs"].clone();
        lines.extend(page["nodes"].as_array().expect("lines").iter().cloned());
        after = page["looked"].clone();
        if page["pageInfo"]["hasNextPage"] != true {
            return lines;
        }
    }
}

fn texts(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| text(&line["text"])).collect()
}

/// Waits until a line says this.
pub(crate) async fn shows(tenant: &Tenant, environment: &Environment, words: &str) {
    let look = async || {
        let lines = read(&tenant.client, "environment", &environment.id, &json!({ "contains": words })).await;
        (!lines.is_empty()).then_some(())
    };
    until(&format!("a line says `{words}`"), PATIENCE, look).await;
}

/// What one follower was told, in its order, and where it stands.
#[derive(Default)]
struct Book {
    told: Vec<String>,
    after: String,
    openings: usize,
}

type Shared = Arc<Mutex<Book>>;

fn opened(book: &Shared) -> String {
    let mut book = book.lock().expect("nobody panicked");
    book.openings += 1;
    book.after.clone()
}

fn note(book: &Shared, item: &Value) {
    let mut book = book.lock().expect("nobody panicked");
    book.after = text(&item["position"]);
    book.told.extend(texts(item["lines"].as_array().map_or(&[], Vec::as_slice)));
}

fn told(book: &Shared) -> Vec<String> {
    book.lock().expect("nobody panicked").told.clone()
}

/// Follows over the WebSocket for ever, coming back each time with what it saw last.
async fn follow_by_socket(client: Client, workspace: String, environment: String, book: Shared) {
    let filter = json!({ "environmentId": environment, "contains": "tick" });
    loop {
        let open = async || {
            let variables = json!({ "workspace": workspace, "filter": filter, "after": opened(&book) });
            Subscription::open(&client, "logLines", LINES, variables).await
        };
        let mut subscription = until("the API takes subscriptions", PATIENCE * 2, open).await;
        while let Heard::Item(item) = subscription.next().await {
            assert_ne!(item["__typename"], "Resync", "{item}");
            note(&book, &item);
        }
    }
}

/// The same over server-sent events.
async fn follow_by_events(client: Client, workspace: String, environment: String, book: Shared) {
    let query = [("workspaceId", workspace.as_str()), ("environmentId", environment.as_str()), ("contains", "tick")];
    loop {
        let open = async || Events::open_at(&client, "/v1/logs", &query, Some(&opened(&book))).await.ok();
        let mut events = until("the API takes followers", PATIENCE * 2, open).await;
        while let Ok(Some(sent)) = events.next().await {
            if !sent.id.is_empty() {
                assert_ne!(sent.event, "resync", "{sent:?}");
                assert_eq!(sent.words()["position"], sent.id.as_str());
                note(&book, &sent.words());
            }
        }
    }
}

/// `rhone logs -f`, and what it printed.
struct Followed(Child, Shared);

impl Followed {
    fn start(platform: &Platform, noun: &str, id: &str) -> Self {
        let mut command = Command::new(program::path("rhone"));
        command.arg("--data").arg(platform.data());
        command.args(["logs", noun, id, "-f", "--since", "1h", "--grep", "tick", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("rhone runs");
        let (book, out) = (Shared::default(), child.stdout.take().expect("piped"));
        let noted = book.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect("a line is JSON");
                noted.lock().expect("nobody panicked").told.push(text(&line["text"]));
            }
        });
        Self(child, book)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// Has the app print numbers, one after the other, until it is closed: how many.
async fn tick(tenant: Tenant, closed: Arc<AtomicBool>) -> usize {
    let mut number = 0;
    while !closed.load(Ordering::SeqCst) {
        number += 1;
        let words = format!("tick {number}");
        print(&tenant, &tenant.preview, "/print", &words).await.expect("the app answers, whoever else is dead");
        // As an app prints: not as fast as it can.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_is_told_once_and_in_order_while_api_runner_and_worker_are_killed_in_turn() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    tenant.deploy(Version::Blue).await;
    let (client, environment) = (tenant.client.clone(), tenant.preview.id.clone());
    let began = text(&page_of(&tenant).await["looked"]);
    let book = || Arc::new(Mutex::new(Book { after: began.clone(), ..Book::default() }));
    let (by_socket, by_events) = (book(), book());
    let mut tasks = JoinSet::new();
    let workspace = tenant.workspace.clone();
    tasks.spawn(follow_by_socket(client.clone(), workspace.clone(), environment.clone(), by_socket.clone()));
    tasks.spawn(follow_by_events(client.clone(), workspace, environment.clone(), by_events.clone()));
    let by_command = Followed::start(&platform, "--environment", &environment);
    let books = [("logLines", &by_socket), ("/v1/logs", &by_events), ("rhone logs -f", &by_command.1)];
    let closed = Arc::new(AtomicBool::new(false));
    let ticking = tokio::spawn(tick(tenant.clone(), closed.clone()));

    for part in ["serve", "runner", "work", "serve"] {
        let before: Vec<usize> = books.iter().map(|(_, book)| told(book).len()).collect();
        let more = || {
            all_go_on(&mut tasks);
            let all = books.iter().zip(&before).all(|((_, book), before)| told(book).len() > before + 20);
            ready(all.then_some(()))
        };
        until(&format!("all are told more before {part} is killed"), PATIENCE * 2, more).await;
        let old = platform.kill(part).await;
        platform.runs_again(part, old).await;
    }
    closed.store(true, Ordering::SeqCst);
    let number = ticking.await.expect("it was answered every time");
    let expected: Vec<String> = (1..=number).map(|number| format!("tick {number}")).collect();
    for (channel, book) in books {
        let all = async || (told(book).len() >= number).then_some(());
        until(&format!("{channel}: everything was told"), PATIENCE, all).await;
        assert_eq!(told(book), expected, "{channel}: every line once and in order");
    }
    assert!(by_socket.lock().expect("nobody panicked").openings >= 3, "the API was killed under the followers");
    let filter = json!({ "contains": "tick" });
    assert_eq!(texts(&read(&client, "environment", &environment, &filter).await), expected, "the same in pages");
    // What a request says of itself comes after what it had printed, perhaps in another chunk.
    let requests = json!({ "contains": "POST /print" });
    let whole = async || (read(&client, "environment", &environment, &requests).await.len() >= number).then_some(());
    until("every request is told", PATIENCE, whole).await;
    // Not only those: no number is missing, and none comes twice.
    let all = read(&client, "environment", &environment, &json!({})).await;
    let numbers: Vec<u64> = all.iter().map(|line| line["number"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    eprintln!("{number} lines over 3 channels, each once and in order; API, runner and worker were killed 4 times");
    the_command_line_finds_lines(&platform, &all).await;
}

async fn page_of(tenant: &Tenant) -> Value {
    let query = "query($id: ID!) { environment(id: $id) { logs(last: 1) { looked workspaceId nodes { text } } } }";
    tenant.client.data(query, json!({ "id": tenant.preview.id })).await["environment"]["logs"].clone()
}

async fn the_command_line_finds_lines(platform: &Platform, all: &[Value]) {
    let allocation = text(&all[0]["allocationId"]);
    let said = platform.rhone(&["logs", "--allocation", &allocation, "-n", "150", "--json"]).await;
    assert!(said.status.success(), "{}", program::text(&said.stderr));
    let lines: Vec<Value> =
        program::text(&said.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, all[all.len() - 150..], "the newest, in their order");
    let said = platform.rhone(&["logs", "--allocation", &allocation, "--since", "1h", "--grep", "TICK 7 "]).await;
    assert_eq!(program::text(&said.stdout), "", "no line says so");
    let said = platform.rhone(&["logs", "--allocation", &allocation, "--since", "1h", "--grep", "listens ON"]).await;
    let found = program::text(&said.stdout);
    assert!(found.lines().count() == 1 && found.contains(" out  counter blue listens on 127.0.0.1:"), "{found}");
    let said = platform.rhone(&["logs", "--allocation", "alc_0190000000007000800000000000dead"]).await;
    assert_eq!(said.status.code(), Some(1), "{}", program::text(&said.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_an_app_prints_is_masked_wherever_it_is_kept() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (secret, plain) = (unique("canary-of-the-logs"), unique("no-secret"));
    let variables =
        json!([{ "key": "TOKEN", "value": secret }, { "key": "GREETING", "value": plain, "kind": "PLAIN" }]);
    let input = json!({ "environmentId": tenant.preview.id, "variables": variables });
    tenant.client.done("environmentVariablesSet", "environment { id }", input).await;
    tenant.deploy(Version::Blue).await;
    for key in ["TOKEN", "GREETING"] {
        print(&tenant, &tenant.preview, &format!("/print/{key}"), "").await.expect("it prints");
    }
    shows(&tenant, &tenant.preview, "/print/GREETING 204").await;
    let lines = read(&tenant.client, "environment", &tenant.preview.id, &json!({ "contains": "its value" })).await;
    let mut told: Vec<_> = lines.iter().map(|line| (text(&line["stream"]), text(&line["text"]))).collect();
    told.sort();
    let value = |stream: &str, value: &str| (stream.to_owned(), format!("its value is {value}"));
    let mut expected =
        [value("STDOUT", "***"), value("STDERR", "***"), value("STDOUT", &plain), value("STDERR", &plain)];
    expected.sort();
    assert_eq!(told, expected);
    let scan = everywhere(platform, &Needle::new(&secret));
    assert_eq!(scan.found, Vec::<String>::new(), "the secret lies in clear");
    // A scan that never finds anything proves nothing.
    let scan = everywhere(platform, &Needle::new(&format!("its value is {plain}")));
    assert!(scan.found.iter().any(|place| place.contains("app.log")), "{:?}", scan.found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_told_to_nobody_else_and_taken_from_nobody_else() {
    let platform = Platform::shared().await;
    let (mine, stranger) = (person(platform).await, person(platform).await);
    let tenant = Tenant::open(platform, mine.client.clone()).await;
    let theirs = Tenant::open(platform, stranger.client.clone()).await;
    let deployed = tenant.deploy(Version::Blue).await;
    shows(&tenant, &tenant.preview, "counter blue listens").await;
    let allocation = text(&tenant.allocations(&tenant.preview).await[0]["id"]);
    for (noun, id) in [
        ("app", &tenant.app),
        ("environment", &tenant.preview.id),
        ("deployment", &deployed.id),
        ("allocation", &allocation),
    ] {
        let (question, field) = match noun {
            "allocation" => (
                "query($id: ID!) { node(id: $id) { ... on Allocation { logs { nodes { text } } } } }".to_owned(),
                "node",
            ),
            noun => (format!("query($id: ID!) {{ {noun}(id: $id) {{ logs {{ nodes {{ text }} }} }} }}"), noun),
        };
        let own = mine.client.data(&question, json!({ "id": id })).await;
        assert!(own[field]["logs"]["nodes"][0]["text"].is_string(), "{noun}: {own:#}");
        let foreign = stranger.client.data(&question, json!({ "id": id })).await;
        assert_eq!(foreign[field], Value::Null, "{noun}");
    }
    // By the filter of a place of their own.
    for filter in [json!({ "environmentId": tenant.preview.id }), json!({ "allocationId": allocation })] {
        assert_eq!(read(&stranger.client, "app", &theirs.app, &filter).await, Vec::<Value>::new(), "{filter}");
    }
    let refused = Events::open_at(&stranger.client, "/v1/logs", &[("workspaceId", &tenant.workspace)], None).await;
    let (status, words) = refused.err().expect("it is refused");
    assert_eq!((status, &words["code"]), (404, &json!("NOT_FOUND")));
    let variables = json!({ "workspace": tenant.workspace });
    let opened = Subscription::open(&stranger.client, "logLines", LINES, variables).await;
    match opened.expect("the API takes subscriptions").next().await {
        Heard::Refused(error) => assert_eq!(error["extensions"]["code"], "NOT_FOUND"),
        other @ (Heard::Item(_) | Heard::Ended | Heard::Closed(_)) => panic!("{other:?}"),
    }
    by_row_level_security_alone(platform, &tenant, (mine.actor, stranger.actor)).await;
    from_their_host_alone(platform, &mine.client, &allocation).await;
}

async fn by_row_level_security_alone(platform: &Platform, tenant: &Tenant, (mine, theirs): (uuid::Uuid, uuid::Uuid)) {
    let mut api = connect(&platform.addresses().database.api_url).await;
    let mut transaction = api.begin().await.expect("a transaction begins");
    for (actor, sees) in [(mine, true), (theirs, false)] {
        sqlx::query("SELECT set_config('rhone.actor', $1, true)")
            .bind(actor.to_string())
            .execute(&mut *transaction)
            .await
            .expect("a setting");
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM diagnostics.log_chunks WHERE workspace = $1")
            .bind(uuid(&tenant.workspace))
            .fetch_one(&mut *transaction)
            .await
            .expect("it may be read");
        assert_eq!(count > 0, sees);
    }
}

/// A runner's endpoint, with every token that is not that runner's, and about what is not its own.
async fn from_their_host_alone(platform: &Platform, user: &Client, allocation: &str) {
    let configured: Value = report::read(&platform.data().join("rhone.json")).expect("it is configured");
    let runner = &configured["runner"];
    let line = json!({ "at": "2026-01-01T00:00:00Z", "stream": "stdout", "text": "forged" });
    let chunk = |id: &str| json!({ "allocation": id, "first_line": 0, "lines": [line] });
    let send = async |token: &str, host: &str, id: &str| {
        let body = json!({ "host": host, "chunks": [chunk(id)] });
        let request = http().post(format!("{}/runner/v1/logs", user.url())).bearer_auth(token).json(&body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (host, own) = (text(&runner["host"]), uuid(allocation).to_string());
    let foreign = "01900000-0000-7000-8000-00000000dead";
    assert_eq!(send(user.token(), &host, &own).await.0, 403, "a user is no runner");
    assert_eq!(send("nonsense", &host, &own).await.0, 401);
    let token = text(&runner["token"]);
    assert_eq!(send(&token, foreign, &own).await.0, 403, "the host is the token's");
    let (status, words) = send(&token, &host, foreign).await;
    assert_eq!((status, &words["outcomes"][0]["code"]), (404, &json!("NOT_FOUND")), "{words}");
    // Its own, but under a number that was taken before: nothing of it is kept.
    assert_eq!(send(&token, &host, &own).await.0, 200);
    let filter = json!({ "contains": "forged", "allocationId": allocation });
    let question = "query($id: ID!, $filter: LogFilter) { node(id: $id) { ... on Allocation { logs(filter: $filter) { nodes { text } } } } }";
    let found = user.data(question, json!({ "id": allocation, "filter": filter })).await;
    assert_eq!(found["node"]["logs"]["nodes"], json!([]), "a number is given once");
}
