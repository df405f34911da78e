//! Scenario 1: two promotions race from the same epoch. One owner comes of it; the loser is told what it expected and what was
//! so, by its operation and by the timeline. The trap avoided: a race that the second one quietly wins.

use rhone_tests::{
    artifacts::Version,
    edge,
    graphql::unique,
    platform::Platform,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_promotions_from_the_same_epoch_one_wins_and_the_other_is_told_why() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let epoch = tenant.owner().await["epoch"].as_u64().expect("a route has an epoch");

    let (first, second) = tokio::join!(ask(&tenant, &blue, epoch), ask(&tenant, &green, epoch));
    let ends = [tenant.ends(&first).await, tenant.ends(&second).await];
    let won = ends.iter().filter(|end| end["stage"] == "HEALTHY").collect::<Vec<_>>();
    let lost = ends.iter().filter(|end| end["stage"] == "FAILED").collect::<Vec<_>>();
    let ([won], [lost]) = (&won[..], &lost[..]) else { panic!("one wins, one loses: {ends:#?}") };

    let failure = json!({ "code": "STALE_EPOCH", "expected": epoch.to_string(), "actual": (epoch + 1).to_string(), "routeChanged": false });
    for (what, wanted) in failure.as_object().expect("it is one") {
        assert_eq!(&lost["failure"][what], wanted, "{lost:#}");
    }
    let owner = tenant.owner().await;
    assert_eq!((&owner["epoch"], &owner["operationId"]), (&json!(epoch + 1), &won["id"]), "{owner:#}");
    let (winner, digest) = if owner["deploymentId"] == blue.id.as_str() { ("blue", &blue) } else { ("green", &green) };
    assert_eq!(owner["artifactDigest"], digest.digest.as_str());
    edge::serves(&tenant.edge, &tenant.production.host, winner).await;
    the_timeline_explains(&tenant, won, lost).await;
}

async fn ask(tenant: &Tenant, deployed: &Deployed, epoch: u64) -> String {
    let input = json!({ "deploymentId": deployed.id, "environmentId": tenant.production.id,
        "expectedRouteEpoch": epoch, "idempotencyKey": unique("race") });
    text(&tenant.client.done("deploymentPromote", "__typename", input).await["operation"]["id"])
}

/// Who lost, and why, without a look at a log file.
async fn the_timeline_explains(tenant: &Tenant, won: &Value, lost: &Value) {
    let of = |entries: &[Value], operation: &Value, kind: &str| {
        let mut all = entries.iter().filter(|entry| entry["type"] == kind);
        let stream = format!("operation:{}", rhone_tests::database::uuid(&text(operation)));
        all.find(|entry| entry["stream"] == stream.as_str()).cloned()
    };
    let look = async || of(&tenant.timeline(None).await, &lost["id"], "operation.failed");
    let failed = until("the timeline tells of the loser", PATIENCE, look).await;
    assert_eq!(failed["payload"]["code"], "STALE_EPOCH", "{failed:#}");
    assert!(text(&failed["summary"]).contains("expected epoch"), "{failed:#}");
    let entries = tenant.timeline(None).await;
    let moved = entries.iter().filter(|entry| entry["type"] == "route_owner.promoted").count();
    // The preview shows both; production was given away once.
    assert_eq!(moved, 3, "{entries:#?}");
    assert!(of(&entries, &won["id"], "operation.failed").is_none());
}
