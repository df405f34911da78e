//! Each question, and what was done.

use super::{Done, WHY};
use rhone_tests::{database::uuid, story::text};
use serde_json::{Value, json};

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// "What changed in production between T1 and T2".
pub(super) async fn what_changed_in_production(done: &Done) {
    let query = "query($id: ID!, $from: DateTime!, $to: DateTime!) { environment(id: $id) { changes(from: $from, to: $to) { \
        field key before after entry { type actor reason correlation recordedAt } operation { id kind } } } }";
    let variables = json!({ "id": done.tenant.production.id, "from": done.before, "to": done.after });
    let changes = done.tenant.client.data(query, variables).await["environment"]["changes"].clone();
    let told: Vec<(String, Option<&str>)> =
        list(&changes).iter().map(|change| (text(&change["field"]), change["key"].as_str())).collect();
    let expected = [
        ("FREEZE", None),
        ("FREEZE", None),
        ("SLEEP_POLICY", None),
        ("VARIABLES", Some("GREETING")),
        ("ROUTE_OWNER", None),
        ("ROUTE_EPOCH", None),
        ("ROUTE_OWNER", None),
        ("ROUTE_EPOCH", None),
        ("PIN", None),
        ("QUARANTINE", Some(done.green.digest.as_str())),
    ];
    let told: Vec<(&str, Option<&str>)> = told.iter().map(|(field, key)| (field.as_str(), *key)).collect();
    assert_eq!(told, expected, "{changes:#}");
    let (blue, green) = (uuid(&done.blue.id).to_string(), uuid(&done.green.id).to_string());
    let owner = |change: &Value| (change["before"]["deployment"].clone(), change["after"]["deployment"].clone());
    assert_eq!((&changes[0]["before"], &changes[0]["after"]), (&Value::Null, &json!("a quiet hour")));
    assert_eq!((&changes[1]["before"], &changes[1]["after"]), (&json!("a quiet hour"), &Value::Null));
    assert_eq!(changes[0]["entry"]["actor"], done.actor.as_str());
    assert_eq!(changes[0]["operation"], Value::Null, "nobody asked for an operation");
    assert_eq!(changes[2]["after"]["sleep_after_seconds"], 86_400);
    assert_eq!(changes[3]["after"]["kind"], "plain");
    assert!(!changes[3].to_string().contains("moin"), "no value is told: {:#}", changes[3]);
    assert_eq!(owner(&changes[4]), (json!(blue), json!(green)));
    assert_eq!((&changes[5]["before"], &changes[5]["after"]), (&json!(1), &json!(2)));
    assert_eq!(owner(&changes[6]), (json!(green), json!(blue)));
    assert_eq!((&changes[8]["after"]["reason"], &changes[9]["after"]), (&json!(WHY), &json!(WHY)));
    for (at, operation) in
        [(4, &done.operations[1]), (5, &done.operations[1]), (6, &done.operations[2]), (9, &done.operations[2])]
    {
        assert_eq!(changes[at]["operation"]["id"], operation.as_str(), "{:#}", changes[at]);
    }
    let none = json!({ "id": done.tenant.production.id, "from": done.after, "to": "2199-01-01T00:00:00Z" });
    let later = done.tenant.client.data(query, none).await;
    assert_eq!(later["environment"]["changes"], json!([]), "and nothing since");
    let wrong = json!({ "id": done.tenant.production.id, "from": done.after, "to": done.before });
    let answer = done.tenant.client.ask(query, wrong).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "to", "{answer:#}");
}

/// "Why is this field what it is": field, event, command, actor, operation.
pub(super) async fn why_a_field_is_what_it_is(done: &Done) {
    let why = "value before command actor requestedBy { actor } entry { type version } operation { id } causes { type actor actorKind }";
    let query = format!(
        "query($id: ID!, $digest: String, $route: ID!, $variables: ID!) {{ environment(id: $id) {{ \
         owner: why(field: ROUTE_OWNER) {{ {why} }} left: why(field: QUARANTINE, key: $digest) {{ {why} }} \
         region: why(field: ROUTE_PLACE) {{ {why} }} sleep: why(field: SLEEP_POLICY) {{ {why} }} }} \
         epoch: why(stream: $route, path: \"/epoch\", at: {{ version: 3 }}) {{ {why} }} \
         greeting: why(stream: $variables, path: \"/history/GREETING/1/kind\") {{ {why} }} }}"
    );
    let id = uuid(&done.tenant.production.id);
    let variables = json!({ "id": done.tenant.production.id, "digest": done.green.digest,
        "route": format!("route_owner:{id}"), "variables": format!("variables:{id}") });
    let data = done.tenant.client.data(&query, variables).await;
    let owner = &data["environment"]["owner"];
    assert_eq!(owner["value"]["deployment"], uuid(&done.blue.id).to_string());
    assert_eq!(owner["before"]["deployment"], uuid(&done.green.id).to_string());
    assert_eq!(
        (&owner["command"], &owner["entry"]["type"]),
        (&json!("route_owner.roll_back"), &json!("route_owner.rolled_back"))
    );
    assert_eq!(owner["operation"]["id"], done.operations[2].as_str());
    let root = list(&owner["causes"]).last().expect("something led to it");
    assert_eq!((&root["type"], &root["actor"]), (&json!("operation.requested"), &json!(done.actor)), "{owner:#}");
    assert_eq!(owner["requestedBy"]["actor"], json!(done.actor), "the person, not the worker");
    assert_ne!(owner["actor"], json!(done.actor));
    let left = &data["environment"]["left"];
    assert_eq!((&left["value"], &left["command"]), (&json!(WHY), &json!("route_owner.roll_back")));
    assert_eq!(data["environment"]["region"]["entry"], Value::Null, "nothing ever moved it");
    let sleep = &data["environment"]["sleep"];
    assert_eq!((&sleep["actor"], &sleep["command"]), (&json!(done.actor), &json!("environment.set_sleep_policy")));
    assert_eq!(
        (&data["epoch"]["value"], &data["epoch"]["command"]),
        (&json!(1), &json!("route_owner.promote")),
        "as it was then"
    );
    assert_eq!(
        (&data["greeting"]["value"], &data["greeting"]["command"]),
        (&json!("plain"), &json!("variables.change"))
    );
}

async fn types(done: &Done, noun: &str, id: &str, filter: Value) -> Vec<Value> {
    let query = format!(
        "query($id: ID!, $filter: TimelineFilter, $at: String) {{ {noun}(id: $id) {{ \
         timeline(first: 100, filter: $filter, atLeastPosition: $at) {{ nodes {{ eventId type stream actor actorKind correlation kind recordedAt \
         summary reason position refusal {{ command target code expected actual }} }} }} }} }}"
    );
    let data = done.tenant.client.data(&query, json!({ "id": id, "filter": filter, "at": done.position })).await;
    list(&data[noun]["timeline"]["nodes"]).to_vec()
}

/// Whether a line is one of those that a filter asks for.
type Holds = Box<dyn Fn(&Value) -> bool>;

pub(super) async fn every_filter_finds_exactly_its_lines(done: &Done) {
    let tenant = &done.tenant;
    let all = tenant.timeline(None).await;
    let until = json!({ "until": done.after });
    let of_app = types(done, "app", &tenant.app, until.clone()).await;
    assert!(of_app.iter().all(|entry| text(&entry["recordedAt"]) < done.after), "until is not included");
    let cases: [(&str, Value, Holds); 5] = [
        (
            "type",
            json!({ "types": ["route_owner.promoted"] }),
            Box::new(|entry| entry["type"] == "route_owner.promoted"),
        ),
        (
            "noun",
            json!({ "types": ["deployment.*"] }),
            Box::new(|entry| text(&entry["type"]).starts_with("deployment.")),
        ),
        ("operation", json!({ "operationId": done.operations[1] }), {
            let id = uuid(&done.operations[1]).to_string();
            Box::new(move |entry| entry["correlation"] == id.as_str())
        }),
        ("object", json!({ "objectId": done.blue.id }), {
            let stream = format!("deployment:{}", uuid(&done.blue.id));
            Box::new(move |entry| entry["stream"] == stream.as_str())
        }),
        ("kind", json!({ "kind": "REFUSAL" }), Box::new(|entry| entry["type"] == "refusal.recorded")),
    ];
    for (what, filter, holds) in cases {
        let found: Vec<String> =
            types(done, "app", &tenant.app, filter).await.iter().map(|entry| text(&entry["eventId"])).collect();
        let expected: Vec<String> =
            all.iter().filter(|entry| holds(entry)).map(|entry| text(&entry["eventId"])).collect();
        assert!(!found.is_empty(), "{what} finds something");
        assert_eq!(found, expected, "{what}");
    }
    let own = types(done, "workspace", &tenant.workspace, json!({ "actor": done.actor, "until": done.after })).await;
    assert!(own.iter().all(|entry| entry["actor"] == done.actor.as_str()));
    assert!(
        own.iter().any(|entry| entry["type"] == "workspace.created")
            && own.iter().any(|entry| entry["type"] == "variables.changed")
    );
    let project = types(
        done,
        "project",
        &tenant.project,
        json!({ "types": ["project.created", "app.created", "environment.created"] }),
    )
    .await;
    assert_eq!(project.len(), 4, "the project, its app and two environments: {project:#?}");
    let production =
        types(done, "environment", &tenant.production.id, json!({ "types": ["variables.*", "route_owner.promoted"] }))
            .await;
    assert_eq!(production.len(), 3, "{production:#?}");
    let [refusal] = &types(done, "environment", &tenant.production.id, json!({ "kind": "REFUSAL" })).await[..] else {
        panic!("one refusal")
    };
    let refused = &refusal["refusal"];
    assert_eq!(
        (&refused["command"], &refused["code"], &refused["expected"], &refused["actual"]),
        (&json!("deploymentPromote"), &json!("STALE_EPOCH"), &json!("0"), &json!("1")),
        "{refusal:#}"
    );
    let filter = json!({ "types": ["route_owner.promotd"] });
    let query =
        "query($id: ID!, $filter: TimelineFilter) { app(id: $id) { timeline(filter: $filter) { nodes { type } } } }";
    let answer = tenant.client.ask(query, json!({ "id": tenant.app, "filter": filter })).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "types", "{answer:#}");
}

pub(super) async fn operations_come_one_by_one_and_as_a_tree(done: &Done) {
    let query = "query($id: ID!, $operation: ID!) { environment(id: $id) { operationTimeline(first: 100) { nodes { \
        request { command reason actor } operation { id kind stage } moreEvents events { eventId type } } } } \
        causationTree(operationId: $operation) { correlation nodes { depth entry { eventId type causation } } } }";
    let variables = json!({ "id": done.tenant.production.id, "operation": done.operations[2] });
    let data = done.tenant.client.data(query, variables).await;
    let lines = list(&data["environment"]["operationTimeline"]["nodes"]);
    let ids: Vec<&str> = lines.iter().filter_map(|line| line["operation"]["id"].as_str()).collect();
    assert_eq!(ids, done.operations, "{lines:#?}");
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["request"]["command"].as_str()).collect();
    assert_eq!(kinds, ["operation.request_promotion", "operation.request_promotion", "operation.request_rollback"]);
    let rollback = &lines[2];
    assert_eq!((&rollback["request"]["reason"], &rollback["request"]["actor"]), (&json!(WHY), &json!(done.actor)));
    let events = list(&rollback["events"]);
    for kind in ["operation.requested", "route_owner.rolled_back", "route_owner.pinned", "route_owner.quarantined"] {
        assert_eq!(events.iter().filter(|event| event["type"] == kind).count(), 1, "{kind} once: {events:#?}");
    }
    let nodes = list(&data["causationTree"]["nodes"]);
    assert_eq!((&nodes[0]["entry"]["type"], &nodes[0]["depth"]), (&json!("operation.requested"), &json!(0)));
    assert_eq!(nodes.len(), events.len(), "the tree has every event of it");
    for (at, node) in nodes.iter().enumerate().filter(|(_, node)| node["depth"] != 0) {
        let above = nodes[..at].iter().rfind(|one| one["depth"].as_u64() < node["depth"].as_u64()).expect("a cause");
        assert_eq!(above["entry"]["eventId"], node["entry"]["causation"], "below what led to it: {node:#}");
    }
    assert!(nodes.iter().any(|node| node["depth"].as_u64() > Some(1)), "one thing led to another: {nodes:#?}");
}

pub(super) async fn a_route_is_replayed_step_by_step(done: &Done) {
    let query = "query($stream: ID!, $at: MomentInput, $from: MomentInput!) { replay(stream: $stream, at: $at) { version state stateHash \
        difference(from: $from) { path before after } steps(first: 100) { pageInfo { hasNextPage } nodes { command entry { type version actor } \
        changes { path before after } refusedBefore { refusal { code expected actual } } } } refusedSince { type } } }";
    let stream = format!("route_owner:{}", uuid(&done.tenant.production.id));
    let ask = |at: Value| json!({ "stream": stream, "at": at, "from": { "version": 3 } });
    let data = done.tenant.client.data(query, ask(Value::Null)).await;
    let replay = &data["replay"];
    assert_eq!(replay["state"]["epoch"], 3);
    assert_eq!(replay["state"]["quarantined"][&done.green.digest], WHY);
    let steps = list(&replay["steps"]["nodes"]);
    let commands: Vec<&str> = steps.iter().filter_map(|step| step["command"].as_str()).collect();
    let expected = [
        "route_owner.open",
        "route_owner.attach_host",
        "route_owner.promote",
        "route_owner.freeze",
        "route_owner.unfreeze",
        "route_owner.promote",
        "route_owner.roll_back",
        "route_owner.roll_back",
        "route_owner.roll_back",
    ];
    assert_eq!(commands, expected);
    let refused: Vec<usize> = (0..steps.len()).filter(|at| steps[*at]["refusedBefore"] != json!([])).collect();
    assert_eq!(refused, [3], "between the promotion and the freeze: {steps:#?}");
    assert_eq!(
        steps[3]["refusedBefore"],
        json!([{ "refusal": { "code": "STALE_EPOCH", "expected": "0", "actual": "1" } }])
    );
    let paths = |changes: &Value| list(changes).iter().map(|change| text(&change["path"])).collect::<Vec<_>>();
    assert!(paths(&steps[2]["changes"]).contains(&"/owner/deployment".to_owned()), "{:#}", steps[2]);
    assert_eq!(paths(&steps[3]["changes"]), ["/frozen", "/revision"]);
    let pin = paths(&steps[7]["changes"]);
    assert!(pin.contains(&"/pin/reason".to_owned()), "{pin:?}");
    let differs = list(&replay["difference"]);
    let epoch = differs.iter().find(|change| change["path"] == "/epoch").expect("it rose");
    assert_eq!((&epoch["before"], &epoch["after"]), (&json!(1), &json!(3)));

    let then = done.tenant.client.data(query, ask(json!({ "time": done.before }))).await;
    assert_eq!(
        (&then["replay"]["version"], &then["replay"]["state"]["epoch"]),
        (&json!(3), &json!(1)),
        "as it was then"
    );
    assert_eq!(then["replay"]["difference"], json!([]));
    let never = done.tenant.client.ask(query, ask(json!({ "time": "2001-01-01T00:00:00Z" }))).await;
    assert_eq!(never["errors"][0]["extensions"]["code"], "NOT_FOUND", "{never:#}");
}
