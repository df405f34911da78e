//! What `healthy` means with several edges: every edge that lives has served it. The trap avoided: a promotion that is
//! called healthy because one edge was quick.

use rhone_tests::{
    artifacts::Version,
    edge,
    platform::Platform,
    signals::Paused,
    story::{Deployed, Tenant},
    wait::{PATIENCE, until},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthy_waits_for_every_live_edge_and_is_never_said_without_one() {
    let platform = Platform::start_with(&["--edges", "2"]).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    live_edges(&platform, 2).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let first = tenant.succeeds(&tenant.promote(&blue).await).await;
    assert_eq!(first["edges"].as_array().map(Vec::len), Some(2), "{first:#}");

    it_waits_for_an_edge_that_is_slow(&platform, &tenant, &green).await;
    without_an_edge_nothing_is_healthy(&platform, &tenant, &blue).await;
}

async fn it_waits_for_an_edge_that_is_slow(platform: &Platform, tenant: &Tenant, green: &Deployed) {
    let slow = Paused::new(platform.pid("edge-2"));
    let operation = tenant.promote(green).await;
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    let meanwhile = tenant.operation(&operation).await.expect("the API answers");
    assert_eq!(meanwhile["ended"], false, "one edge of two is not enough: {meanwhile:#}");
    drop(slow);
    let ended = tenant.succeeds(&operation).await;
    assert_eq!(ended["edges"].as_array().map(Vec::len), Some(2), "{ended:#}");
    edge::serves(&platform.report().urls.edges[1], &tenant.production.host, "green").await;
}

/// That it fails at its deadline, two minutes later, is proved where time is told and not waited for.
async fn without_an_edge_nothing_is_healthy(platform: &Platform, tenant: &Tenant, blue: &Deployed) {
    let supervisor = platform.unsupervised();
    for edge in ["edge-1", "edge-2"] {
        platform.kill(edge).await;
    }
    live_edges(platform, 0).await;
    let operation = tenant.promote(blue).await;
    let changed = async || (tenant.owner().await["deploymentId"] == blue.id.as_str()).then_some(());
    until("the route has changed", PATIENCE, changed).await;
    let meanwhile = tenant.operation(&operation).await.expect("the API answers");
    assert_eq!(
        (&meanwhile["ended"], &meanwhile["stage"]),
        (&json!(false), &json!("EDGE_PROPAGATING")),
        "{meanwhile:#}"
    );
    drop(supervisor);
    tenant.succeeds(&operation).await;
}

async fn live_edges(platform: &Platform, wanted: usize) {
    let region = platform.report().ids.region.simple();
    let query = "query($id: ID!) { node(id: $id) { ... on Region { liveEdges { edge mode } } } }";
    let developer = platform.developer();
    let look = async || {
        let data = developer.data(query, json!({ "id": format!("reg_{region}") })).await;
        (data["node"]["liveEdges"].as_array()?.len() == wanted).then_some(())
    };
    until(&format!("{wanted} edges are live"), PATIENCE, look).await;
}
