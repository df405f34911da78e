//! An allocation is drained because somebody asked for it over the API: the owner's only one goes once another is ready, and the
//! owner stays the owner. The trap avoided: a drain whose gates see no allocations, because they look with nobody's eyes.

use rhone_tests::{
    artifacts::Version,
    edge,
    platform::Platform,
    story::{Tenant, text},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owners_only_allocation_is_drained_once_another_is_ready() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    let before = tenant.owner().await;
    let first = tenant.allocations(&tenant.production).await[0]["id"].clone();

    let input = json!({ "allocationId": first, "drainSeconds": 1 });
    let asked = tenant.client.done("allocationDrain", "__typename", input.clone()).await;
    let operation = tenant.ends(&text(&asked["operation"]["id"])).await;
    assert_eq!((&operation["kind"], &operation["stage"]), (&json!("DRAIN"), &json!("VERIFIED")), "{operation:#}");

    let all = tenant.allocations(&tenant.production).await;
    let state = |one: &serde_json::Value| (one["id"] == first, text(&one["state"]));
    let mut states: Vec<_> = all.iter().map(state).collect();
    states.sort();
    assert_eq!(states, [(false, "READY".to_owned()), (true, "STOPPED".to_owned())], "{all:#?}");
    assert_eq!(tenant.owner().await, before, "who owns the traffic has not changed");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let refused = tenant.client.refused("allocationDrain", "__typename", input).await;
    assert_eq!(refused["code"], "NOTHING_TO_DRAIN", "it has ended: {refused:#}");
}
