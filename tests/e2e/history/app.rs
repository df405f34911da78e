//! An app with all that belongs to it: at a time and at a position, command by command, and the difference of two moments; over
//! GraphQL and by command line. The trap avoided: steps that are told and lead elsewhere; what they changed, put together, is the
//! state that the streams fold to.

use super::{Done, asked::list};
use rhone_domain::history::changes;
use rhone_tests::{database::uuid, platform::Platform, program, story::text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every leaf of a state, by stream and pointer.
type Leaves = BTreeMap<(String, String), Value>;

const STREAMS: &str =
    "streams(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { stream version stateHash state } }";
const STEPS: &str = "steps(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { accepted command \
    changes { path before after } entry { position type stream version kind refusal { command code } } } }";

async fn replay(done: &Done, at: &Value, fields: &str) -> Value {
    let query = format!("query($id: ID!, $at: MomentInput) {{ app(id: $id) {{ replay(at: $at) {{ {fields} }} }} }}");
    done.tenant.client.data(&query, json!({ "id": done.tenant.app, "at": at })).await["app"]["replay"].clone()
}

/// All pages of a list, one after the other.
async fn all(done: &Done, at: &Value, fields: &str) -> Vec<Value> {
    let field = fields.split('(').next().expect("it begins with its name");
    let query = format!(
        "query($id: ID!, $at: MomentInput, $after: String) {{ app(id: $id) {{ replay(at: $at) {{ {fields} }} }} }}"
    );
    let (mut rows, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "id": done.tenant.app, "at": at, "after": after });
        let page = done.tenant.client.data(&query, variables).await["app"]["replay"][field].clone();
        rows.extend(list(&page["nodes"]).iter().cloned());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] != true {
            return rows;
        }
    }
}

fn leaves(streams: &[Value]) -> Leaves {
    let of = |one: &Value| {
        let stream = text(&one["stream"]);
        let all = changes(&Value::Null, &one["state"]);
        all.into_iter().map(move |leaf| ((stream.clone(), leaf.path), leaf.after.expect("it is there")))
    };
    streams.iter().flat_map(of).collect()
}

pub(super) async fn an_app_is_replayed_at_a_time_and_at_a_position(done: &Done) {
    let route = format!("route_owner:{}", uuid(&done.tenant.production.id));
    let later = format!("operation:{}", uuid(&done.operations[2]));
    for at in [json!({ "time": done.before }), json!({ "position": done.position })] {
        let streams = all(done, &at, STREAMS).await;
        let one = |stream: &str| {
            streams.iter().find(|one| one["stream"] == stream).unwrap_or_else(|| panic!("{stream} in {streams:#?}"))
        };
        let query =
            "query($stream: ID!, $at: MomentInput) { replay(stream: $stream, at: $at) { version stateHash state } }";
        let alone = done.tenant.client.data(query, json!({ "stream": route, "at": at })).await["replay"].clone();
        for same in ["version", "stateHash", "state"] {
            assert_eq!(one(&route)[same], alone[same], "{at}: as the stream by itself");
        }
        assert_eq!(one(&route)["version"], 3, "{at}");
        assert_eq!(
            (&one(&later)["version"], &one(&later)["state"]),
            (&json!(0), &Value::Null),
            "not there yet at {at}"
        );
        let here = ["environment", "route_owner", "deployment", "operation", "allocation", "app"];
        let has = |noun: &&str| streams.iter().any(|one| text(&one["stream"]).starts_with(&format!("{noun}:")));
        assert!(here.iter().all(has), "{streams:#?}");
        let names: Vec<String> = streams.iter().map(|one| text(&one["stream"])).collect();
        assert!(names.is_sorted(), "{names:?}");
    }
    let (then, now) = (json!({ "time": done.before }), json!({ "time": done.after }));
    let hash = async |at: &Value| text(&replay(done, at, "statesHash").await["statesHash"]);
    assert_ne!(hash(&then).await, hash(&now).await);
    let query = "query($id: ID!, $at: MomentInput) { app(id: $id) { replay(at: $at) { statesHash } } }";
    let versions = json!({ "id": done.tenant.app, "at": { "version": 3 } });
    let answer = done.tenant.client.ask(query, versions).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "at", "{answer:#}");
}

pub(super) async fn its_steps_lead_exactly_to_its_states(done: &Done) {
    for at in [json!({ "position": done.position }), json!({ "time": done.after })] {
        let steps = all(done, &at, STEPS).await;
        let mut put_together = Leaves::new();
        for step in &steps {
            let (accepted, kind) = (step["accepted"] == true, text(&step["entry"]["kind"]));
            assert_eq!(accepted, kind == "EVENT", "{step:#}");
            assert!(step["command"].is_string() && (accepted || list(&step["changes"]).is_empty()), "{step:#}");
            for change in list(&step["changes"]) {
                let leaf = (text(&step["entry"]["stream"]), text(&change["path"]));
                let before = put_together.remove(&leaf).unwrap_or_default();
                assert_eq!(before, change["before"], "{leaf:?}: {step:#}");
                if !change["after"].is_null() {
                    put_together.insert(leaf, change["after"].clone());
                }
            }
        }
        // Refusals have a stream, and no command of theirs changed anything of the app.
        let own = |(stream, _): &(String, String), _: &mut Value| !stream.starts_with("refusal:");
        let mut states = leaves(&all(done, &at, STREAMS).await);
        states.retain(own);
        assert_eq!(put_together, states, "at {at}");
        let last = "steps(last: 3) { nodes { entry { position } } }";
        let last = replay(done, &at, last).await["steps"]["nodes"].clone();
        let positions = |steps: &[Value]| steps.iter().map(|step| text(&step["entry"]["position"])).collect::<Vec<_>>();
        assert_eq!(positions(list(&last)), positions(&steps[steps.len() - 3..]), "from the end");
    }
    let steps = all(done, &json!({ "position": done.position }), STEPS).await;
    let refused = steps.last().expect("there are some");
    assert_eq!(refused["entry"]["position"], done.position.as_str(), "up to and with it: {refused:#}");
    assert_eq!((&refused["accepted"], &refused["command"]), (&json!(false), &json!("deploymentPromote")));
    assert_eq!(refused["entry"]["refusal"]["code"], "STALE_EPOCH");
    let commands: Vec<&str> = steps.iter().filter_map(|step| step["command"].as_str()).collect();
    let told =
        ["app.create", "environment.create", "deployment.create", "operation.request_promotion", "route_owner.promote"];
    let places = told.map(|one| commands.iter().position(|command| *command == one).expect(one));
    assert!(places.is_sorted(), "in the log's order: {commands:?}");
}

pub(super) async fn what_differs_is_what_the_two_moments_do_not_share(done: &Done) {
    let (then, now) = (json!({ "time": done.before }), json!({ "time": done.after }));
    let (was, is) = (all(done, &then, STREAMS).await, all(done, &now, STREAMS).await);
    for (from, to, (there, here)) in [(&was, &is, (&then, &now)), (&is, &was, (&now, &then))] {
        let fields = "differences(first: 50, after: $after, from: FROM) { pageInfo { hasNextPage endCursor } \
            nodes { stream before after changes { path before after } } }";
        let fields = fields.replace("FROM", &format!("{{ time: {} }}", there["time"]));
        let told = all(done, here, &fields).await;
        let mut expected = Vec::new();
        for (from, to) in from.iter().zip(to).filter(|(from, to)| from["version"] != to["version"]) {
            assert_eq!(from["stream"], to["stream"]);
            let changes = json!(changes(&from["state"], &to["state"]));
            expected.push(json!({ "stream": from["stream"], "before": from["version"], "after": to["version"], "changes": changes }));
        }
        assert!(expected.len() >= 5 && expected.len() < from.len(), "{expected:#?}");
        assert_eq!(told, expected);
    }
}

async fn said(platform: &Platform, words: &[&str]) -> String {
    let output = platform.rhone(words).await;
    assert!(output.status.success(), "{words:?}: {}", program::text(&output.stderr));
    program::text(&output.stdout)
}

pub(super) async fn the_command_line_replays_it_too(platform: &Platform, done: &Done) {
    let app = done.tenant.app.as_str();
    for at in [done.before.as_str(), done.position.as_str()] {
        let over_the_api = said(platform, &["history", app, "--at", at]).await;
        let of_the_database = said(platform, &["replay", app, "--at", at]).await;
        assert!(over_the_api.contains("at version 3, state sha256:") && over_the_api.contains(", states sha256:"));
        assert_eq!(over_the_api, of_the_database, "folded from the database and over the API");
        let differs = said(platform, &["history", app, "--diff", at, &done.after]).await;
        assert!(differs.contains("/quarantined/") && differs.contains(" from version 0 to "), "{differs}");
        assert_eq!(differs, said(platform, &["replay", app, "--diff", at, &done.after]).await);
    }
    let steps = said(platform, &["history", app, "--step", "--at", &done.position]).await;
    assert!(steps.contains("accepted route_owner.promote") && steps.contains("/owner/deployment:"), "{steps}");
    assert!(steps.lines().last().is_some_and(|line| line.starts_with("refused  deploymentPromote")), "{steps}");
    for words in [["history", app, "--at", "3"], ["replay", app, "--at", "3"]] {
        assert!(!platform.rhone(&words).await.status.success(), "{words:?}: an app has no version");
    }
}
