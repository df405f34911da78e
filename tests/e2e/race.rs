//! Scenario 1: two promotions race from the same epoch. One owner comes of it; the loser is told what it expected and what was
//! so, by its operation and by the timeline. The trap avoided: a race that the second one quietly wins.

use rhone_tests::{
    artifacts::{Version, push_as_never_before},
    edge,
    graphql::{http, unique},
    platform::Platform,
    program,
    proxy::Proxy,
    signals::Paused,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

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
        "expectedRouteEpoch": epoch, "idempotencyKey": unique("race"),
        "acknowledgements": [{ "gate": "vango_state", "reason": "the tests go back and forth" }] });
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

/// The loser's worker has the new owner in its hands: its append is on the wire while the other promotion wins, and so it is
/// paused. Nothing is invented: the lease runs out, another worker adopts the operation, and the first one's append arrives when
/// everything is decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_losers_worker_says_too_late_is_put_on_record_and_changes_nothing() {
    let platform = Platform::start().await;
    let tenant = Tenant::open_draining(&platform, platform.developer(), 900).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let digest = push_as_never_before(&tenant.client, &tenant.workspace, Version::Green).await;
    let late = tenant.deploy_bytes(digest, Version::Green).await;
    // Blue has owned it and is kept for a while, so that the winner is quicker than the loser's deadline.
    tenant.succeeds(&tenant.promote(&blue).await).await;
    tenant.succeeds(&tenant.promote(&green).await).await;
    let epoch = tenant.owner().await["epoch"].as_u64().expect("a route has an epoch");

    let supervisor = platform.unsupervised().await;
    let old = platform.kill("work").await;
    let slow = Slow::start(&platform).await;
    let lost = ask(&tenant, &late, epoch).await;
    let held = async || slow.proxy.has_heard().then_some(());
    until("the loser's worker changes the route, and is held on the wire", PATIENCE, held).await;
    drop(supervisor);
    platform.runs_again("work", old).await;
    // Until it is paused the loser's worker keeps its lease, however long this takes.
    let won = tenant.succeeds(&ask(&tenant, &blue, epoch).await).await;
    let paused = Paused::new(slow.process.id());
    let lost = tenant.ends(&lost).await;
    let failure = &lost["failure"];
    assert_eq!(
        (&failure["code"], &failure["expected"], &failure["actual"], &failure["routeChanged"]),
        (&json!("STALE_EPOCH"), &json!(epoch.to_string()), &json!((epoch + 1).to_string()), &json!(false)),
        "{lost:#}"
    );
    let before = (tenant.owner().await, tenant.operation(&text(&lost["id"])).await);

    slow.proxy.let_go();
    drop(paused);
    let told = the_late_report(&tenant, &lost["id"]).await;
    assert_eq!(told["payload"]["report"], "change the route", "{told:#}");
    assert!(text(&told["summary"]).contains("late"), "{told:#}");
    let query = "query($id: ID!) { app(id: $id) { timeline(first: 5, filter: { kind: LATE_EVIDENCE }) { nodes { eventId kind \
        lateEvidence { attempt report } operation { id } } } } }";
    let late = tenant.client.data(query, json!({ "id": tenant.app })).await["app"]["timeline"]["nodes"].clone();
    assert_eq!((&late[0]["eventId"], &late[0]["operation"]["id"]), (&told["eventId"], &lost["id"]), "{late:#}");
    assert_eq!(late[0]["lateEvidence"]["report"], "change the route", "shown as what it is");
    let after = (tenant.owner().await, tenant.operation(&text(&lost["id"])).await);
    assert_eq!(after, before, "evidence, and nothing but evidence");
    assert_eq!((&after.0["epoch"], &after.0["operationId"]), (&json!(epoch + 1), &won["id"]));
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let entries = tenant.timeline(None).await;
    let moved = entries.iter().filter(|entry| entry["type"] == "route_owner.promoted").count();
    assert_eq!(moved, 6, "three in the preview, three in production, and none of them late");
}

async fn the_late_report(tenant: &Tenant, operation: &Value) -> Value {
    let stream = format!("operation:{}", rhone_tests::database::uuid(&text(operation)));
    let look = async || {
        let entries = tenant.timeline(None).await;
        let late =
            |entry: &Value| entry["type"] == "operation.late_report_recorded" && entry["stream"] == stream.as_str();
        entries.into_iter().find(late)
    };
    until("the timeline tells of the late report", PATIENCE, look).await
}

/// A worker with a wire of its own to the database.
struct Slow {
    proxy: Proxy,
    process: Child,
}

impl Slow {
    async fn start(platform: &Platform) -> Self {
        let direct = platform.addresses().database.worker_url;
        let place = direct.split(['@', '/']).nth(3).expect("a URL names a server").to_owned();
        let proxy = Proxy::holding(place.clone(), "route_owner.promoted").await;
        let admin = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free");
        let process = Command::new(program::path("rhone"))
            .arg("--data")
            .arg(platform.data())
            .arg("work")
            .env("RHONE_WORK_ADMIN", admin.to_string())
            .env("RHONE_DATABASE_WORKER_URL", direct.replace(&place, &proxy.address.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a worker starts");
        let slow = Self { proxy, process };
        let ready = async || {
            http().get(format!("http://{admin}/readyz")).send().await.ok()?.status().is_success().then_some(())
        };
        until("the worker works", PATIENCE, ready).await;
        slow
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
