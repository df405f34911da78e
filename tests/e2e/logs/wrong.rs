//! Questions for logs that are wrong, by GraphQL and by server-sent events. The trap avoided: an answer that does not name the field that
//! is wrong. And a place of another life of the log, which is no mistake of whoever comes back with it.

use super::{LINES, print};
use rhone_tests::{
    artifacts::Version,
    database::person,
    live::{Events, Subscription},
    platform::Platform,
    story::{Tenant, text},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_question_for_logs_is_named() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, person(platform).await.client).await;
    let question = "query($id: ID!, $filter: LogFilter, $after: String, $before: String) { environment(id: $id) { \
        logs(filter: $filter, after: $after, before: $before) { nodes { text } } } }";
    let time = "2026-01-01T00:00:00Z";
    let other = tenant.production.id.as_str();
    for (filter, place, field) in [
        (json!({ "environmentId": other }), Value::Null, "environmentId"),
        (json!({ "appId": "nonsense" }), Value::Null, "appId"),
        (json!({ "deploymentId": tenant.app }), Value::Null, "deploymentId"),
        (json!({ "operationId": "op_1" }), Value::Null, "operationId"),
        (json!({ "allocationId": "" }), Value::Null, "allocationId"),
        (json!({ "since": time, "until": time }), Value::Null, "until"),
        (json!({ "contains": "" }), Value::Null, "contains"),
        (json!({ "contains": "x".repeat(201) }), Value::Null, "contains"),
        (json!({}), json!("nonsense"), "after"),
        (json!({}), json!("1.1.1~1"), "after"),
    ] {
        let variables = json!({ "id": tenant.preview.id, "filter": filter, "after": place });
        let answer = tenant.client.ask(question, variables).await;
        let details = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&details["code"], &details["field"]),
            (&json!("BAD_USER_INPUT"), &json!(field)),
            "{filter} {answer}"
        );
    }
    let variables = json!({ "id": tenant.preview.id, "after": "1.1.1~1-1" });
    let answer = tenant.client.ask(question, variables).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "CONFLICT", "of another life of the log: {answer}");
    let workspace = tenant.workspace.as_str();
    for (query, field) in [
        (vec![("workspaceId", "nonsense")], "workspaceId"),
        (vec![("workspaceId", workspace), ("source", "NEITHER")], "source"),
        (vec![("workspaceId", workspace), ("since", "yesterday")], "since"),
        (vec![("workspaceId", workspace), ("after", "nonsense")], "after"),
        (vec![("workspaceId", workspace), ("words", "x")], "query string"),
    ] {
        let refused = Events::open_at(&tenant.client, "/v1/logs", &query, None).await;
        let (status, words) = refused.err().expect("it is refused");
        let message = text(&words["message"]);
        assert!(status == 400 && message.starts_with(&format!("{field}: ")), "{query:?}: {status} {words}");
    }
}

/// The sin would be a place that is taken for one of this life: nothing is told until the log has come so far.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_of_another_life_is_a_resync_from_which_followers_go_on() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    tenant.deploy(Version::Blue).await;
    let (foreign, words) = ("1.1.1~999999999-1", "after-the-resync");
    let query = [("workspaceId", tenant.workspace.as_str()), ("contains", words)];
    let events = Events::open_at(&tenant.client, "/v1/logs", &query, Some(foreign)).await;
    let mut events = events.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let resync = events.said().await;
    assert_eq!((resync.event.as_str(), resync.words()["position"].as_str()), ("resync", Some(resync.id.as_str())));
    let variables = json!({ "workspace": tenant.workspace, "filter": { "contains": words }, "after": foreign });
    let mut subscription = Subscription::open(&tenant.client, "logLines", LINES, variables).await.expect("it opens");
    assert_eq!(subscription.item().await["__typename"], "Resync");

    print(&tenant, &tenant.preview, "/print", words).await.expect("it prints");
    let mut said = events.said().await;
    while said.event == "caught_up" {
        said = events.said().await;
    }
    assert_eq!((said.event.as_str(), &said.words()["lines"][0]["text"]), ("lines", &json!(words)));
    let mut item = subscription.item().await;
    while item["__typename"] == "CaughtUp" {
        item = subscription.item().await;
    }
    assert_eq!(item["lines"][0]["text"], words, "{item:#}");
}
