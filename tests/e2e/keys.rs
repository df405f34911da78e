//! The `Idempotency-Key` header on real mutations, beside the field of an input. The trap avoided: a header that is read and
//! checked, and does nothing; what happened is counted in the log.

use rhone_tests::{
    database::{administrator, person, successes_of},
    graphql::{Client, http, unique},
    platform::Platform,
};
use serde_json::{Value, json};

/// One workspace, or two of other names, in one request.
const ONE: &str = "mutation($one: WorkspaceCreateInput!) { one: workspaceCreate(input: $one) { workspace { id } replayed userErrors { code field } } }";
const TWO: &str = "mutation($one: WorkspaceCreateInput!, $two: WorkspaceCreateInput!) { \
    one: workspaceCreate(input: $one) { workspace { id } replayed userErrors { code field } } \
    two: workspaceCreate(input: $two) { workspace { id } replayed userErrors { code field } } }";

async fn sent(client: &Client, key: Option<&str>, query: &str, variables: &Value) -> Value {
    let request = http().post(format!("{}/graphql", client.url())).bearer_auth(client.token());
    let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
    let request = request.header("accept", "application/graphql-response+json");
    let reply = request.json(&json!({ "query": query, "variables": variables })).send().await.expect("the API answers");
    reply.json().await.expect("JSON")
}

fn workspace() -> Value {
    json!({ "slug": unique("keyed"), "name": "Keyed" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_under_one_header_happens_once() {
    let platform = Platform::shared().await;
    let person = person(platform).await;
    let client = &person.client;
    let mut database = administrator(platform).await;
    let (key, one) = (unique("header"), json!({ "one": workspace() }));
    let first = sent(client, Some(&key), ONE, &one).await["data"]["one"].clone();
    assert_eq!((&first["replayed"], &first["userErrors"]), (&json!(false), &json!([])), "{first:#}");
    let made = successes_of(&mut database, person.actor).await;
    assert!(made > 0, "it happened");
    let second = sent(client, Some(&key), ONE, &one).await["data"]["one"].clone();
    assert_eq!((&second["replayed"], &second["workspace"]), (&json!(true), &first["workspace"]), "{second:#}");
    assert_eq!(successes_of(&mut database, person.actor).await, made, "the same key twice is one effect");

    // It is the same key as that of an input, and an input's own counts first.
    let mut named = one["one"].clone();
    named["idempotencyKey"] = json!(key);
    let third = sent(client, None, ONE, &json!({ "one": named })).await["data"]["one"].clone();
    assert_eq!((&third["replayed"], &third["workspace"]), (&json!(true), &first["workspace"]), "{third:#}");
    let mut own = workspace();
    own["idempotencyKey"] = json!(unique("own"));
    let fourth = sent(client, Some(&key), ONE, &json!({ "one": own })).await["data"]["one"].clone();
    assert_eq!((&fourth["replayed"], &fourth["userErrors"]), (&json!(false), &json!([])), "{fourth:#}");

    // Without a key the same words are asked anew, and the name is taken.
    let again = sent(client, None, ONE, &one).await["data"]["one"].clone();
    assert_eq!(
        (&again["replayed"], again["userErrors"][0]["field"].as_str()),
        (&json!(false), Some("slug")),
        "{again:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_is_for_one_request_of_one_person() {
    let platform = Platform::shared().await;
    let (ada, bob) = (person(platform).await, person(platform).await);
    let mut database = administrator(platform).await;
    let key = unique("header");
    let both = sent(&ada.client, Some(&key), TWO, &json!({ "one": workspace(), "two": workspace() })).await;
    let refused = json!([{ "code": "IDEMPOTENCY_KEY_REUSED", "field": "idempotencyKey" }]);
    assert_eq!(both["data"]["one"]["userErrors"], json!([]), "{both:#}");
    assert_eq!((&both["data"]["two"]["userErrors"], &both["data"]["two"]["workspace"]), (&refused, &Value::Null));
    let made = successes_of(&mut database, ada.actor).await;
    let other = sent(&ada.client, Some(&key), ONE, &json!({ "one": workspace() })).await;
    assert_eq!(other["data"]["one"]["userErrors"], refused, "{other:#}");
    assert_eq!(successes_of(&mut database, ada.actor).await, made, "another request under the key does nothing");

    let theirs = sent(&bob.client, Some(&key), ONE, &json!({ "one": workspace() })).await["data"]["one"].clone();
    assert_eq!((&theirs["replayed"], &theirs["userErrors"]), (&json!(false), &json!([])), "a key is its person's own");

    // The same words twice in one request are the same request.
    let twice = workspace();
    let same = sent(&bob.client, Some(&unique("header")), TWO, &json!({ "one": twice, "two": twice })).await;
    let (one, two) = (&same["data"]["one"], &same["data"]["two"]);
    assert_eq!((&two["replayed"], &two["workspace"]), (&json!(true), &one["workspace"]), "{same:#}");

    for wrong in ["two words", &"x".repeat(256)] {
        let answer = sent(&bob.client, Some(wrong), ONE, &json!({ "one": workspace() })).await;
        assert_eq!(answer["errors"][0]["extensions"]["field"], "Idempotency-Key", "{answer:#}");
    }
}
