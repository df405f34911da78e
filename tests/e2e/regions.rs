//! A second region of real processes becomes one that production may be moved to: what is missing is named, what is proven at
//! home counts for nothing there, and the owner's exact bytes answer there before it is eligible. The trap avoided: thinking
//! that several regions are only a matter of DNS.

use crate::{affordances::regions::may_be_disabled, versions::is_held};
use rhone_tests::{
    artifacts::Version,
    platform::Platform,
    second_region::SecondRegion,
    services::bind,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

const READINESS: &str = "query($id: ID!, $region: ID!, $cell: ID!, $topology: DataTopology) { environment(id: $id) {
    regionReadiness(regionId: $region, cellId: $cell, dataTopology: $topology) { allowed gates { kind state reason } } } }";
const REGIONS: &str = "query($id: ID!) { environment(id: $id) { residency
    regions { regionId cellId dataTopology operationId } } }";
const STANDINGS: &str = "query($id: ID!) { environment(id: $id) { regionStandings {
    regionId cellId standing dataTopology operationId disabledReason disabledAt } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_several_regions_are_only_a_matter_of_dns() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    let home = format!("reg_{}", platform.report().ids.region.simple());
    let bergen = SecondRegion::start(&platform).await;

    residency_is_kept(&tenant, &bergen, &home).await;
    nobody_said_where_the_data_is(&tenant, &bergen).await;
    services_at_home_prove_nothing_elsewhere(&platform, &tenant, &bergen, &home).await;

    let operation = bergen.enable(&tenant).await;
    assert_eq!(
        (&operation["kind"], &operation["stage"]),
        (&json!("REGION_ENABLEMENT"), &json!("ELIGIBLE")),
        "{operation:#}"
    );
    let shown = tenant.client.data(REGIONS, json!({ "id": tenant.production.id })).await["environment"].clone();
    let enabled = json!([{ "regionId": bergen.region, "cellId": bergen.cell, "dataTopology": "NONE",
        "operationId": operation["id"] }]);
    assert_eq!(shown["regions"], enabled, "{shown:#}");
    let shown = tenant.client.data(STANDINGS, json!({ "id": tenant.production.id })).await["environment"].clone();
    let standing = json!([{ "regionId": bergen.region, "cellId": bergen.cell, "standing": "ELIGIBLE",
        "dataTopology": "NONE", "operationId": operation["id"], "disabledReason": null, "disabledAt": null }]);
    assert_eq!(shown["regionStandings"], standing, "{shown:#}");
    the_proof_is_let_go_and_the_owner_never_noticed(&tenant, &bergen, &blue.digest).await;
    assert_eq!(may_be_disabled(&platform, &tenant, &bergen.region).await["allowed"], true);
    what_is_enabled_stays_within_the_residency_until_it_is_disabled(&tenant, &bergen, &home).await;
    assert_eq!(may_be_disabled(&platform, &tenant, &bergen.region).await["code"], "REGION_NOT_ENABLED");
}

async fn refused(tenant: &Tenant, mutation: &str, input: Value, code: &str, field: &str) -> Value {
    let refused = tenant.client.refused(mutation, "__typename", input).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &json!(field)), "{refused:#}");
    refused
}

fn reside(tenant: &Tenant, regions: &[&str]) -> Value {
    json!({ "environmentId": tenant.production.id, "regionIds": regions, "reason": "the customers' contract" })
}

async fn residency_is_kept(tenant: &Tenant, bergen: &SecondRegion, home: &str) {
    let set = "environmentResidencySet";
    refused(tenant, set, reside(tenant, &[&bergen.region]), "RESIDENCY_VIOLATION", "regionIds").await;
    tenant.client.done(set, "environment { residency }", reside(tenant, &[home])).await;
    refused(tenant, "environmentRegionEnable", bergen.wish(tenant), "RESIDENCY_VIOLATION", "regionId").await;
    tenant.client.done(set, "environment { residency }", reside(tenant, &[home, &bergen.region])).await;
}

async fn nobody_said_where_the_data_is(tenant: &Tenant, bergen: &SecondRegion) {
    let mut silent = bergen.wish(tenant);
    silent["dataTopology"] = Value::Null;
    refused(tenant, "environmentRegionEnable", silent, "DATA_TOPOLOGY_UNDECLARED", "dataTopology").await;
}

async fn readiness(tenant: &Tenant, bergen: &SecondRegion) -> Value {
    let asked = json!({ "id": tenant.production.id, "region": bergen.region, "cell": bergen.cell, "topology": "NONE" });
    tenant.client.data(READINESS, asked).await["environment"]["regionReadiness"].clone()
}

async fn services_at_home_prove_nothing_elsewhere(
    platform: &Platform,
    tenant: &Tenant,
    bergen: &SecondRegion,
    home: &str,
) {
    bind(platform, tenant, home).await;
    let scale = json!({ "environmentId": tenant.production.id, "replicas": 2 });
    let made = tenant.client.done("environmentScale", "__typename", scale).await;
    tenant.succeeds(&text(&made["operation"]["id"])).await;

    let shown = readiness(tenant, bergen).await;
    let gates = shown["gates"].as_array().expect("a list");
    let closed: Vec<&Value> = gates.iter().filter(|gate| gate["state"] != "pass").collect();
    assert_eq!((&shown["allowed"], closed.len()), (&json!(false), 1), "{shown:#}");
    assert_eq!(closed[0]["kind"], "runtime_services", "{shown:#}");
    assert_eq!(closed[0]["reason"], "no session store is bound; no broadcast backend is bound", "{shown:#}");
    refused(tenant, "environmentRegionEnable", bergen.wish(tenant), "RUNTIME_SERVICE_MISSING", "environmentId").await;

    bind(platform, tenant, &bergen.region).await;
    let shown = readiness(tenant, bergen).await;
    assert_eq!(shown["allowed"], true, "{shown:#}");
}

async fn the_proof_is_let_go_and_the_owner_never_noticed(tenant: &Tenant, bergen: &SecondRegion, digest: &str) {
    let look = async || {
        let all = tenant.allocations_now(&tenant.production).await?;
        let (there, here): (Vec<_>, Vec<_>) = all.iter().partition(|one| one["regionId"] == bergen.region.as_str());
        assert!(here.len() == 2 && here.iter().all(|one| one["state"] == "READY"), "the owner's own: {all:#?}");
        assert!(there.len() == 1 && there[0]["verifiedDigest"] == digest, "one proof, of the exact bytes: {all:#?}");
        (there[0]["state"] == "STOPPED").then_some(())
    };
    until("the proof has stopped", PATIENCE, look).await;
}

async fn what_is_enabled_stays_within_the_residency_until_it_is_disabled(
    tenant: &Tenant,
    bergen: &SecondRegion,
    home: &str,
) {
    let wish = reside(tenant, &[home]);
    refused(tenant, "environmentResidencySet", wish.clone(), "RESIDENCY_VIOLATION", "regionIds").await;
    refused(tenant, "environmentRegionEnable", bergen.wish(tenant), "REGION_ENABLED", "regionId").await;
    let disable =
        |region: &str| json!({ "environmentId": tenant.production.id, "regionId": region, "reason": "its lease ends" });
    refused(tenant, "environmentRegionDisable", disable(home), "REGION_SERVES", "regionId").await;
    is_held(&tenant.client, "environmentRegionDisable", disable(&bergen.region)).await;
    let gone =
        tenant.client.done("environmentRegionDisable", "environment { regions { regionId } }", disable(&bergen.region));
    assert_eq!(gone.await["environment"]["regions"], json!([]));
    let shown = tenant.client.data(STANDINGS, json!({ "id": tenant.production.id })).await["environment"].clone();
    let of = &shown["regionStandings"][0];
    assert_eq!((&of["regionId"], &of["standing"]), (&json!(bergen.region), &json!("DISABLED")), "{shown:#}");
    assert_eq!(of["disabledReason"], "its lease ends", "it does not vanish: {shown:#}");
    assert!(of["disabledAt"].is_string() && of["operationId"].is_string(), "{shown:#}");
    tenant.client.done("environmentResidencySet", "environment { residency }", wish).await;
}
