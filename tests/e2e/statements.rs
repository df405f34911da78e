//! How many statements a question of the console costs: no more for each further row. PostgreSQL itself counts, by its log.
//! The trap avoided: a count that a loader's own test keeps; what reached the database is what it cost.

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

const MANY: usize = 12;

/// So many statements more are let pass: a batch may be cut in two. A statement for each row would be 11 of them.
const MORE: usize = 5;

/// What a console asks for, and where its rows are.
const QUESTIONS: &[(&str, &str, &str)] = &[
    ("workspaces", "workspaces(first: $n) { nodes { id slug name version } }", "/workspaces/nodes"),
    (
        "projects with their apps",
        "workspace(id: $workspace) { projects(first: $n) { nodes { id slug workspace { name } apps(first: 2) { nodes { id slug } } } } }",
        "/workspace/projects/nodes",
    ),
    (
        "apps with environments, last deployment and last operation",
        "project(id: $project) { apps(first: $n) { nodes { id slug version sourceCredentials { host } \
         project { slug workspace { slug } } \
         environments(first: 2) { nodes { id kind } } deployments(first: 1) { nodes { id status } } \
         operations(first: 1) { nodes { id kind stage } } } } }",
        "/project/apps/nodes",
    ),
    (
        "environments with their owners",
        "app(id: $app) { environments(first: $n) { nodes { id slug kind app { slug } region { slug } cell { slug } \
         routeOwner { epoch revision hosts region { slug } deployment { id status artifact { digest size } } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their settings",
        "app(id: $app) { environments(first: $n) { nodes { id replicas sleepAfterSeconds approvalsRequired residency \
         regions { regionId } regionStandings { regionId standing } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments and their life",
        "app(id: $app) { environments(first: $n) { nodes { id lifecycle } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their allocations",
        "app(id: $app) { environments(first: $n) { nodes { id allocations { id state } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what is bound",
        "app(id: $app) { environments(first: $n) { nodes { id providerBindings { resource binding { state } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with services and migrations",
        "app(id: $app) { environments(first: $n) { nodes { id runtimeServiceBindings { service } migrations { migrationId } } } }",
        "/app/environments/nodes",
    ),
    (
        "deployments",
        "app(id: $app) { deployments(first: $n, filter: { status: VALIDATED }) { nodes { id status app { slug } artifact { digest size } \
         createdBy { actor actorName } } } }",
        "/app/deployments/nodes",
    ),
    (
        "operations",
        "app(id: $app) { operations(first: $n) { nodes { id kind stage environment { slug kind app { slug } } \
         deployment { id artifact { digest } } gates { kind state } failure { code } createdAt endedAt \
         requestedBy { actor actorName } } } }",
        "/app/operations/nodes",
    ),
    (
        "apps with their timelines, line by line and by operation",
        "project(id: $project) { apps(first: $n) { nodes { id timeline(first: 2) { nodes { type summary } } \
         operationTimeline(first: 2) { nodes { request { type } events { type } } } } } }",
        "/project/apps/nodes",
    ),
    (
        "environments with what a promotion to them would come to",
        "app(id: $app) { environments(first: $n) { nodes { id promotion(deploymentId: $deployment) { allowed code gates { kind state } \
         variables { currentSet } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what a rollback of them would come to",
        "app(id: $app) { environments(first: $n) { nodes { id rollbackPlan { allowed deploymentId } } } }",
        "/app/environments/nodes",
    ),
    (
        "deployments with what their promotion would come to",
        "app(id: $app) { deployments(first: $n) { nodes { id promotion(environmentId: $environment) { allowed gates { kind } } } } }",
        "/app/deployments/nodes",
    ),
    (
        "deployments with what a rollback to them would come to",
        "app(id: $app) { deployments(first: $n) { nodes { id rollbackPlan(environmentId: $environment) { allowed gates { kind } } } } }",
        "/app/deployments/nodes",
    ),
    (
        "environments with the gates of their scale",
        "app(id: $app) { environments(first: $n) { nodes { id scalePlan(replicas: 2) { allowed gates { kind } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what of them may be many",
        "app(id: $app) { environments(first: $n) { nodes { id scaleReadiness(replicas: 2) { allowed } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with the gates of a failover and of a region",
        "app(id: $app) { environments(first: $n) { nodes { id failover(regionId: $region) { allowed } \
         regionReadiness(regionId: $region, cellId: $cell) { allowed } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their variables, values and sets",
        "app(id: $app) { environments(first: $n) { nodes { id variables { key value } variableSets { set keys } \
         variableDifference(deploymentId: $deployment) { currentSet } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what the caller may do",
        "app(id: $app) { environments(first: $n) { nodes { id viewerGrants affordances { freeze { allowed } wake { code } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their operations and deployments",
        "app(id: $app) { environments(first: $n) { nodes { id operations(first: 2) { nodes { id cancellable { allowed } } } \
         deployments(first: 2) { nodes { id } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their logs",
        "app(id: $app) { environments(first: $n) { nodes { id logs(first: 1) { nodes { text } } } } }",
        "/app/environments/nodes",
    ),
    (
        "deployments with their logs",
        "app(id: $app) { deployments(first: $n) { nodes { id logs(first: 1) { nodes { text } } } } }",
        "/app/deployments/nodes",
    ),
    (
        "operations with everything",
        "app(id: $app) { operations(first: $n) { nodes { id cancellable { allowed code } environment { slug routeOwner { epoch } } \
         deployment { id } logs(first: 1) { nodes { text } } } } }",
        "/app/operations/nodes",
    ),
    (
        "a workspace's operations",
        "workspace(id: $workspace) { operations(first: $n) { nodes { id environment { slug } } } }",
        "/workspace/operations/nodes",
    ),
    (
        "a workspace's deployments",
        "workspace(id: $workspace) { deployments(first: $n) { nodes { id app { slug } } } }",
        "/workspace/deployments/nodes",
    ),
    (
        "projects with their operations and deployments",
        "workspace(id: $workspace) { projects(first: $n) { nodes { id viewerGrants operations(first: 1) { nodes { id } } \
         deployments(first: 1) { nodes { id } } } } }",
        "/workspace/projects/nodes",
    ),
    (
        "environments with why they are there",
        "app(id: $app) { environments(first: $n) { nodes { id why(field: EXISTENCE) { value command causes { summary } operation { id } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what changed",
        "app(id: $app) { environments(first: $n) { nodes { id \
         changes(from: \"2026-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") { field operation { id } } } } }",
        "/app/environments/nodes",
    ),
    (
        "workspaces with their people",
        "workspaces(first: $n) { nodes { id viewerGrants members(first: 2) { nodes { actor } } invitations(first: 2) { nodes { id } } \
         support { id } } }",
        "/workspaces/nodes",
    ),
    (
        "workspaces with their lists",
        "workspaces(first: $n) { nodes { id operations(first: 1) { nodes { id } } deployments(first: 1) { nodes { id } } } }",
        "/workspaces/nodes",
    ),
    (
        "timeline",
        "app(id: $app) { timeline(first: $n) { nodes { position type summary actor actorName payload \
         requestedBy { actor actorName } } } }",
        "/app/timeline/nodes",
    ),
    (
        "apps with all that belongs to them as it was, the way there and what differs",
        "project(id: $project) { apps(first: $n) { nodes { id replay(at: { time: \"2100-01-01T00:00:00Z\" }) { \
         streams(first: 2) { nodes { stream stateHash } } steps(last: 2) { nodes { accepted command changes { path } } } \
         differences(from: { time: \"2001-01-01T00:00:00Z\" }, first: 2) { nodes { stream changes { path } } } } } } }",
        "/project/apps/nodes",
    ),
    (
        "apps with the digest of all that they were",
        "project(id: $project) { apps(first: $n) { nodes { id replay { statesHash } } } }",
        "/project/apps/nodes",
    ),
    (
        "regions with cells and hosts, and which of those may be given up",
        "regions(first: $n) { nodes { id slug version cells(first: 1) { nodes { id slug hosts(first: 1) { nodes { \
         id slug state capacity heldBy retirable { allowed code } affordances { cordon { allowed } } } } } } } }",
        "/regions/nodes",
    ),
    (
        "regions with the edges that live there",
        "regions(first: $n) { nodes { id liveEdges { edge mode } } }",
        "/regions/nodes",
    ),
    (
        "the caller's tokens",
        "viewer { tokens(first: $n) { nodes { tokenId name grants createdAt } } }",
        "/viewer/tokens/nodes",
    ),
    (
        "what concerns the caller alone",
        "viewer { timeline(first: $n) { nodes { position type summary actor actorName requestedBy { actorName } } } }",
        "/viewer/timeline/nodes",
    ),
    (
        "environments with what the caller may do with what runs",
        "app(id: $app) { environments(first: $n) { nodes { id allocations { version affordances { drain { code } } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what the caller may do with what is bound, and its versions",
        "app(id: $app) { environments(first: $n) { nodes { id migrationsVersion providerBindings { version \
         affordances { verify { code } } } runtimeServiceBindings { version affordances { disable { code } } } } } }",
        "/app/environments/nodes",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_costs_a_statement_of_its_own() {
    let platform = Platform::start().await;
    let person = person(&platform).await;
    let client = person.client;
    let ids = many_of_everything(&platform, &client).await;
    // The platform's own workspace has nobody's address: they do not run it yet.
    sealed_fields_cost_the_same(&platform, &client).await;
    make_operator(&platform, person.actor).await;
    many_places_and_tokens(&client).await;
    let log = counted_by_postgres(&platform, "rhone_api").await;
    let mut wrong = Vec::new();
    for &(name, question, rows) in QUESTIONS {
        let names = ["workspace", "project", "app", "environment", "deployment", "region", "cell"];
        let used = names.into_iter().filter(|name| question.contains(&format!("${name}")));
        let declared = used.map(|name| format!(", ${name}: ID!"));
        let query = format!("query($n: Int!{}) {{ {question} }}", declared.collect::<String>());
        let mut counts = Vec::new();
        for n in [1, MANY] {
            let mut variables = ids.clone();
            variables["n"] = json!(n);
            variables.as_object_mut().expect("an object").retain(|name, _| query.contains(&format!("${name}:")));
            counts.push(fewest(&client, &log, &query, &variables, (rows, n)).await);
        }
        eprintln!("statements: {name}: {} for 1 row, {} for {MANY}", counts[0].len(), counts[1].len());
        if counts[1].len() > counts[0].len() + MORE || counts[0].is_empty() {
            wrong.push(format!("{name}: {:#?}", counts[1]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} grow:\n{}", wrong.len(), QUESTIONS.len(), wrong.join("\n"));
    sessions_cost_the_same(&platform, &log).await;
}

/// Keys of personal fields are asked for as another role, which does more than answer questions.
async fn sealed_fields_cost_the_same(platform: &Platform, client: &Client) {
    let log = counted_by_postgres(platform, "rhone_worker").await;
    let query = "query($n: Int!) { workspaces(first: $n) { nodes { contactEmail } } }";
    let mut counts = Vec::new();
    for n in [1, MANY] {
        let asked = fewest(client, &log, query, &json!({ "n": n }), ("/workspaces/nodes", n)).await;
        counts.push(asked.iter().filter(|sql| sql.contains("wrapped_key")).count());
    }
    eprintln!("statements: workspaces with their addresses: {} for 1 row, {} for {MANY}", counts[0], counts[1]);
    assert!((1..=3).contains(&counts[0]) && counts[1] <= 3, "a statement for each sealed field: {counts:?}");
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
) -> Vec<String> {
    let mut fewest: Option<Vec<String>> = None;
    for _ in 0..5 {
        let before = log.now();
        let data = client.data(query, variables.clone()).await;
        assert_eq!(data.pointer(rows).and_then(Value::as_array).map(Vec::len), Some(n), "{query}: {data:#}");
        let statements = log.since(before);
        if fewest.as_ref().is_none_or(|fewest| statements.len() < fewest.len()) {
            fewest = Some(statements);
        }
    }
    fewest.expect("it was asked")
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
        counts.push(fewest(&developer, log, query, &json!({}), ("/viewer/sessions", rows)).await);
    }
    eprintln!("statements: the caller's sessions: {} for 1 row, {} for {MANY} more", counts[0].len(), counts[1].len());
    assert!(counts[1].len() <= counts[0].len() + MORE && !counts[0].is_empty(), "{:#?}", counts[1]);
}

/// A dozen regions, each with a cell and a host that nobody runs, and a dozen tokens.
async fn many_places_and_tokens(client: &Client) {
    for _ in 0..MANY {
        let input = json!({ "slug": unique("r"), "name": "R" });
        let region = client.done("regionCreate", "region { id }", input).await["region"]["id"].clone();
        let input = json!({ "regionId": region, "slug": unique("c") });
        let cell = client.done("cellCreate", "cell { id }", input).await["cell"]["id"].clone();
        client.done("hostCreate", "host { id }", json!({ "cellId": cell, "slug": unique("h") })).await;
        client.done("tokenCreate", "__typename", json!({ "name": "a token of the tests" })).await;
    }
}

/// A dozen of each: workspaces, projects, apps, environments (each with an operation), deployments.
async fn many_of_everything(platform: &Platform, client: &Client) -> Value {
    let ids = platform.report().ids;
    let (region, cell) = (format!("reg_{}", ids.region.simple()), format!("cell_{}", ids.cell.simple()));
    let mut workspace = String::new();
    for _ in 0..MANY {
        let slug = unique("w");
        let input = json!({ "slug": slug, "name": "W", "contactEmail": format!("{slug}@example.org") });
        workspace = text(&client.done("workspaceCreate", "workspace { id }", input).await["workspace"]["id"]);
        let input = json!({ "workspaceId": workspace, "role": "MEMBER" });
        client.done("memberInvite", "__typename", input).await;
        let input = json!({ "workspaceId": workspace, "reason": "a test", "seconds": 600 });
        client.done("supportAccessGrant", "__typename", input).await;
    }
    let (mut project, mut app) = (String::new(), String::new());
    for _ in 0..MANY {
        let input = json!({ "workspaceId": workspace, "slug": unique("p"), "name": "P" });
        project = text(&client.done("projectCreate", "project { id }", input).await["project"]["id"]);
    }
    for _ in 0..MANY {
        let input = json!({ "projectId": project, "slug": unique("a"), "name": "A" });
        app = text(&client.done("appCreate", "app { id }", input).await["app"]["id"]);
    }
    let digest = artifacts::push(client, &workspace, Version::Blue).await;
    let mut environment = String::new();
    for _ in 0..MANY {
        let input = json!({ "appId": app, "slug": unique("e"), "kind": "PREVIEW", "regionId": region, "cellId": cell });
        let made = client.done("environmentCreate", "environment { id }", input).await;
        environment = text(&made["environment"]["id"]);
        let input = json!({ "environmentId": environment,
            "variables": [{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }, { "key": "SECRET", "value": "hidden" }] });
        client.done("environmentVariablesSet", "__typename", input).await;
        // Where no probe may reach, so that nothing ever comes of it.
        let url = "postgres://user:password@169.254.169.254/shop";
        let input = json!({ "environmentId": made["environment"]["id"], "resource": "DATABASE", "vendor": "POSTGRES",
            "url": url });
        client.done("providerBindingCreate", "__typename", input).await;
        let input = json!({ "appId": app, "artifactDigest": digest });
        client.done("deploymentCreate", "__typename", input).await;
    }
    let query = "query($app: ID!) { app(id: $app) { deployments(first: 100) { nodes { id } } operations(first: 100, filter: { ended: true }) { nodes { id } } } }";
    let all = async || {
        let data = client.data(query, json!({ "app": app })).await;
        let count = |list: &str| data["app"][list]["nodes"].as_array().map_or(0, Vec::len);
        let all = count("deployments") >= MANY && count("operations") >= MANY;
        all.then(|| text(&data["app"]["deployments"]["nodes"][0]["id"]))
    };
    let deployment = until("everything can be read, and every operation has ended", PATIENCE * 2, all).await;
    json!({ "workspace": workspace, "project": project, "app": app, "environment": environment, "deployment": deployment,
        "region": region, "cell": cell })
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
