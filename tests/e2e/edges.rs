//! What `healthy` means with several edges: every edge that lives has served it. The trap avoided: a promotion that is
//! called healthy because one edge was quick.

use rhone_domain::promotion::EDGE_LIVE;
use rhone_tests::{
    artifacts::Version,
    edge,
    platform::Platform,
    signals::Paused,
    story::{Deployed, Tenant},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::time::{Duration, Instant};

/// An edge reports once a second; a report may be on its way for as long again.
const REPORTED: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthy_waits_for_every_live_edge_and_is_never_said_without_one() {
    let platform = Platform::start_with(&["--edges", "2"]).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    live_edges(&platform, 2).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let first = tenant.succeeds(&tenant.promote(&blue).await).await;
    assert_eq!(first["edges"].as_array().map(Vec::len), Some(2), "{first:#}");

    let mut other = &blue;
    for (nth, (next, version, former)) in
        [(&green, "green", &blue), (&blue, "blue", &green)].into_iter().cycle().enumerate()
    {
        assert!(nth < 8, "the machine is too busy to say anything");
        other = former;
        if it_waits_for_an_edge_that_is_slow(&platform, &tenant, next, version).await.is_some() {
            break;
        }
        live_edges(&platform, 2).await;
    }
    without_an_edge_nothing_is_healthy(&platform, &tenant, other).await;
}

/// None where the machine was so busy that the slow edge may have been held for dead before anybody looked: then nothing need
/// have waited for it, and it is tried again.
async fn it_waits_for_an_edge_that_is_slow(
    platform: &Platform,
    tenant: &Tenant,
    next: &Deployed,
    version: &str,
) -> Option<()> {
    let began = Instant::now();
    let slow = Paused::new(platform.pid("edge-2"));
    let operation = tenant.promote(next).await;
    edge::serves(&tenant.edge, &tenant.production.host, version).await;
    let meanwhile = tenant.operation(&operation).await.expect("the API answers");
    let is_held_alive = began.elapsed() + REPORTED < EDGE_LIVE.to_std().expect("it is positive");
    drop(slow);
    let ended = tenant.succeeds(&operation).await;
    if !is_held_alive {
        return None;
    }
    assert_eq!(meanwhile["ended"], false, "one edge of two is not enough: {meanwhile:#}");
    assert_eq!(ended["edges"].as_array().map(Vec::len), Some(2), "{ended:#}");
    edge::serves(&platform.report().urls.edges[1], &tenant.production.host, version).await;
    Some(())
}

/// That it fails at its deadline, two minutes later, is proved where time is told and not waited for.
async fn without_an_edge_nothing_is_healthy(platform: &Platform, tenant: &Tenant, next: &Deployed) {
    let supervisor = platform.unsupervised().await;
    for edge in ["edge-1", "edge-2"] {
        platform.kill(edge).await;
    }
    live_edges(platform, 0).await;
    let operation = tenant.promote(next).await;
    let changed = async || (tenant.owner().await["deploymentId"] == next.id.as_str()).then_some(());
    until("the route has changed", PATIENCE, changed).await;
    let propagating = async || {
        let meanwhile = tenant.operation(&operation).await?;
        assert_eq!(meanwhile["ended"], false, "{meanwhile:#}");
        (meanwhile["stage"] == "EDGE_PROPAGATING").then_some(())
    };
    until("it waits for an edge", PATIENCE, propagating).await;
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
