//! A host whose images run in a Docker Engine: a real one, private to this test, where one is installed; elsewhere the client's
//! own tests ask a socket that answers as the API is documented. The trap avoided: an app that ends with whoever started it.

use rhone_tests::{
    artifacts::{Version, push_image},
    edge,
    engine::Engine,
    graphql::unique,
    images,
    platform::Platform,
    scan::{Needle, everywhere},
    signals,
    story::{Deployed, Environment, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Enough for the counter, and soon eaten.
const MEMORY: u64 = 64 << 20;

async fn platform(engine: &Engine) -> Platform {
    let docker = json!({ "socket": engine.socket(), "memory_bytes": MEMORY, "processes": 64 });
    Platform::start_told(vec![("RHONE_RUNNER_DOCKER".to_owned(), docker.to_string())]).await
}

async fn deploy(tenant: &Tenant, version: Version) -> Deployed {
    let room = tempfile::tempdir().expect("a folder");
    let layout = images::counter(room.path(), version.name());
    let digest = push_image(&tenant.client, &tenant.workspace, layout).await;
    tenant.deploy_bytes(digest, version).await
}

/// The containers of an environment that run.
fn running(engine: &Engine, environment: &Environment) -> Vec<Value> {
    let plain = rhone_tests::database::uuid(&environment.id);
    let all = engine.containers(&format!("rhone.environment={plain}"));
    all.into_iter().filter(|container| container["State"] == "running").collect()
}

/// The container that serves an environment, once it is the only one: its id.
async fn only(engine: &Engine, environment: &Environment) -> String {
    let look = async || match &running(engine, environment)[..] {
        [one] => Some(text(&one["Id"])),
        _ => None,
    };
    until("one container serves", PATIENCE * 2, look).await
}

/// The gate of the container's allocation.
fn gate(platform: &Platform, engine: &Engine, id: &str) -> u32 {
    let found = engine.container(id).expect("it is there");
    let allocation = text(&found["Config"]["Labels"]["rhone.allocation"]);
    let spec: PathBuf = platform.data().join("runner/allocations").join(allocation).join("spec.json");
    *signals::that_mention(&spec).first().expect("its gate runs")
}

async fn logged(tenant: &Tenant, environment: &Environment, words: &str) {
    let query = "query($id: ID!, $filter: LogFilter) { environment(id: $id) { logs(filter: $filter, first: 100) { nodes { text } } } }";
    let look = async || {
        let variables = json!({ "id": environment.id, "filter": { "contains": words } });
        let found = tenant.client.data(query, variables).await["environment"]["logs"]["nodes"].clone();
        found.as_array().is_some_and(|lines| !lines.is_empty()).then_some(())
    };
    until(&format!("a line says `{words}`"), PATIENCE, look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_in_a_container_outlives_its_runner_and_its_gate_and_is_rolled_back_and_drained() {
    let Some(engine) = Engine::start().await else { return };
    let platform = platform(&engine).await;
    let tenant = Tenant::open_draining(&platform, platform.developer(), 1).await;
    let secret = unique("canary");
    let variables = json!({ "environmentId": tenant.preview.id, "variables": [{ "key": "TOKEN", "value": secret }] });
    tenant.client.done("environmentVariablesSet", "__typename", variables).await;

    let blue = deploy(&tenant, Version::Blue).await;
    let preview = only(&engine, &tenant.preview).await;
    as_ordered(&engine, &preview, &secret);
    logged(&tenant, &tenant.preview, "counter blue listens on").await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let first = only(&engine, &tenant.production).await;

    let runner = platform.kill("runner").await;
    platform.runs_again("runner", runner).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let old = gate(&platform, &engine, &first);
    signals::kill(old);
    let again = async || {
        let found = engine.container(&first)?;
        let allocation = text(&found["Config"]["Labels"]["rhone.allocation"]);
        let status = platform.data().join("runner/allocations").join(allocation).join("gate.json");
        let status: Value = serde_json::from_slice(&std::fs::read(status).ok()?).ok()?;
        (status["gate"]["pid"] != old && status["app"]["pid"] == found["State"]["Pid"]).then_some(status)
    };
    let status = until("another gate has the container", PATIENCE, again).await;
    assert_eq!(status["starts"], 1, "it was adopted and not started: {status}");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    assert_eq!(only(&engine, &tenant.production).await, first, "the container is the same one");

    let green = deploy(&tenant, Version::Green).await;
    tenant.succeeds(&tenant.promote(&green).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    let second = only(&engine, &tenant.production).await;
    let gone = async || engine.container(&first).is_none().then_some(());
    until("the container that was drained is gone", PATIENCE, gone).await;
    logged(&tenant, &tenant.production, "counter drains").await;
    tenant.succeeds(&tenant.roll_back(&blue, "green is wrong").await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    assert_ne!(only(&engine, &tenant.production).await, second);

    let scan = everywhere(&platform, &Needle::new(&secret));
    assert_eq!(scan.found, Vec::<String>::new(), "a secret lies in clear");
    assert!(scan.files > 50 && scan.processes > 8, "{scan:?}");
    platform.end().await;
    assert_eq!(engine.containers(&format!("rhone.artifact={}", blue.digest)), Vec::<Value>::new());
}

/// Limits, powers and names as they were ordered, and its variables.
fn as_ordered(engine: &Engine, id: &str, secret: &str) {
    let found = engine.container(id).expect("it is there");
    let (host, labels) = (&found["HostConfig"], &found["Config"]["Labels"]);
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(MEMORY), &json!(MEMORY)));
    assert_eq!((&host["PidsLimit"], &host["ReadonlyRootfs"]), (&json!(64), &json!(true)));
    assert_eq!((&host["CapDrop"], &host["NetworkMode"]), (&json!(["ALL"]), &json!("host")));
    assert_eq!(labels["rhone.incarnation"], "1");
    let pid = found["State"]["Pid"].as_u64().expect("it runs");
    let variables = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("readable");
    let has = |pair: &str| variables.split_terminator('\0').any(|entry| entry == pair);
    assert!(has(&format!("TOKEN={secret}")) && has("PATH=/srv:/bin") && has("HOME=/tmp"), "{variables:?}");
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("readable");
    assert_eq!(words.trim_end_matches('\0'), "/srv/counter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_eats_its_memory_ends_as_out_of_memory() {
    let Some(engine) = Engine::start().await else { return };
    let platform = platform(&engine).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let room = tempfile::tempdir().expect("a folder");
    let layout = images::shell(room.path(), "echo begins to eat; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
    let digest = push_image(&tenant.client, &tenant.workspace, layout).await;
    let input = json!({ "appId": tenant.app, "artifactDigest": digest, "environmentId": tenant.preview.id });
    let made = tenant.client.done("deploymentCreate", "__typename", input).await;
    let ended = tenant.ends(&text(&made["operation"]["id"])).await;
    assert_eq!(ended["stage"], "FAILED", "{ended:#}");
    let query = "query($id: ID!) { environment(id: $id) { allocations(ended: true) { state failureCause } } }";
    let look = async || {
        let found =
            tenant.client.data(query, json!({ "id": tenant.preview.id })).await["environment"]["allocations"].clone();
        found.as_array()?.iter().find(|allocation| allocation["failureCause"].is_string()).cloned()
    };
    let failed = until("its runner says why", PATIENCE * 2, look).await;
    assert_eq!(failed["failureCause"], "out_of_memory", "{failed:#}");
    logged(&tenant, &tenant.preview, "begins to eat").await;
}
