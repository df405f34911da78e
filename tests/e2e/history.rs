//! Deploy, promote, refuse, freeze, set, roll back: and then every question about it answered by one query, and compared with
//! what was done. The trap avoided: an audit that is compared with itself; what was done stands here, with its ids.

mod app;
mod asked;
mod bundle;

use rhone_tests::{
    artifacts::Version,
    database::{person, uuid},
    graphql::Client,
    platform::Platform,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// What was done, with its ids.
struct Done {
    tenant: Tenant,
    actor: String,
    blue: Deployed,
    green: Deployed,
    /// The promotions of blue and green, and the rollback to blue.
    operations: [String; 3],
    /// When the log received the last event before green was promoted.
    before: String,
    /// When it received the last one of the rollback.
    after: String,
    /// Where the refusal was put on record.
    position: String,
}

const WHY: &str = "green loses visitors";

async fn done(platform: &Platform) -> Done {
    let tenant = Tenant::open(platform, platform.developer()).await;
    let actor = text(&tenant.client.data("{ viewer { actor } }", json!({})).await["viewer"]["actor"]);
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let first = tenant.promote(&blue).await;
    tenant.succeeds(&first).await;
    let before = last_of(&tenant, &first).await;
    let production = &tenant.production.id;
    let input = json!({ "deploymentId": green.id, "environmentId": production, "expectedRouteEpoch": 0 });
    let payload = tenant.client.mutate("deploymentPromote", "__typename", input).await;
    assert_eq!(payload["userErrors"][0]["code"], "STALE_EPOCH", "{payload:#}");
    let position = text(&payload["position"]);
    let why = json!({ "environmentId": production, "reason": "a quiet hour" });
    tenant.client.done("environmentFreeze", "__typename", why.clone()).await;
    tenant.client.done("environmentUnfreeze", "__typename", why).await;
    let input = json!({ "environmentId": production, "sleepAfterSeconds": 86_400 });
    tenant.client.done("environmentSleepPolicySet", "__typename", input).await;
    let variables = json!([{ "key": "GREETING", "value": "moin", "kind": "PLAIN" }]);
    let input = json!({ "environmentId": production, "variables": variables });
    tenant.client.done("environmentVariablesSet", "__typename", input).await;
    let second = tenant.promote(&green).await;
    tenant.succeeds(&second).await;
    let third = tenant.roll_back(&blue, WHY).await;
    tenant.succeeds(&third).await;
    let after = last_of(&tenant, &third).await;
    Done { tenant, actor, blue, green, operations: [first, second, third], before, after, position }
}

/// When the log received the event that ended an operation.
async fn last_of(tenant: &Tenant, operation: &str) -> String {
    let correlation = uuid(operation).to_string();
    let look = async || {
        let entries = tenant.timeline(None).await;
        let is_end = |entry: &&Value| {
            let stage = entry["payload"]["stage"].as_str().unwrap_or_default();
            entry["correlation"] == correlation.as_str() && ["healthy", "rolled_back"].contains(&stage)
        };
        entries.iter().find(is_end).map(|entry| text(&entry["recordedAt"]))
    };
    until("the timeline tells of the end", PATIENCE, look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_about_the_past_is_answered_by_one_query() {
    let platform = Platform::shared().await;
    let done = done(platform).await;
    asked::what_changed_in_production(&done).await;
    asked::why_a_field_is_what_it_is(&done).await;
    asked::every_filter_finds_exactly_its_lines(&done).await;
    asked::operations_come_one_by_one_and_as_a_tree(&done).await;
    asked::a_route_is_replayed_step_by_step(&done).await;
    app::an_app_is_replayed_at_a_time_and_at_a_position(&done).await;
    app::its_steps_lead_exactly_to_its_states(&done).await;
    app::what_differs_is_what_the_two_moments_do_not_share(&done).await;
    app::the_command_line_replays_it_too(platform, &done).await;
    bundle::an_export_is_the_timeline_and_no_formula(platform, &done).await;
    bundle::the_command_line_tells_the_same(platform, &done).await;
    bundle::a_bundle_replays_elsewhere_to_the_same_state(platform, &done).await;
    the_same_question_has_the_same_bytes(platform, &done).await;
    nobody_else_learns_anything(platform, &done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_personal_is_told_nowhere_in_the_past_not_even_sealed() {
    bundle::what_is_personal_stays(Platform::shared().await).await;
}

/// Twice, and once more after the timeline was built anew.
async fn the_same_question_has_the_same_bytes(platform: &Platform, done: &Done) {
    let questions = questions(done);
    let answers = async || {
        let mut answers = Vec::new();
        for (question, variables) in &questions {
            answers.push(done.tenant.client.data(question, variables.clone()).await.to_string());
        }
        answers
    };
    let first = answers().await;
    assert!(first.iter().all(|answer| answer.len() > 100), "{first:#?}");
    assert_eq!(answers().await, first);
    let output = platform.rhone(&["rebuild", "timeline"]).await;
    assert!(output.status.success(), "{}", rhone_tests::program::text(&output.stderr));
    assert_eq!(answers().await, first, "after a rebuild");
}

/// Every question, about what has come to rest.
fn questions(done: &Done) -> Vec<(&'static str, Value)> {
    let environment = &done.tenant.production.id;
    let operation = &done.operations[2];
    let route = format!("route_owner:{}", uuid(environment));
    vec![
        (
            "query($id: ID!, $from: DateTime!, $to: DateTime!) { environment(id: $id) { changes(from: $from, to: $to) { field key before after entry { eventId payload } } } }",
            json!({ "id": environment, "from": done.before, "to": done.after }),
        ),
        (
            "query($id: ID!) { environment(id: $id) { why(field: ROUTE_OWNER) { stream path value before command actor entry { eventId } operation { id } causes { eventId } } } }",
            json!({ "id": environment }),
        ),
        (
            "query($id: ID!, $filter: TimelineFilter) { environment(id: $id) { timeline(first: 100, filter: $filter) { nodes { position eventId type summary payload } } } }",
            json!({ "id": environment, "filter": { "until": done.after, "types": ["route_owner.*", "operation.*"] } }),
        ),
        (
            "query($id: ID!) { causationTree(operationId: $id) { correlation truncated nodes { depth asked entry { eventId } } } }",
            json!({ "id": operation }),
        ),
        (
            "query($stream: ID!) { replay(stream: $stream) { version state stateHash steps(first: 100) { nodes { entry { eventId } command changes { path before after } refusedBefore { eventId } } } } }",
            json!({ "stream": route }),
        ),
        (
            "query($stream: ID!) { why(stream: $stream, path: \"/epoch\") { value before command entry { eventId } } }",
            json!({ "stream": route }),
        ),
        (
            "query($correlation: String!) { supportBundle(correlation: $correlation) { correlation bundle digest } }",
            json!({ "correlation": uuid(operation).to_string() }),
        ),
        (
            "query($id: ID!, $at: MomentInput) { app(id: $id) { replay(at: $at) { statesHash \
             streams(first: 100) { nodes { stream version stateHash } } \
             steps(last: 50) { nodes { accepted command changes { path before after } entry { eventId } } } \
             differences(from: { time: \"2001-01-01T00:00:00Z\" }, last: 50) { nodes { stream before after changes { path } } } } } }",
            json!({ "id": done.tenant.app, "at": { "time": done.after } }),
        ),
    ]
}

/// Another tenant's answer is that of an id that nobody has.
async fn nobody_else_learns_anything(platform: &Platform, done: &Done) {
    let stranger = person(platform).await;
    let ids = [&done.tenant.production.id, &done.tenant.app, &done.operations[2], &done.tenant.workspace];
    for (question, variables) in questions(done) {
        let seen = asked_by(&stranger.client, question, &variables, &ids).await;
        let mut unknown = variables.to_string();
        for id in ids {
            let other = rhone_tests::inputs::unknown_id(id);
            unknown = unknown.replace(id.as_str(), &other).replace(&uuid(id).to_string(), &uuid(&other).to_string());
        }
        let unknown: Value = serde_json::from_str(&unknown).expect("still JSON");
        let others = ids.map(|id| rhone_tests::inputs::unknown_id(id));
        let none = asked_by(&stranger.client, question, &unknown, &others.each_ref()).await;
        assert_eq!(seen, none, "{question}");
        assert!(!seen.contains(WHY) && !seen.contains(&done.green.digest), "{question}: {seen}");
    }
    let known = json!({ "event": eventual(done).await });
    let question = "query($event: String!) { causationTree(eventId: $event) { nodes { entry { summary } } } }";
    assert!(done.tenant.client.ask(question, known.clone()).await.get("errors").is_none());
    let seen = stranger.client.ask(question, known).await;
    let none = stranger.client.ask(question, json!({ "event": "00000000-0000-7000-8000-000000000001" })).await;
    assert_eq!(seen["errors"][0]["message"], none["errors"][0]["message"]);
    assert_eq!(seen["errors"][0]["extensions"]["code"], "NOT_FOUND", "{seen:#}");
    for place in [format!("appId={}", done.tenant.app), format!("workspaceId={}", done.tenant.workspace)] {
        let (status, foreign) = stranger.client.get(&format!("/v1/timeline?{place}")).await;
        assert_eq!(status, 404, "{foreign}");
    }
    let object = format!("/v1/timeline?objectId=route_owner:{}", uuid(&done.tenant.production.id));
    let (status, none) = stranger.client.get(&object).await;
    assert_eq!((status, none.split_whitespace().collect::<String>().as_str()), (200, "[]"));
    // A name is everybody's to read in the log, and its history is not.
    let claim = done.tenant.client.data(
        "query($id: ID!) { workspace(id: $id) { timeline(first: 10, filter: { types: [\"claim.*\"] }) { nodes { stream } } } }",
        json!({ "id": done.tenant.workspace }),
    );
    let claim = text(&claim.await["workspace"]["timeline"]["nodes"][0]["stream"]);
    let question = "query($stream: ID!) { replay(stream: $stream) { version } }";
    assert_eq!(done.tenant.client.data(question, json!({ "stream": claim })).await["replay"]["version"], 1);
    let seen = stranger.client.ask(question, json!({ "stream": claim })).await;
    assert_eq!(seen["errors"][0]["extensions"]["code"], "NOT_FOUND", "{seen:#}");
}

async fn eventual(done: &Done) -> String {
    let question = "query($id: ID!) { environment(id: $id) { why(field: PIN) { entry { eventId } } } }";
    let data = done.tenant.client.data(question, json!({ "id": done.tenant.production.id })).await;
    text(&data["environment"]["why"]["entry"]["eventId"])
}

/// The answer, without the ids that were asked for and without what differs by request.
async fn asked_by(client: &Client, question: &str, variables: &Value, ids: &[&String]) -> String {
    let mut answer = client.ask(question, variables.clone()).await;
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        for own in ["requestId", "traceId"] {
            error["extensions"].as_object_mut().map(|details| details.remove(own));
        }
    }
    let mut answer = answer.to_string();
    for id in ids {
        answer = answer.replace(id.as_str(), "ID").replace(&uuid(id).to_string(), "ID");
    }
    answer
}
