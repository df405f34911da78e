//! Each word of a filter on everything that is filtered: the timeline, its export as JSON and CSV, and events as they are
//! followed by both ways. The log itself says what must be found: exactly these and no other. The trap avoided: a filter that is
//! read and not used, or used in one of four places.

use rhone_tests::{
    artifacts::Version,
    database::{Person, administrator, person, uuid},
    graphql::Client,
    live::{Events, Subscription, before_all, now},
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Map, Value, json};
use sqlx::Row as _;
use std::collections::BTreeSet;
use uuid::Uuid;

const REFUSAL: &str = "refusal.recorded";

/// An event as the log has it.
struct Logged {
    id: String,
    stream: String,
    event_type: String,
    actor: String,
    correlation: String,
    at: String,
    /// Of the first event of its stream, which says what it belongs to.
    first: String,
}

type Holds<'a> = Box<dyn Fn(&Logged) -> bool + 'a>;

/// A filter, and which events it is for.
struct Case<'a> {
    name: &'static str,
    value: String,
    holds: Holds<'a>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_finds_exactly_its_events_wherever_it_is_asked() {
    let platform = Platform::shared().await;
    let (one, two, colleague, operation) = two_apps(platform).await;
    let all = logged(platform, &one).await;
    let end = all.last().expect("much happened").at.clone();
    let all: Vec<_> = all.into_iter().filter(|event| event.at < end).collect();
    let mut wrong = Vec::new();
    let (mut asked, cases) = (0, cases(&all, [&one, &two], &colleague, &operation));
    for case in &cases {
        let expected: Vec<&str> =
            all.iter().filter(|event| (case.holds)(event)).map(|event| event.id.as_str()).collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{} is for some: {expected:?}", case.name);
        for (place, found) in answers(&one, case, &end).await {
            let found: Vec<&str> =
                found.iter().map(String::as_str).filter(|id| all.iter().any(|one| one.id == *id)).collect();
            if found != expected {
                let of = |ids: &[&str], but: &[&str]| -> Vec<String> {
                    let ids =
                        all.iter().filter(|one| ids.contains(&one.id.as_str()) && !but.contains(&one.id.as_str()));
                    ids.map(|one| format!("{} {}", one.stream, one.event_type)).collect()
                };
                let (more, less) = (of(&found, &expected), of(&expected, &found));
                wrong.push(format!("{} of {place}: too many {more:?}, missing {less:?}", case.name));
            }
            asked += 1;
        }
    }
    assert!(asked >= 50, "only {asked}");
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Two projects with an app each; a deploy of the first, and somebody else who freezes its production.
async fn two_apps(platform: &Platform) -> (Tenant, Tenant, Person, String) {
    let one = Tenant::open(platform, person(platform).await.client).await;
    let input = json!({ "workspaceId": one.workspace, "slug": "other", "name": "Other" });
    let project = text(&one.client.done("projectCreate", "project { id }", input).await["project"]["id"]);
    let input = json!({ "projectId": project, "slug": "second", "name": "Second" });
    let app = text(&one.client.done("appCreate", "app { id }", input).await["app"]["id"]);
    let two = Tenant { project, ..one.with_app(platform, app).await };
    let colleague = person(platform).await;
    let input = json!({ "workspaceId": one.workspace, "memberId": colleague.actor, "role": "ADMIN" });
    one.client.done("memberAdd", "__typename", input).await;
    let freeze = json!({ "environmentId": one.production.id, "reason": "a quiet hour" });
    colleague.client.done("environmentFreeze", "__typename", freeze).await;
    let refused = json!({ "environmentId": two.production.id, "host": one.production.host });
    colleague.client.refused("environmentHostAttach", "__typename", refused).await;
    let operation = one.deploy(Version::Blue).await.operation;
    let set = json!({ "environmentId": two.preview.id,
        "variables": [{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }] });
    one.client.done("environmentVariablesSet", "__typename", set).await;
    // What is asked about ended before this.
    let freeze = json!({ "environmentId": two.production.id, "reason": "the end" });
    let last = text(&one.client.done("environmentFreeze", "__typename", freeze).await["position"]);
    let query = "query($id: ID!, $at: String) { workspace(id: $id, atLeastPosition: $at) { id } }";
    let read = async || {
        let seen = one.client.ask(query, json!({ "id": one.workspace, "at": last })).await;
        seen.get("errors").is_none().then_some(())
    };
    until("everything can be read", PATIENCE, read).await;
    (one, two, colleague, operation)
}

/// The log of the workspace, in its order.
async fn logged(platform: &Platform, tenant: &Tenant) -> Vec<Logged> {
    let rows = sqlx::query(
        "SELECT e.event_id::text AS id, e.stream, e.event_type, e.actor::text AS actor, e.correlation::text AS correlation,
             to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at,
             (SELECT f.payload::text FROM log.events f WHERE f.stream = e.stream AND f.version = 1) AS first
         FROM log.events e WHERE e.workspace = $1 ORDER BY e.era, e.tx, e.pos",
    )
    .bind(uuid(&tenant.workspace))
    .fetch_all(&mut administrator(platform).await)
    .await
    .expect("the log can be read");
    let of = |row: &sqlx::postgres::PgRow, name: &str| row.get::<String, _>(name);
    let logged = |row: &sqlx::postgres::PgRow| Logged {
        id: of(row, "id"),
        stream: of(row, "stream"),
        event_type: of(row, "event_type"),
        actor: of(row, "actor"),
        correlation: of(row, "correlation"),
        at: of(row, "at"),
        first: of(row, "first"),
    };
    rows.iter().map(logged).collect()
}

/// Whether an event's stream is one of these, or belongs to one of them by its own first words.
fn belongs(event: &Logged, ids: &BTreeSet<Uuid>) -> bool {
    let (category, stream) = event.stream.split_once(':').expect("category:uuid");
    let own = Uuid::try_parse(stream).is_ok_and(|id| ids.contains(&id));
    let named = ids.iter().any(|id| event.first.contains(&id.to_string()));
    own || named && !["workspace", "project", "claim"].contains(&category)
}

fn cases<'a>(all: &[Logged], [one, two]: [&Tenant; 2], colleague: &Person, operation: &str) -> Vec<Case<'a>> {
    let of =
        |tenant: &Tenant| BTreeSet::from([&tenant.app, &tenant.preview.id, &tenant.production.id].map(|id| uuid(id)));
    let (middle, operation_id) = (all[all.len() / 2].at.clone(), uuid(operation).to_string());
    let (actor, first, second) = (colleague.actor.to_string(), of(one), of(two));
    let project = second.iter().copied().chain([uuid(&two.project)]).collect();
    let lane = BTreeSet::from([uuid(&one.preview.id)]);
    let case = |name, value: &str, holds: Holds<'a>| Case { name, value: value.to_owned(), holds };
    let (since, before, led, by) = (middle.clone(), middle.clone(), operation_id.clone(), actor.clone());
    let (of_operation, object) = (operation_id.clone(), format!("app:{}", uuid(&one.app)));
    vec![
        case("since", &middle, Box::new(move |event| event.at >= since)),
        case("until", &middle, Box::new(move |event| event.at < before)),
        case("correlation", &operation_id, Box::new(move |event| event.correlation == led)),
        case("operationId", operation, Box::new(move |event| event.correlation == of_operation)),
        case("actor", &actor, Box::new(move |event| event.actor == by)),
        case("objectId", &one.app, Box::new(move |event| event.stream == object)),
        case("types", "variables.changed", Box::new(|event| event.event_type == "variables.changed")),
        case("kind", "REFUSAL", Box::new(|event| event.event_type == REFUSAL)),
        case("kind", "EVENT", Box::new(|event| event.event_type != REFUSAL)),
        case("appId", &one.app, Box::new(move |event| belongs(event, &first))),
        case("appId", &two.app, Box::new(move |event| belongs(event, &second))),
        case("environmentId", &one.preview.id, Box::new(move |event| belongs(event, &lane))),
        case("projectId", &two.project, Box::new(move |event| belongs(event, &project))),
    ]
}

/// What each place that takes this filter finds.
async fn answers(tenant: &Tenant, case: &Case<'_>, end: &str) -> Vec<(&'static str, Vec<String>)> {
    let (client, workspace) = (&tenant.client, tenant.workspace.as_str());
    let mut found = vec![("the timeline", lines(client, workspace, case).await)];
    let ends = if case.name == "until" { String::new() } else { format!("&until={end}") };
    let path = format!("/v1/timeline?workspaceId={workspace}{ends}&{}={}", case.name, case.value);
    let (status, body) = client.get(&path).await;
    assert_eq!(status, 200, "{path}: {body}");
    let array: Vec<Value> = serde_json::from_str(&body).expect("one array");
    found.push(("JSON", array.iter().map(|line| text(&line["eventId"])).collect()));
    let (_, table) = client.get(&format!("{path}&format=csv")).await;
    let cell = |line: &str| line.split("\",\"").nth(1).map(str::to_owned);
    found.push(("CSV", table.lines().skip(1).filter(|line| line.starts_with('"')).filter_map(cell).collect()));
    // Who follows says where to begin in place of a time, and follows a workspace, an app, an environment or one thing.
    if !["since", "until", "projectId", "kind"].contains(&case.name) {
        let after = before_all(&now(client, "/v1/events", workspace).await);
        found.push(("the subscription", by_socket(client, workspace, &after, case).await));
        found.push(("/v1/events", by_stream(client, workspace, &after, case).await));
    }
    found
}

async fn lines(client: &Client, workspace: &str, case: &Case<'_>) -> Vec<String> {
    let query = "query($id: ID!, $filter: TimelineFilter, $after: String) { workspace(id: $id) { timeline(first: 100, \
        filter: $filter, after: $after) { nodes { eventId } pageInfo { hasNextPage endCursor } } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "id": workspace, "filter": filter(case), "after": after });
        let page = client.data(query, variables).await["workspace"]["timeline"].clone();
        found.extend(page["nodes"].as_array().expect("lines").iter().map(|line| text(&line["eventId"])));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] != true {
            return found;
        }
    }
}

fn filter(case: &Case<'_>) -> Value {
    let value = if case.name == "types" { json!([case.value]) } else { json!(case.value) };
    Value::Object(Map::from_iter([(case.name.to_owned(), value)]))
}

async fn by_socket(client: &Client, workspace: &str, after: &str, case: &Case<'_>) -> Vec<String> {
    let query = "subscription($id: ID!, $after: String, $filter: EventFilterInput) { events(workspaceId: $id, after: $after, \
        filter: $filter) { __typename ... on TimelineEntry { eventId } } }";
    let variables = json!({ "id": workspace, "after": after, "filter": filter(case) });
    let open = Subscription::open(client, "events", query, variables).await;
    let (mut open, mut found) = (open.expect("the API takes subscriptions"), Vec::new());
    loop {
        let item = open.item().await;
        match item["eventId"].as_str() {
            Some(event) => found.push(event.to_owned()),
            None => return found,
        }
    }
}

async fn by_stream(client: &Client, workspace: &str, after: &str, case: &Case<'_>) -> Vec<String> {
    let query = [("workspaceId", workspace), ("after", after), (case.name, case.value.as_str())];
    let open = Events::open(client, &query, None).await;
    let (mut open, mut found) = (open.unwrap_or_else(|refusal| panic!("{refusal:?}")), Vec::new());
    loop {
        let sent = open.said().await;
        if sent.event != "event" {
            return found;
        }
        found.push(text(&sent.words()["eventId"]));
    }
}
