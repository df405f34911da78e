//! How sessions of an environment's former owners end, said after its creation: the next change of owner goes by it, one that
//! was before does not, and who decided on an older version is told so.

use rhone_tests::{
    artifacts::Version,
    edge,
    graphql::unique,
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const ENVIRONMENT: &str = "query($id: ID!) { environment(id: $id) { version drainSeconds standbySeconds \
    affordances { drainPolicySet { allowed } } routeOwner { drain { deadline } } } }";

async fn environment(tenant: &Tenant) -> Value {
    tenant.client.data(ENVIRONMENT, json!({ "id": tenant.production.id })).await["environment"].clone()
}

/// How long the former owner's sockets may stay from now on.
fn stays(environment: &Value) -> Duration {
    let said = text(&environment["routeOwner"]["drain"]["deadline"]);
    let said: SystemTime = chrono::DateTime::parse_from_rfc3339(&said).expect("a time").into();
    said.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Whoever says nothing of it has half a minute.
async fn unsaid(platform: &Platform, tenant: &Tenant) {
    let ids = platform.report().ids;
    let (region, cell) = (format!("reg_{}", ids.region.simple()), format!("cell_{}", ids.cell.simple()));
    let input = json!({ "appId": tenant.app, "slug": "unsaid", "kind": "STAGING", "regionId": region, "cellId": cell });
    let id = tenant.client.made("environmentCreate", "environment", input).await;
    let read = async || {
        let mut made = tenant.client.data(ENVIRONMENT, json!({ "id": id })).await["environment"].take();
        made.is_object().then(|| made["drainSeconds"].take())
    };
    assert_eq!(until("the environment can be read", PATIENCE, read).await, json!(30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_change_of_owner_goes_by_the_policy_that_was_set() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    tenant.succeeds(&tenant.promote(&blue).await).await;
    tenant.succeeds(&tenant.promote(&green).await).await;
    let before = environment(&tenant).await;
    assert!(stays(&before) < Duration::from_mins(30), "{before:#}");
    unsaid(platform, &tenant).await;
    assert_eq!(before["affordances"]["drainPolicySet"]["allowed"], json!(true));

    let set = |more: Value| {
        let mut input = json!({ "environmentId": tenant.production.id, "drainSeconds": 3_600 });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        input
    };
    let mutation = "environmentDrainPolicySet";
    tenant.client.done(mutation, "__typename", set(json!({ "dryRun": true }))).await;
    assert_eq!(environment(&tenant).await["drainSeconds"], before["drainSeconds"], "a dry run sets nothing");
    let refused = tenant.client.refused(mutation, "__typename", set(json!({ "drainSeconds": 604_801 }))).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("INVALID"), &json!("drainSeconds")), "{refused}");
    let key = unique("drain");
    let wanted = set(json!({ "expectedVersion": before["version"], "idempotencyKey": key }));
    for replayed in [false, true] {
        let done =
            tenant.client.done(mutation, "environment { drainSeconds standbySeconds } replayed", wanted.clone()).await;
        assert_eq!(done["replayed"], json!(replayed), "{done}");
    }
    let stale = tenant
        .client
        .refused(mutation, "__typename", set(json!({ "expectedVersion": before["version"], "drainSeconds": 1 })))
        .await;
    assert_eq!(stale["code"], "STALE_VERSION", "{stale}");

    let after = environment(&tenant).await;
    assert_eq!((&after["drainSeconds"], &after["standbySeconds"]), (&json!(3_600), &before["standbySeconds"]));
    assert_eq!(after["routeOwner"], before["routeOwner"], "the drain that is on its way keeps its deadline");
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let now = environment(&tenant).await;
    assert!(stays(&now) > Duration::from_mins(50), "{now:#}");
    let told = tenant.timeline(None).await;
    let told = told.iter().filter(|entry| entry["type"] == "environment.drain_policy_set").collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(text(&told[0]["summary"]).contains("live on for 3600 s"), "{told:#?}");
}
