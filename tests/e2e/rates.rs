//! Budgets over the real processes: what `rateLimit` says, and what a second API with small ones refuses. The trap avoided: limits
//! that are tested in the library and never reach the binary.

use rhone_tests::{
    database::person,
    graphql::{Client, http, unique},
    live::Events,
    platform::Platform,
    second_api::SecondApi,
    story::{Tenant, text},
};
use serde_json::{Value, json};

const STANDING: &str = "rateLimit { of limit cost remaining resetAt }";

async fn standing(client: &Client, beside: &str) -> Value {
    client.data(&format!("{{ {STANDING} {beside} }}"), json!({})).await["rateLimit"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_shown_with_what_a_document_costs_by_its_rows() {
    let platform = Platform::shared().await;
    let client = person(platform).await.client;
    let (small, large) =
        (standing(&client, "").await, standing(&client, "workspaces(first: 100) { nodes { id name } }").await);
    // The field itself and five beside it; and 100 rows of two fields.
    assert_eq!(small["cost"], json!(6), "{small}");
    assert!(large["cost"].as_i64().expect("a number") > 200, "{large}");
    for one in [&small, &large] {
        let number = |field: &str| one[field].as_i64().expect("a number");
        assert!(number("remaining") <= number("limit") - number("cost"), "{one}");
        assert!(text(&one["resetAt"]).starts_with("20") && one["of"].is_string(), "{one}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_with_small_budgets_refuses_by_them_and_its_neighbour_does_not() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let create = "mutation($input: TokenCreateInput!) { tokenCreate(input: $input) { secret } }";
    let made = owner.client.data(create, json!({ "input": { "name": "hasty" } })).await;
    let secret = text(&made["tokenCreate"]["secret"]);
    // A change costs 50 on top, so the workspace has one and no second.
    let second = small(platform, &json!({ "token": 400, "workspace": 60, "failures": 3 })).await;
    let hasty = Client::new(&second.url, &secret);
    let project = |word: &str| json!({ "workspaceId": tenant.workspace, "slug": unique(word), "name": "A name" });
    hasty.done("projectCreate", "project { id }", project("first")).await;
    let refused = hasty.try_mutate("projectCreate", "__typename", &project("second")).await.expect("the API answers");
    let details = &refused["errors"][0]["extensions"];
    assert_eq!((&details["code"], &details["whose"]), (&json!("RATE_LIMITED"), &json!("workspace")), "{refused:#}");
    let large = "{ workspaces(first: 100) { nodes { id slug name } } }";
    let answer = hasty.ask(large, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["whose"], json!("token"), "{answer:#}");
    let seen = hasty.ask("{ viewer { actor } }", json!({})).await;
    assert_eq!(seen["data"]["viewer"]["actor"], json!(owner.actor), "the cheap goes on: {seen:#}");
    let stranger = Client::new(&second.url, "rhone_nobody-has-this");
    let code =
        async || stranger.ask("{ viewer { actor } }", json!({})).await["errors"][0]["extensions"]["code"].clone();
    for _ in 0..4 {
        assert_eq!(code().await, json!("UNAUTHENTICATED"));
    }
    assert_eq!(code().await, json!("RATE_LIMITED"));
    // Every process counts by itself.
    let first = platform.client(&secret);
    first.data(large, json!({})).await;
    first.done("projectCreate", "project { id }", project("third")).await;
}

/// What is refused is judged and put on record as well. The sin would be refusals for nothing, as many as anybody likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_refused_pays_as_whoever_changes_something() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let taken = json!({ "workspaceId": tenant.workspace, "slug": unique("taken"), "name": "A name" });
    owner.client.done("projectCreate", "project { id }", taken.clone()).await;
    let second = small(platform, &json!({ "token": 160 })).await;
    let hasty = Client::new(&second.url, owner.client.token());
    let ask = async || hasty.try_mutate("projectCreate", "__typename", &taken).await.expect("the API answers");
    for _ in 0..2 {
        let refused = ask().await;
        assert_eq!(refused["data"]["projectCreate"]["userErrors"][0]["code"], json!("NAME_TAKEN"), "{refused:#}");
    }
    // Two of 68 are spent of 160, each 50 and its document; as much as the third costs is back in a quarter of a minute.
    let limited = ask().await;
    let details = &limited["errors"][0]["extensions"];
    assert_eq!((&details["code"], &details["whose"]), (&json!("RATE_LIMITED"), &json!("token")), "{limited:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_events_pays_from_the_budget_that_graphql_asks() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    // A stream costs 25, and half a minute brings as much back: longer than all of this takes, on any machine.
    let second = small(platform, &json!({ "token": 50 })).await;
    let hasty = Client::new(&second.url, owner.client.token());
    let query = [("workspaceId", tenant.workspace.as_str())];
    let mut open = Vec::new();
    for path in ["/v1/logs", "/v1/events"] {
        open.push(Events::open_at(&hasty, path, &query, None).await.map_err(|(status, _)| status).expect("it opens"));
    }
    for path in ["/v1/events", "/v1/logs", "/v1/timeline"] {
        let url = format!("{}{path}?workspaceId={}", second.url, tenant.workspace);
        let reply = http().get(url).bearer_auth(hasty.token()).send().await.expect("the API answers");
        let after = reply.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        assert_eq!(reply.status(), 429, "{path}");
        // A second's worth is less than one.
        assert!(after.is_some_and(|seconds| (5..=60).contains(&seconds)), "{path}: {after:?}");
        let body: Value = reply.json().await.expect("JSON");
        assert_eq!(body["code"], json!("RATE_LIMITED"), "{path}: {body}");
    }
    let answer = hasty.ask("{ workspaces(first: 100) { nodes { id slug name } } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["whose"], json!("token"), "{answer:#}");
    for stream in &mut open {
        assert_eq!(stream.said().await.event, "caught_up", "what is open goes on");
    }
}

/// Another API with these budgets.
async fn small(platform: &Platform, rates: &Value) -> SecondApi {
    SecondApi::with(platform, &[("RHONE_SERVE_RATES", rates.to_string())]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_comes_to_the_doors_so_often_and_is_told_when_to_come_again() {
    let platform = Platform::shared().await;
    let second = small(platform, &json!({ "sign_in": 2 })).await;
    let ask = async |path: &str, page: bool| {
        let request = match path {
            "/auth/device/code" => http().post(format!("{}{path}", second.url)).form(&[("client_id", "rhone-cli")]),
            _ => http().get(format!("{}{path}", second.url)),
        };
        let request = if page { request.header("accept", "text/html") } else { request };
        let reply = request.send().await.expect("the API answers");
        let after = reply.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        (reply.status().as_u16(), after, reply.text().await.expect("a text"))
    };
    for _ in 0..2 {
        let (status, _, body) = ask("/auth/device/code", false).await;
        assert_eq!(status, 200, "{body}");
    }
    for path in ["/auth/device/code", "/auth/device/token", "/auth/device", "/auth/logout"] {
        let (status, after, body) = ask(path, false).await;
        // One is back every thirty seconds, before which all of this is asked.
        let seconds: u64 = after.and_then(|after| after.parse().ok()).unwrap_or_default();
        assert_eq!((status, (1..=30).contains(&seconds)), (429, true), "{path}: {seconds}: {body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let said = if path.starts_with("/auth/device/") { &body["error"] } else { &body["code"] };
        assert_eq!(
            said,
            if path.starts_with("/auth/device/") { "slow_down" } else { "RATE_LIMITED" },
            "{path}: {body}"
        );
    }
    let (status, _, page) = ask("/auth/device", true).await;
    assert!(status == 429 && page.contains('<'), "people get a page: {page}");
    // The API itself is asked by other budgets.
    let developer = Client::new(&second.url, platform.developer().token());
    developer.data("{ viewer { actor } }", json!({})).await;
}
