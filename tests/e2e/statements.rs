//! How many statements a question of the console costs: no more for each further row. PostgreSQL itself counts, by its log.
//! The trap avoided: a count that a loader's own test keeps; what reached the database is what it cost.

mod questions;

use crate::gates::{FILES, FIRST};
use questions::QUESTIONS;
use rhone_tests::{
    artifacts::{self, Version},
    browser::Browser,
    database::{make_operator, person},
    graphql::{Client, unique},
    platform::Platform,
    statements::Statements,
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MANY: usize = 12;
const FEW: usize = 2;

/// So often more may the same statement be sent: a batch may be cut in a few. A statement for each row would be sent 10 times more.
const MORE: usize = 5;

/// Lists of a row that are empty here, and why.
const EMPTY: [(&str, &str); 8] = [
    ("hosts", "none is attached"),
    ("liveEdges", "nobody runs in the regions of this test"),
    ("logs", "nothing here prints"),
    ("residency", "nobody asked for any"),
    ("unset", "a word of a payload: no variable was taken back"),
    ("regions", "it takes a second region"),
    ("regionStandings", "it takes a second region"),
    ("causes", "nobody asked for an environment but the person"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_costs_a_statement_of_its_own() {
    let platform = Platform::start().await;
    let person = person(&platform).await;
    let client = person.client;
    let ids = many_of_everything(&platform, &client).await;
    let operator = one_who_runs_the_platform(&platform).await;
    many_places(&operator).await;
    let log = counted_by_postgres(&platform, "rhone_api").await;
    let mut wrong = Vec::new();
    for &(name, question, rows) in QUESTIONS {
        let names = ["workspace", "project", "app", "environment", "deployment", "region", "cell"];
        let used = names.into_iter().filter(|name| question.contains(&format!("${name}")));
        let declared = used.map(|name| format!(", ${name}: ID!"));
        let query = format!("query($n: Int!{}) {{ {question} }}", declared.collect::<String>());
        let mut counts = Vec::new();
        for n in [FEW, MANY] {
            let mut variables = ids.clone();
            variables["n"] = json!(n);
            variables.as_object_mut().expect("an object").retain(|name, _| query.contains(&format!("${name}:")));
            // To who runs it the platform's own workspace is the first, and has nothing of what the others have.
            let asker = if question.starts_with("regions") { &operator } else { &client };
            let (statements, rows) = fewest(asker, &log, &query, &variables, (rows, n)).await;
            counts.push(statements);
            // The first few may have nothing; of many some have.
            let nothing = if n == MANY { empty(&rows) } else { Vec::new() };
            wrong.extend(nothing.into_iter().map(|list| format!("{name}: {list} is empty for {n} rows")));
        }
        eprintln!("statements: {name}: {} for {FEW} rows, {} for {MANY}", counts[0].len(), counts[1].len());
        let grown = grown(&counts[0], &counts[1]);
        if !grown.is_empty() || counts[0].is_empty() {
            wrong.push(format!("{name}: {grown:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} grow:\n{}", wrong.len(), QUESTIONS.len(), wrong.join("\n"));
    a_change_reads_many_streams_at_once(&client, &log, &ids).await;
    sessions_cost_the_same(&platform, &log).await;
    sealed_fields_cost_the_same(&platform, &client).await;
}

/// A promotion is judged on nine streams: seven that it names, and the artifacts that two of those name. One by one they would be
/// nine statements, and as many as are loaded twice.
async fn a_change_reads_many_streams_at_once(client: &Client, log: &Statements, ids: &Value) {
    let query = "mutation($environment: ID!, $deployment: ID!) {
        deploymentPromote(input: { environmentId: $environment, deploymentId: $deployment, dryRun: true }) { replayed }
    }";
    let variables = json!({ "environment": ids["environment"], "deployment": ids["deployment"] });
    let before = log.now();
    client.data(query, variables).await;
    let asked = log.since(before);
    let streams = asked.iter().filter(|sql| sql.contains("log.read_stream")).count();
    eprintln!("statements: a promotion: {}, of which {streams} for streams", asked.len());
    assert_eq!(streams, 2, "{asked:#?}");
}

/// Keys of personal fields are asked for as another role, which does more than answer questions.
async fn sealed_fields_cost_the_same(platform: &Platform, client: &Client) {
    let log = counted_by_postgres(platform, "rhone_worker").await;
    let query = "query($n: Int!) { workspaces(first: $n) { nodes { contactEmail } } }";
    let mut counts = Vec::new();
    for n in [1, MANY] {
        let (asked, _) = fewest(client, &log, query, &json!({ "n": n }), ("/workspaces/nodes", n)).await;
        counts.push(asked.iter().filter(|sql| sql.contains("wrapped_key")).count());
    }
    eprintln!("statements: workspaces with their addresses: {} for 1 row, {} for {MANY}", counts[0], counts[1]);
    assert!(counts[0] > 0 && counts[1] <= counts[0] + MORE, "a statement for each sealed field: {counts:?}");
    let seen = client.data(query, json!({ "n": MANY })).await;
    let addresses = seen["workspaces"]["nodes"].as_array().expect("a list").iter();
    let addresses: std::collections::BTreeSet<_> = addresses.map(|one| text(&one["contactEmail"])).collect();
    assert_eq!(addresses.len(), MANY, "each has its own");
}

/// The statements of one question. What is gathered is gathered for a millisecond: on a busy machine a batch may be cut in two,
/// and that is no growth, so the best of five counts.
async fn fewest(
    client: &Client,
    log: &Statements,
    query: &str,
    variables: &Value,
    (rows, n): (&str, usize),
) -> (Vec<String>, Value) {
    let mut fewest: Option<(Vec<String>, Value)> = None;
    for _ in 0..5 {
        let before = log.now();
        let data = client.data(query, variables.clone()).await;
        assert_eq!(data.pointer(rows).and_then(Value::as_array).map(Vec::len), Some(n), "{query}: {data:#}");
        let statements = log.since(before);
        if fewest.as_ref().is_none_or(|(fewest, _)| statements.len() < fewest.len()) {
            fewest = Some((statements, data.pointer(rows).cloned().unwrap_or_default()));
        }
    }
    fewest.expect("it was asked")
}

/// Statements that are sent for each row. Each is counted by itself: on a busy machine every loader's batch may be cut in two,
/// which is no growth of any of them. What says who is asking goes before each, and is none.
fn grown<'a>(few: &'a [String], many: &'a [String]) -> BTreeMap<&'a str, [usize; 2]> {
    let mut times: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (column, statements) in [few, many].into_iter().enumerate() {
        for sql in statements.iter().filter(|sql| !sql.contains("set_config")) {
            times.entry(sql).or_default()[column] += 1;
        }
    }
    let texts = [0, 1].map(|column| times.values().filter(|sent| sent[column] > 0).count());
    times.retain(|_, [few, many]| *many > *few + MORE);
    if texts[1] > texts[0] + MORE {
        times.insert("statements with a row's own value in them", texts);
    }
    times
}

#[test]
fn a_statement_for_each_row_is_found_and_a_batch_that_is_cut_is_not() {
    let loaders =
        ["SELECT apps", "SELECT set_config", "SELECT owners", "SELECT set_config"].map(str::to_owned).to_vec();
    let cut = [loaders.clone(), loaders.clone(), loaders.clone()].concat();
    assert!(grown(&loaders, &cut).is_empty());
    let sin = [loaders.clone(), vec!["SELECT one owner".to_owned(); MANY]].concat();
    let few = [loaders, vec!["SELECT one owner".to_owned(); FEW]].concat();
    assert_eq!(grown(&few, &sin).into_iter().collect::<Vec<_>>(), [("SELECT one owner", [FEW, MANY])]);
    let written_in = |rows: usize| (0..rows).map(|row| format!("SELECT owner {row}")).collect::<Vec<_>>();
    assert!(!grown(&written_in(FEW), &written_in(MANY)).is_empty(), "each has a text of its own");
}

/// Lists that hold nothing in any row: a question about nothing costs nothing for each further row, whatever it would cost.
fn empty(rows: &Value) -> Vec<String> {
    let mut lists: BTreeMap<String, usize> = BTreeMap::new();
    count(rows, "rows", &mut lists);
    let known = |name: &str| EMPTY.iter().any(|(known, _)| *known == name);
    lists.into_iter().filter(|(name, count)| *count == 0 && !known(name)).map(|(name, _)| name).collect()
}

fn count(value: &Value, name: &str, lists: &mut BTreeMap<String, usize>) {
    match value {
        Value::Array(items) => {
            *lists.entry(name.to_owned()).or_default() += items.len();
            for item in items {
                count(item, name, lists);
            }
        }
        // The nodes of a page are named as the page is.
        Value::Object(fields) => {
            for (field, value) in fields {
                count(value, if field == "nodes" { name } else { field }, lists);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A person's browsers are a list without pages.
async fn sessions_cost_the_same(platform: &Platform, log: &Statements) {
    let (developer, api) = (platform.developer(), platform.report().urls.api);
    let query = "{ viewer { sessions { id createdAt } } }";
    let mut counts = Vec::new();
    for more in [1, MANY] {
        for _ in 0..more {
            Browser::new(&api).get("/auth/dev/login?return_to=/graphiql").await;
        }
        let seen = developer.data(query, json!({})).await["viewer"]["sessions"].clone();
        let rows = seen.as_array().map_or(0, Vec::len);
        assert!(rows >= more, "{seen:#}");
        counts.push(fewest(&developer, log, query, &json!({}), ("/viewer/sessions", rows)).await.0);
    }
    eprintln!("statements: the caller's sessions: {} for 1 row, {} for {MANY} more", counts[0].len(), counts[1].len());
    assert!(grown(&counts[0], &counts[1]).is_empty() && !counts[0].is_empty(), "{:#?}", counts[1]);
}

async fn one_who_runs_the_platform(platform: &Platform) -> Client {
    let operator = person(platform).await;
    make_operator(platform, operator.actor).await;
    operator.client
}

/// A dozen regions, each with a cell and a host that nobody runs.
async fn many_places(client: &Client) {
    for _ in 0..MANY {
        let input = json!({ "slug": unique("r"), "name": "R" });
        let region = client.done("regionCreate", "region { id }", input).await["region"]["id"].clone();
        let input = json!({ "regionId": region, "slug": unique("c") });
        let cell = client.done("cellCreate", "cell { id }", input).await["cell"]["id"].clone();
        client.done("hostCreate", "host { id }", json!({ "cellId": cell, "slug": unique("h") })).await;
    }
}

/// A dozen of each: workspaces (each with an invitation and a time of support), tokens, projects, apps, environments (each with an operation), deployments.
async fn many_of_everything(platform: &Platform, client: &Client) -> Value {
    let ids = platform.report().ids;
    let (region, cell) = (format!("reg_{}", ids.region.simple()), format!("cell_{}", ids.cell.simple()));
    let mut workspace = String::new();
    for _ in 0..MANY {
        let slug = unique("w");
        let input = json!({ "slug": slug, "name": "W", "contactEmail": format!("{slug}@example.org") });
        workspace = client.made("workspaceCreate", "workspace", input).await;
        let input = json!({ "workspaceId": workspace, "role": "MEMBER" });
        client.done("memberInvite", "__typename", input).await;
        let input = json!({ "workspaceId": workspace, "reason": "a test", "seconds": 600 });
        client.done("supportAccessGrant", "__typename", input).await;
        client.done("tokenCreate", "__typename", json!({ "name": "a token of the tests" })).await;
    }
    let (mut project, mut app) = (String::new(), String::new());
    for _ in 0..MANY {
        let input = json!({ "workspaceId": workspace, "slug": unique("p"), "name": "P" });
        project = client.made("projectCreate", "project", input).await;
    }
    for _ in 0..MANY {
        let input = json!({ "projectId": project, "slug": unique("a"), "name": "A" });
        app = client.made("appCreate", "app", input).await;
        let input = json!({ "appId": app, "host": "git.example.com", "username": "bot", "secret": "a secret" });
        client.done("appSourceCredentialSet", "__typename", input).await;
    }
    let digest = artifacts::push_with(client, &workspace, Version::Blue, FIRST.to_owned(), FILES).await;
    let mut environment = String::new();
    for _ in 0..MANY {
        let input = json!({ "appId": app, "slug": unique("e"), "kind": "PREVIEW", "regionId": region, "cellId": cell });
        environment = client.made("environmentCreate", "environment", input).await;
        let input = json!({ "environmentId": environment,
            "variables": [{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }, { "key": "SECRET", "value": "hidden" }] });
        client.done("environmentVariablesSet", "__typename", input).await;
        // Where no probe may reach, so that nothing ever comes of it.
        let url = "postgres://user:password@169.254.169.254/shop";
        let input = json!({ "environmentId": environment, "resource": "DATABASE", "vendor": "POSTGRES",
            "url": url });
        client.done("providerBindingCreate", "__typename", input).await;
        let input =
            json!({ "environmentId": environment, "service": "SESSION_STORE", "backend": "POSTGRES", "url": url });
        client.done("runtimeServiceBindingCreate", "__typename", input).await;
        lives(client, &app, &environment, &digest).await;
    }
    ends(client, &app).await;
    let query = "query($app: ID!) { app(id: $app) { deployments(first: 100) { nodes { id } } } }";
    let deployments = client.data(query, json!({ "app": app })).await["app"]["deployments"]["nodes"].clone();
    let deployment = text(&deployments[0]["id"]);
    json!({ "workspace": workspace, "project": project, "app": app, "environment": environment, "deployment": deployment,
        "region": region, "cell": cell })
}

/// A migration on record, and two deployments of which the first is the way back.
async fn lives(client: &Client, app: &str, environment: &str, digest: &str) {
    for first in [true, false] {
        let input = json!({ "appId": app, "artifactDigest": digest, "idempotencyKey": unique("d") });
        let made = async || {
            let made = client.done("deploymentCreate", "deployment { id }", input.clone()).await;
            made["deployment"]["id"].as_str().map(str::to_owned)
        };
        let deployment = until("the deployment can be read", PATIENCE, made).await;
        if first {
            let input = json!({ "environmentId": environment, "deploymentId": deployment, "migrationId": "0001_orders",
                "evidence": "psql said so" });
            client.done("migrationRecord", "__typename", input).await;
            ends(client, app).await;
        }
        client
            .done(
                "deploymentPromote",
                "__typename",
                json!({ "environmentId": environment, "deploymentId": deployment }),
            )
            .await;
        ends(client, app).await;
    }
}

/// Waits until every operation of the app has ended.
async fn ends(client: &Client, app: &str) {
    let query =
        "query($app: ID!) { app(id: $app) { operations(first: 1, filter: { ended: false }) { nodes { id } } } }";
    let none = async || {
        (client.data(query, json!({ "app": app })).await["app"]["operations"]["nodes"] == json!([])).then_some(())
    };
    until("every operation has ended", PATIENCE * 2, none).await;
}

/// Every statement of this role; the API is started anew, so that every connection is one whose statements are written down.
async fn counted_by_postgres(platform: &Platform, role: &str) -> Statements {
    let log = Statements::of_role(platform, role).await;
    let old = platform.kill("serve").await;
    platform.runs_again("serve", old).await;
    let developer = platform.developer();
    let counted = async || {
        let before = log.now();
        developer.try_ask("{ viewer { actor } }", json!({})).await.ok()?;
        (!log.since(before).is_empty()).then_some(())
    };
    until("the API answers, and its statements are in the log", PATIENCE, counted).await;
    log
}
