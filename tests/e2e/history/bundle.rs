//! What leaves the house: exports, the command line, and a bundle that somebody else folds.

use super::{Done, WHY};
use rhone_tests::{
    database::{administrator, person, uuid},
    graphql::unique,
    platform::Platform,
    program,
    story::text,
};
use serde_json::{Value, json};

async fn said(platform: &Platform, words: &[&str]) -> String {
    let output = platform.rhone(words).await;
    assert!(output.status.success(), "{words:?}: {}", program::text(&output.stderr));
    program::text(&output.stdout)
}

pub(super) async fn an_export_is_the_timeline_and_no_formula(platform: &Platform, done: &Done) {
    let tenant = &done.tenant;
    // A reason that a spreadsheet would run.
    let formula = "=HYPERLINK(\"http://evil.test\")";
    let input = json!({ "environmentId": tenant.preview.id, "reason": formula });
    let payload = tenant.client.done("environmentFreeze", "__typename", input).await;
    let place = format!("appId={}&atLeastPosition={}", tenant.app, text(&payload["position"]));
    let (status, body) = tenant.client.get(&format!("/v1/timeline?{place}")).await;
    assert_eq!(status, 200, "{body}");
    let lines: Vec<Value> = serde_json::from_str(&body).expect("one array");
    let told = tenant.timeline(None).await;
    let same = [
        "position",
        "eventId",
        "type",
        "stream",
        "version",
        "actor",
        "correlation",
        "causation",
        "reason",
        "summary",
        "payload",
        "occurredAt",
        "recordedAt",
    ];
    assert!(lines.len() > 50 && told.len() >= lines.len(), "{} and {}", lines.len(), told.len());
    for (line, told) in lines.iter().zip(&told) {
        assert!(same.iter().all(|field| line[field] == told[field]), "{line:#}\n{told:#}");
    }
    assert!(lines.iter().any(|line| line["reason"] == formula), "as it was said");
    let refused = lines.iter().find(|line| line["refusedCode"] == "STALE_EPOCH").expect("the refusal");
    assert_eq!((&refused["expected"], &refused["actual"]), (&json!("0"), &json!("1")));

    let (status, table) = tenant.client.get(&format!("/v1/timeline?format=csv&{place}")).await;
    assert_eq!(status, 200);
    assert!(table.starts_with("\"position\",\"eventId\","), "{table:.100}");
    assert!(table.contains("\"'=HYPERLINK(\"\"http://evil.test\"\")\""), "an apostrophe stands before it");
    assert!(!table.contains(",\"=") && !table.contains(",\"+") && !table.contains(",\"@"), "no cell is a formula");
    for wrong in ["format=xml", "appId=app_7", "types=app.gone", "since=yesterday", "nothing=1"] {
        let (status, body) =
            tenant.client.get(&format!("/v1/timeline?{place}&{wrong}").replace("&appId", "&objectId")).await;
        assert_eq!(status, 400, "{wrong}: {body}");
        assert!(body.contains("BAD_USER_INPUT"), "{body}");
    }
    assert_eq!(tenant.client.get("/v1/timeline").await.0, 400, "a place is needed");
    assert_eq!(platform.client("rhone_nobody").get(&format!("/v1/timeline?{place}")).await.0, 401);
}

pub(super) async fn the_command_line_tells_the_same(platform: &Platform, done: &Done) {
    let tenant = &done.tenant;
    let rollback = done.operations[2].as_str();
    let text_of = said(platform, &["timeline", "--operation", rollback]).await;
    assert!(text_of.contains("route_owner.rolled_back") && text_of.contains(WHY), "{text_of}");
    let of_type =
        said(platform, &["timeline", "--app", &tenant.app, "--type", "route_owner.rolled_back", "--json"]).await;
    let of_type: Vec<Value> = serde_json::from_str(&of_type).expect("one array");
    assert_eq!((of_type.len(), &of_type[0]["reason"]), (1, &json!(WHY)));
    let of_app = ["timeline", "--app", tenant.app.as_str(), "--json"];
    let by_them = [&of_app[..], &["--actor", done.actor.as_str()]].concat();
    let read = |told: &str| serde_json::from_str::<Vec<Value>>(told).expect("one array");
    let (all, by) = (read(&said(platform, &of_app).await), read(&said(platform, &by_them).await));
    let theirs: Vec<&Value> = all.iter().filter(|entry| entry["actor"] == done.actor.as_str()).collect();
    assert!(!theirs.is_empty() && theirs.len() < all.len(), "workers have written some of it: {all:?}");
    assert_eq!(by.iter().collect::<Vec<_>>(), theirs);
    let table =
        said(platform, &["timeline", "--environment", &tenant.production.id, "--kind", "refusal", "--format", "csv"])
            .await;
    assert!(table.contains("\"STALE_EPOCH\",\"0\",\"1\""), "{table}");

    let explained = said(platform, &["explain", rollback]).await;
    for part in [
        "ROLLBACK",
        "ROLLED_BACK",
        "operation.request_rollback",
        WHY,
        "epoch 3",
        "gate      pass artifact",
        "edge      ",
        "event       ",
    ] {
        assert!(explained.contains(part), "{part} in {explained}");
    }
    let read: Value = serde_json::from_str(&said(platform, &["explain", rollback, "--json"]).await).expect("JSON");
    assert_eq!(read["operation"]["id"], rollback);

    let route = format!("route_owner:{}", uuid(&tenant.production.id));
    let steps = said(platform, &["history", &route, "--step"]).await;
    assert!(steps.contains("refused:") && steps.contains("/owner/deployment:"), "{steps}");
    let differs = said(platform, &["history", &route, "--diff", "3", "9"]).await;
    assert!(differs.contains("/epoch: 1 -> 3"), "{differs}");
    let why = said(platform, &["history", &route, "--why", "/pin/reason"]).await;
    assert!(why.contains("route_owner.roll_back") && why.contains(WHY), "{why}");
    for words in [
        vec!["promote", &done.green.id, "--environment", &tenant.production.id, "--yes"],
        vec!["deployment", "promote", &done.green.id, "--environment", &tenant.production.id],
    ] {
        let output = platform.rhone(&words).await;
        let refused = program::text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{words:?}: {refused}");
        assert!(refused.contains("PINNED") && refused.contains("pin-release"), "{words:?}: {refused}");
    }
    for at in ["3", "9", done.position.as_str()] {
        let over_the_api = said(platform, &["history", &route, "--at", at]).await;
        let of_the_database = said(platform, &["replay", &route, "--at", at]).await;
        assert_eq!(over_the_api, of_the_database, "folded from the database and over the API");
    }
}

pub(super) async fn a_bundle_replays_elsewhere_to_the_same_state(platform: &Platform, done: &Done) {
    let rollback = done.operations[2].as_str();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rollback.json");
    let name = path.to_str().expect("a name");
    let written = said(platform, &["support-bundle", rollback, "--out", name]).await;
    let bytes = std::fs::read(&path).expect("it is written");
    let again = said(platform, &["support-bundle", rollback]).await;
    assert_eq!(again.trim_end().as_bytes(), bytes, "the same cause has the same bytes");
    assert!(written.contains("sha256:"), "{written}");
    let written: Value =
        serde_json::from_str(&said(platform, &["support-bundle", rollback, "--out", name, "--json"]).await)
            .expect("JSON");
    assert!(written["file"] == name && written["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")));
    let bundle: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert!(!bundle["edges"].as_array().expect("edges").is_empty(), "what the edges believed");
    assert!(bundle.get("idempotencyKey").is_none() && !String::from_utf8_lossy(&bytes).contains("idempotency_key"));

    // No database, no configuration: an empty folder.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let output = program::rhone(elsewhere.path(), &["replay", "--from", name]).await;
    assert!(output.status.success(), "{}", program::text(&output.stderr));
    let replayed = program::text(&output.stdout);
    let streams = bundle["streams"].as_array().expect("streams");
    assert!(streams.len() >= 2, "the operation and the route at least: {replayed}");
    for stream in streams {
        let (name, version) = (text(&stream["stream"]), stream["version"].to_string());
        let here = said(platform, &["replay", &name, "--at", &version]).await;
        let line = here.lines().next().expect("a line");
        assert!(replayed.lines().any(|one| one == line), "{line} in {replayed}");
    }

    // What the edges answered is the operation's own evidence, and everything else stands under the bundle's digest.
    let zeros = json!(format!("sha256:{}", "0".repeat(64)));
    for (complaint, place, lie) in [
        ("the edges are not those", "/edges/0/digest", zeros),
        ("the bundle's digest is", "/streams/0/events/0/summary", json!("Nothing happened.")),
    ] {
        let mut another = bundle.clone();
        *another.pointer_mut(place).expect("the bundle has it") = lie;
        std::fs::write(&path, another.to_string()).expect("it is written");
        let output = program::rhone(elsewhere.path(), &["replay", "--from", name]).await;
        let said = program::text(&output.stderr);
        assert!(!output.status.success() && said.contains(complaint), "{complaint}: {said}");
    }
    let tampered = String::from_utf8(bytes).expect("text").replace(WHY, "another reason");
    std::fs::write(&path, tampered).expect("it is written");
    let output = program::rhone(elsewhere.path(), &["replay", "--from", name]).await;
    let said = program::text(&output.stderr);
    assert!(!output.status.success() && said.contains("folds to"), "a changed bundle is found: {said}");
}

/// That there is a personal field is told in every way in which the past is, and what is sealed in it stays in the log.
pub(super) async fn what_is_personal_stays(platform: &Platform) {
    let client = person(platform).await.client;
    let input = json!({ "slug": unique("sealed"), "name": "Sealed", "contactEmail": "ada@example.org" });
    let made = client.done("workspaceCreate", "workspace { id }", input).await;
    let (workspace, at) = (text(&made["workspace"]["id"]), text(&made["position"]));
    let stream = format!("workspace:{}", uuid(&workspace));
    let created = "SELECT payload::jsonb->'contact_email'->>'ciphertext', correlation::text FROM log.events \
        WHERE stream = $1 AND version = 1";
    let mut database = administrator(platform).await;
    let created: Result<(String, String), _> = sqlx::query_as(created).bind(&stream).fetch_one(&mut database).await;
    let (sealed, correlation) = created.expect("the workspace is in the log");
    assert!(sealed.len() > 20, "and its address, sealed: {sealed}");
    let timeline = "query($id: ID!, $at: String) { workspace(id: $id) { timeline(first: 5, atLeastPosition: $at) { \
        nodes { type payload } } } }";
    let replay = "query($stream: ID!) { replay(stream: $stream) { state steps(first: 5) { nodes { \
        entry { payload } changes { path after } } } } }";
    let bundle = "query($of: String!) { supportBundle(correlation: $of) { bundle } }";
    let exported = format!("/v1/timeline?workspaceId={workspace}");
    for (what, told) in [
        ("the timeline", client.data(timeline, json!({ "id": workspace, "at": at })).await.to_string()),
        ("a replay", client.data(replay, json!({ "stream": stream })).await.to_string()),
        ("a bundle", client.data(bundle, json!({ "of": correlation })).await.to_string()),
        ("an export", client.get(&exported).await.1),
    ] {
        assert!(told.contains("workspace.contact_email"), "{what} says that there is one: {told}");
        assert!(!told.contains(&sealed), "{what}: {told}");
    }
    let (status, table) = client.get(&format!("{exported}&format=csv")).await;
    assert!(status == 200 && table.contains("workspace.created") && !table.contains(&sealed), "{table}");
}
