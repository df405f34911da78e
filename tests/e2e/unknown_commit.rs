//! The database commits, and its answer never arrives: nobody knows, and a retry under the same key must find the first
//! outcome. The trap avoided: cutting the line before the commit, which proves nothing; the event is seen in the log first.

use rhone_tests::{
    database::{administrator, uuid},
    graphql::{Client, http, unique},
    platform::Platform,
    program,
    proxy::Proxy,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_found_by_the_retry_and_done_once() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let key = unique("unknown");
    let api = Api::behind_a_proxy(platform, &key).await;
    let client = Client::new(&api.url, &platform.report().token);
    let input = json!({ "workspaceId": tenant.workspace, "slug": unique("p"), "name": "P", "idempotencyKey": key });

    let first = client.try_mutate("projectCreate", "project { id }", &input);
    let cut = async {
        let committed = async || (api.proxy.has_heard() && !projects(platform, &key).await.is_empty()).then_some(());
        until("the event is in the log", PATIENCE, committed).await;
        api.proxy.cut();
    };
    let (first, ()) = tokio::join!(first, cut);
    let first = first.expect("the API answers, whatever it knows");
    let done = async || {
        let answer = client.try_mutate("projectCreate", "project { id }", &input).await.ok()?;
        let payload = answer["data"]["projectCreate"].clone();
        payload["project"]["id"].is_string().then_some(payload)
    };
    let again = until("the retry is answered", PATIENCE, done).await;
    assert_eq!(again["replayed"], true, "the first was done: {again:#}");
    if let Some(id) = first["data"]["projectCreate"]["project"]["id"].as_str() {
        assert_eq!(id, text(&again["project"]["id"]), "whoever was answered at once was told the same");
    }
    let stream = format!("project:{}", uuid(&text(&again["project"]["id"])));
    assert_eq!(projects(platform, &key).await, [stream], "once, and it is what the retry was told");
}

/// The projects that were created under a key.
async fn projects(platform: &Platform, key: &str) -> Vec<String> {
    let query = "SELECT stream FROM log.events WHERE event_type = 'project.created' AND idempotency_key = $1";
    let mut database = administrator(platform).await;
    sqlx::query_scalar(query).bind(key).fetch_all(&mut database).await.expect("the log can be read")
}

/// One more API of the platform, with a wire of its own to the database.
struct Api {
    url: String,
    proxy: Proxy,
    process: Child,
}

impl Api {
    async fn behind_a_proxy(platform: &Platform, word: &str) -> Self {
        let direct = platform.addresses().database.api_url;
        let place = direct.split(['@', '/']).nth(3).expect("a URL names a server").to_owned();
        let proxy = Proxy::start(place.clone(), word).await;
        let listen = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free");
        let process = Command::new(program::path("rhone"))
            .arg("--data")
            .arg(platform.data())
            .arg("serve")
            .env("RHONE_SERVE_LISTEN", listen.to_string())
            .env("RHONE_DATABASE_API_URL", direct.replace(&place, &proxy.address.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("an API starts");
        let api = Self { url: format!("http://{listen}"), proxy, process };
        let ready =
            async || http().get(format!("{}/readyz", api.url)).send().await.ok()?.status().is_success().then_some(());
        until("the API is ready", PATIENCE, ready).await;
        api
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
