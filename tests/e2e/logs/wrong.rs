//! Questions for logs that are wrong, by GraphQL and by server-sent events. The trap avoided: an answer that does not name the field that
//! is wrong.

use rhone_tests::{
    database::person,
    live::Events,
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
