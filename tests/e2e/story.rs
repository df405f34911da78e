//! Steps 1 to 7: an artifact becomes traffic, is promoted, is rolled back, and all of it can be read afterwards. The trap
//! avoided: believing the API; what counts is what answers through the edge.

use chrono::DateTime;
use rhone_tests::{
    artifacts::{Version, pack, push_as_never_before},
    database::uuid,
    edge,
    graphql::{http, unique},
    platform::Platform,
    program,
    sockets::Watched,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_grows_a_region_a_cell_and_a_host() {
    let platform = Platform::shared().await;
    let developer = platform.developer();
    let slug = unique("eu");
    let made = developer.done("regionCreate", "region { id slug }", json!({ "slug": slug, "name": "Europe" })).await;
    let region = text(&made["region"]["id"]);
    let input = json!({ "regionId": region, "slug": "cell-a" });
    let made = developer.done("cellCreate", "cell { id region { id } }", input).await;
    assert_eq!(made["cell"]["region"]["id"], region);
    let input = json!({ "cellId": made["cell"]["id"], "slug": "host-a" });
    let made = developer.done("hostCreate", "host { id cell { region { slug } } }", input).await;
    assert_eq!(made["host"]["cell"]["region"]["slug"], slug);

    let again = developer.refused("regionCreate", "region { id }", json!({ "slug": slug, "name": "Europe" })).await;
    assert_eq!(again["field"], "slug", "{again}");
}

#[test]
fn the_same_files_give_the_same_digest_and_others_give_another() {
    let (blue, green) = (pack(Version::Blue).0, pack(Version::Green).0);
    assert_eq!(blue, pack(Version::Blue).0);
    assert_ne!(blue, green);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_shown_by_the_preview_over_http_and_websocket() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let own = json!({ "environmentId": tenant.preview.id, "host": format!("{}.Rhone.app", unique("shop")) });
    let refused = tenant.client.refused("environmentHostAttach", "__typename", own).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("HOST_RESERVED"), &json!("host")), "{refused:#}");
    let digest = push_as_never_before(&tenant.client, &tenant.workspace, Version::Blue).await;
    let blue = tenant.deploy_bytes(digest, Version::Blue).await;

    let page = edge::get(&tenant.edge, &tenant.preview.host, "/").await.expect("the edge answers");
    assert_eq!(page.status, 200);
    assert!(page.text.contains("blue"), "{}", page.text);
    let socket = Watched::open(&tenant.edge, &tenant.preview.host).await.expect("a socket opens");
    assert_eq!(socket.greeting["version"], "blue");
    assert!(socket.answers().await);

    let allocations = tenant.allocations(&tenant.preview).await;
    let [allocation] = &allocations[..] else { panic!("one allocation, not {allocations:?}") };
    assert_eq!((&allocation["state"], &allocation["verifiedDigest"]), (&json!("READY"), &json!(blue.digest)));
    assert_eq!(uuid(&text(&allocation["hostId"])), platform.report().ids.host);
    let states = states_of(&tenant, &text(&allocation["id"])).await;
    assert_eq!(states, ["allocation.planned", "allocation.pulling", "allocation.starting", "allocation.ready"]);

    let unknown = edge::get(&tenant.edge, "nobody.test", "/").await.expect("the edge answers");
    assert_eq!(unknown.status, 421, "{unknown:?}");
    let elsewhere = edge::version(&tenant.edge, &tenant.production.host).await;
    assert_eq!(elsewhere, None, "a preview gets no production traffic");
}

async fn states_of(tenant: &Tenant, allocation: &str) -> Vec<String> {
    let stream = format!("allocation:{}", uuid(allocation));
    let look = async || {
        let entries = tenant.timeline(None).await;
        let of = entries.iter().filter(|entry| entry["stream"] == stream.as_str());
        let types: Vec<String> = of.map(|entry| text(&entry["type"])).collect();
        types.contains(&"allocation.ready".to_owned()).then_some(types)
    };
    until("the timeline tells of the allocation", PATIENCE, look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_becomes_traffic_and_a_rollback_takes_it_back() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let blue = tenant.deploy(Version::Blue).await;
    let green = tenant.deploy(Version::Green).await;

    let first = promotion_is_repeated_and_answered_alike(&tenant, (&blue.id, &blue.digest)).await;
    a_stale_epoch_is_refused_and_told(&tenant, &green.id).await;
    let promoted = tenant.succeeds(&tenant.promote(&green).await).await;
    assert_eq!((&promoted["epoch"], &promoted["healthyDigest"]), (&json!(2), &json!(green.digest)));
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;

    let rollback = tenant.succeeds(&tenant.roll_back(&blue, "green loses visitors").await).await;
    assert_eq!((&rollback["stage"], &rollback["epoch"]), (&json!("ROLLED_BACK"), &json!(3)), "{rollback:#}");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    rolled_back(&tenant, (&blue.id, &blue.digest), &green.digest).await;
    the_pin_holds_until_released(&tenant, &green.id, &green.digest).await;

    tell_the_timeline(&tenant, &text(&first["id"])).await;
    replay_tells_the_route(platform, &tenant).await;
}

/// Step 5: the answer to the same key is the same; `healthy` carries the digest.
async fn promotion_is_repeated_and_answered_alike(tenant: &Tenant, (blue, digest): (&str, &str)) -> Value {
    let input = json!({ "deploymentId": blue, "environmentId": tenant.production.id, "expectedRouteEpoch": 0,
        "idempotencyKey": unique("promote") });
    let asked = tenant.client.done("deploymentPromote", "deployment { id }", input.clone()).await;
    let again = tenant.client.done("deploymentPromote", "deployment { id }", input.clone()).await;
    assert_eq!((&asked["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    for same in ["operation", "deployment", "userErrors", "position"] {
        assert_eq!(asked[same], again[same], "{same}");
    }
    let operation = tenant.succeeds(&text(&asked["operation"]["id"])).await;
    assert_eq!((&operation["stage"], &operation["healthyDigest"]), (&json!("HEALTHY"), &json!(digest)));
    let edges = operation["edges"].as_array().expect("edges answered");
    assert!(!edges.is_empty() && edges.iter().all(|edge| edge["digest"] == digest), "{operation:#}");
    assert_eq!(edge::version(&tenant.edge, &tenant.production.host).await.as_deref(), Some("blue"));
    let after = tenant.client.done("deploymentPromote", "deployment { id }", input.clone()).await;
    assert_eq!(after["operation"], asked["operation"], "long after its end it is still the same operation");
    let mut other = input;
    other["expectedRouteEpoch"] = json!(7);
    let reused = tenant.client.refused("deploymentPromote", "deployment { id }", other).await;
    assert_eq!(reused["code"], "IDEMPOTENCY_KEY_REUSED", "a key is for one request: {reused:#}");
    operation
}

async fn a_stale_epoch_is_refused_and_told(tenant: &Tenant, green: &str) {
    let epoch = tenant.owner().await["epoch"].clone();
    assert_eq!(epoch, json!(1), "repeated requests raise nothing");
    let input = json!({ "deploymentId": green, "environmentId": tenant.production.id, "expectedRouteEpoch": 0 });
    let payload = tenant.client.mutate("deploymentPromote", "deployment { id }", input).await;
    let refusal = &payload["userErrors"][0];
    assert_eq!(
        (&refusal["code"], &refusal["expected"], &refusal["actual"]),
        (&json!("STALE_EPOCH"), &json!("0"), &json!("1")),
        "{payload:#}"
    );
    let told = tenant.timeline(payload["position"].as_str()).await;
    let told = told.iter().find(|entry| entry["type"] == "refusal.recorded").expect("the refusal is in the timeline");
    assert!(text(&told["summary"]).contains("expected 0, actual 1"), "{told:#}");
    assert_eq!(edge::version(&tenant.edge, &tenant.production.host).await.as_deref(), Some("blue"));
}

/// Step 6: who owns the route now, and why it stays so.
async fn rolled_back(tenant: &Tenant, (blue, blue_digest): (&str, &str), green_digest: &str) {
    let owner = tenant.owner().await;
    assert_eq!((&owner["deploymentId"], &owner["artifactDigest"]), (&json!(blue), &json!(blue_digest)), "{owner:#}");
    assert_eq!(owner["epoch"], json!(3));
    assert_eq!(
        (&owner["pin"]["deploymentId"], &owner["pin"]["reason"]),
        (&json!(blue), &json!("green loses visitors"))
    );
    assert_eq!(owner["quarantined"][0]["digest"], green_digest);
}

async fn the_pin_holds_until_released(tenant: &Tenant, green: &str, green_digest: &str) {
    let input = json!({ "deploymentId": green, "environmentId": tenant.production.id });
    let pinned = tenant.client.refused("deploymentPromote", "deployment { id }", input.clone()).await;
    assert_eq!(pinned["code"], "PINNED", "{pinned:#}");
    tenant.release_pin().await;
    let quarantined = tenant.client.refused("deploymentPromote", "deployment { id }", input).await;
    assert_eq!(quarantined["code"], "QUARANTINED", "quarantine outlives the pin: {quarantined:#}");
    tenant.lift_quarantine(green_digest).await;
    let green = rhone_tests::story::Deployed {
        id: green.to_owned(),
        digest: green_digest.to_owned(),
        operation: String::new(),
    };
    let operation = tenant.succeeds(&tenant.promote(&green).await).await;
    assert_eq!(operation["epoch"], json!(4));
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
}

/// Step 7: everything, in order, with who, what, why and what led to it.
async fn tell_the_timeline(tenant: &Tenant, first: &str) {
    let viewer = tenant.client.data("{ viewer { actor } }", json!({})).await["viewer"]["actor"].clone();
    let look = async || {
        let entries = tenant.timeline(None).await;
        let healthy =
            |entry: &&Value| entry["payload"]["stage"] == "healthy" || entry["payload"]["stage"] == "rolled_back";
        // Two previews, three promotions, one rollback.
        (entries.iter().filter(healthy).count() >= 6).then_some(entries)
    };
    let entries = until("the timeline tells the whole story", PATIENCE, look).await;
    let mut last = None;
    for entry in &entries {
        let at = position(&text(&entry["position"]));
        assert!(last.as_ref() < Some(&at), "in the log's order: {entry:#}");
        last = Some(at);
        assert!(!text(&entry["summary"]).is_empty() && !text(&entry["correlation"]).is_empty(), "{entry:#}");
        DateTime::parse_from_rfc3339(&text(&entry["recordedAt"])).expect("a time");
    }
    let of = |kind: &str| entries.iter().filter(|entry| entry["type"] == kind).collect::<Vec<_>>();
    let rolled_back = of("route_owner.rolled_back");
    assert_eq!((rolled_back.len(), &rolled_back[0]["reason"]), (1, &json!("green loses visitors")));
    assert!(!rolled_back[0]["causation"].is_null(), "what led to it is told: {:#}", rolled_back[0]);
    assert!(of("operation.requested").iter().all(|entry| entry["actor"] == viewer && entry["actorKind"] == "user"));
    let first = uuid(first).to_string();
    let stages: Vec<_> = entries.iter().filter(|entry| entry["correlation"] == first.as_str()).collect();
    for kind in ["operation.requested", "operation.stage_entered", "route_owner.promoted"] {
        assert!(stages.iter().any(|entry| entry["type"] == kind), "{kind} has the operation as its correlation");
    }
    let entered: Vec<_> = stages.iter().filter_map(|entry| entry["payload"]["stage"].as_str()).collect();
    assert_eq!(entered, ["policy_check", "route_cas", "edge_propagating", "healthy"]);
}

/// A position is opaque to clients; for the test, what follows the log's own name is in the log's order.
fn position(text: &str) -> Vec<u64> {
    let order = text.rsplit('~').next().unwrap_or_default();
    order.split('-').map(|number| number.parse().expect("positions are numbers")).collect()
}

async fn replay_tells_the_route(platform: &Platform, tenant: &Tenant) {
    let stream = format!("route_owner:{}", uuid(&tenant.production.id));
    let now = replayed(platform, &["replay", &stream, "--json"]).await;
    assert!(now.contains(r#""epoch":4"#), "{now}");
    // Version 2 is right after opening and the hostname.
    let then = replayed(platform, &["replay", &stream, "--at", "2", "--json"]).await;
    assert!(then.contains(r#""epoch":0"#), "{then}");
    let difference = replayed(platform, &["replay", &stream, "--diff", "2", "3"]).await;
    assert!(difference.contains("epoch"), "{difference}");
}

async fn replayed(platform: &Platform, words: &[&str]) -> String {
    let output = platform.rhone(words).await;
    assert!(output.status.success(), "{words:?}: {}", program::text(&output.stderr));
    let said = program::text(&output.stdout);
    if words.contains(&"--json") { said.split_whitespace().collect() } else { said }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_tells_how_long_each_stage_took_and_when_the_edges_had_converged() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let metrics = async || {
        let url = format!("{}/metrics", platform.report().urls.work_admin);
        http().get(url).send().await.expect("it answers").text().await.expect("a text")
    };
    let counted = async |name: &str, labels: &[&str]| {
        let told = metrics().await;
        let is_it =
            |line: &&str| line.starts_with(&format!("{name}_count")) && labels.iter().all(|label| line.contains(label));
        let value = told.lines().find(is_it).and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.unwrap_or_default()
    };
    let names = [
        ("rhone_operation_stage_duration_seconds", &["kind=\"promotion\"", "stage=\"policy_check\""][..]),
        ("rhone_operation_stage_duration_seconds", &["kind=\"promotion\"", "stage=\"edge_propagating\""]),
        ("rhone_edge_convergence_seconds", &["kind=\"promotion\""]),
    ];
    let mut before = Vec::new();
    for (name, labels) in names {
        before.push(counted(name, labels).await);
    }
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    for ((name, labels), before) in names.into_iter().zip(before) {
        // It is counted once what it counts is on record.
        let more = async || (counted(name, labels).await >= before + 2.0).then_some(());
        until(&format!("{name} {labels:?} counts two more than {before}"), PATIENCE, more).await;
    }
}
