//! Budgets over the real processes: what `rateLimit` says, and what a second API with small ones refuses. The trap avoided: limits
//! that are tested in the library and never reach the binary.

use rhone_tests::{
    database::person,
    graphql::{Client, http, unique},
    platform::Platform,
    program,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{net::TcpListener, process::Stdio};
use tokio::process::{Child, Command};

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

/// Another API on the same database, with budgets of its own.
struct Second {
    url: String,
    _process: Child,
}

impl Second {
    async fn with(platform: &Platform, rates: &Value) -> Self {
        // Nobody takes it in between: ports of the system's choice are not given twice in a row.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it has an address");
        let process = Command::new(program::path("rhone"))
            .arg("--data")
            .arg(platform.data())
            .arg("serve")
            .env("RHONE_SERVE_LISTEN", free.to_string())
            .env("RHONE_SERVE_RATES", rates.to_string())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("rhone starts");
        let second = Self { url: format!("http://{free}"), _process: process };
        let look =
            async || http().get(format!("{}/readyz", second.url)).send().await.ok().filter(|got| got.status() == 200);
        until("the second API is ready", PATIENCE, look).await;
        second
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
    let second = Second::with(platform, &json!({ "token": 400, "workspace": 60, "failures": 3 })).await;
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
