//! An export of several pages: the log of a workspace line by line, each once and in its order, and paid for page by page. The
//! traps avoided: a line that is lost or comes twice where two pages meet, which no short export shows; and one request of any
//! length at the price of its first page.

use futures_util::future::join_all;
use rhone_tests::{
    database::{administrator, person, uuid},
    graphql::{Client, unique},
    platform::Platform,
    second_api::SecondApi,
    story::text,
};
use serde_json::{Value, json};

/// Two full pages of the export, and one that is not: each project is an event and its name's claim another one.
const PROJECTS: usize = 504;
/// As many are asked for at a time.
const TOGETHER: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_several_pages_is_the_whole_log_and_each_page_is_paid_for() {
    let platform = Platform::shared().await;
    let client = person(platform).await.client;
    let workspace =
        client.made("workspaceCreate", "workspace", json!({ "slug": unique("w"), "name": "Much happens here" })).await;
    let last = much_happens(&client, &workspace).await;
    let log = logged(platform, &workspace).await;
    assert!((1_001..1_500).contains(&log.len()), "three pages: {}", log.len());
    let place = format!("/v1/timeline?workspaceId={workspace}&atLeastPosition={last}");
    assert!(json_of(&client, &place).await == log, "JSON has every line once, in the log's order");
    let (status, table) = client.get(&format!("{place}&format=csv")).await;
    assert_eq!(status, 200, "{table:.300}");
    let cell = |line: &str| line.split("\",\"").nth(1).map(str::to_owned);
    let lines: Vec<String> = table.lines().skip(1).filter_map(cell).collect();
    assert!(lines == log, "so has CSV: {} of {}", lines.len(), log.len());

    // Three pages cost 3,000. The last one waits until enough is back, for a second at most, and the answer is whole.
    let second = SecondApi::with(platform, &[("RHONE_SERVE_RATES", json!({ "token": 2_990 }).to_string())]).await;
    let hasty = Client::new(&second.url, client.token());
    assert!(json_of(&hasty, &place).await == log, "who waits for a page is not cut off");
    // Half a minute brings half of it back: longer than all of this takes, on any machine.
    let answer = hasty.ask("{ rateLimit { remaining of } }", json!({})).await;
    let (standing, refused) = (&answer["data"]["rateLimit"], &answer["errors"][0]["extensions"]["whose"]);
    let spent = standing["remaining"].as_u64().is_some_and(|remaining| remaining < 1_500);
    assert!(refused == "token" || spent && standing["of"] == "TOKEN", "{answer:#}");
}

/// The position of the last thing that happens.
async fn much_happens(client: &Client, workspace: &str) -> String {
    let make = async || {
        let input = json!({ "workspaceId": workspace, "slug": unique("p"), "name": "One of many" });
        client.done("projectCreate", "__typename", input).await
    };
    for _ in 0..PROJECTS / TOGETHER {
        join_all((0..TOGETHER).map(|_| make())).await;
    }
    text(&make().await["position"])
}

/// The ids of a workspace's events, in the log's order.
async fn logged(platform: &Platform, workspace: &str) -> Vec<String> {
    sqlx::query_scalar("SELECT event_id::text FROM log.events WHERE workspace = $1 ORDER BY era, tx, pos")
        .bind(uuid(workspace))
        .fetch_all(&mut administrator(platform).await)
        .await
        .expect("the log can be read")
}

async fn json_of(client: &Client, place: &str) -> Vec<String> {
    let (status, body) = client.get(place).await;
    assert_eq!(status, 200, "{body:.300}");
    let lines: Vec<Value> = serde_json::from_str(&body).expect("one array");
    lines.iter().map(|line| text(&line["eventId"])).collect()
}
