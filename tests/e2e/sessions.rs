//! A thousand sessions live through the promotion of a second commit: none of their sockets closes before the drain's deadline, whoever comes anew is
//! the new owner's, no request fails, and at the deadline each is closed with 1012 at a moment of its own, counted. The traps
//! avoided: sessions that are said to move, and a crowd that comes back in one instant.

mod page;

use chrono::{DateTime, FixedOffset};
use futures_util::{StreamExt as _, stream};
use rhone_tests::{
    artifacts::Version,
    edge,
    platform::Platform,
    repository::Repository,
    sockets::{Watched, all_answer, ended},
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

const SOCKETS: usize = 1_000;

/// How long the former owner's sockets may stay, by the environment's own policy: long enough to be looked at, on any machine. They
/// are all asked in some seconds.
const DRAIN: u64 = 90;

/// A commit of this version, as a release that its preview shows.
async fn committed(tenant: &Tenant, repository: &Repository, version: Version) -> Deployed {
    let commit = repository.commit_example(version);
    let input = json!({ "environmentId": tenant.preview.id, "repository": repository.address(), "reference": commit });
    let operation = text(&tenant.client.done("deploymentBuild", "__typename", input).await["operation"]["id"]);
    tenant.succeeds(&operation).await;
    let query = "query($id: ID!) { operation(id: $id) { deploy { deploymentId built { digest } promotion { id } } } }";
    let made = tenant.client.data(query, json!({ "id": operation })).await["operation"]["deploy"].clone();
    tenant.succeeds(&text(&made["promotion"]["id"])).await;
    edge::serves(&tenant.edge, &tenant.preview.host, version.name()).await;
    Deployed { id: text(&made["deploymentId"]), digest: text(&made["built"]["digest"]), operation }
}

async fn open(tenant: &Tenant, count: usize) -> Vec<Watched> {
    let opening = stream::iter(0..count).map(|_| Watched::open(&tenant.edge, &tenant.production.host));
    opening.buffer_unordered(16).map(|socket| socket.expect("a socket opens")).collect().await
}

/// Asks without pause until it is told to stop; how many were answered, and which failed.
async fn ask(tenant: &Tenant, over: &AtomicBool, asked: &AtomicU64) -> Vec<String> {
    let mut failed = Vec::new();
    while !over.load(Ordering::SeqCst) {
        match edge::get(&tenant.edge, &tenant.production.host, "/sessions").await {
            Some(reply) if reply.status == 200 => drop(asked.fetch_add(1, Ordering::SeqCst)),
            other => failed.push(format!("{other:?}")),
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sockets_outlive_a_promotion_and_end_one_by_one_at_the_deadline() {
    let platform = Platform::start().await;
    let tenant = Tenant::open_draining(&platform, platform.developer(), u32::try_from(DRAIN).expect("a few")).await;
    let repository = Repository::of_the_example();
    let blue = committed(&tenant, &repository, Version::Blue).await;
    let green = committed(&tenant, &repository, Version::Green).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let sockets = open(&tenant, SOCKETS).await;
    assert!(sockets.iter().all(|socket| socket.greeting["version"] == "blue"));
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let story = async {
        tenant.succeeds(&tenant.promote(&green).await).await;
        let deadline = deadline(&tenant).await;
        edge::serves(&tenant.edge, &tenant.production.host, "green").await;
        let newcomers = open(&tenant, 50).await;
        assert!(newcomers.iter().all(|socket| socket.greeting["version"] == "green"), "whoever comes anew is green's");
        assert_eq!(ended(&sockets), 0, "sockets that a promotion closed");
        all_answer(&sockets, "after the promotion").await;
        let patience = Duration::from_secs(DRAIN) + PATIENCE;
        until("every socket of the former owner has ended", patience, async || {
            (ended(&sockets) == SOCKETS).then_some(())
        })
        .await;
        over.store(true, Ordering::SeqCst);
        assert_eq!(ended(&newcomers), 0, "sockets of the new owner");
        deadline
    };
    let (deadline, failed) = tokio::join!(story, ask(&tenant, &over, &asked));
    assert_eq!(failed, Vec::<String>::new(), "requests that failed, of {}", asked.load(Ordering::SeqCst));
    assert!(asked.load(Ordering::SeqCst) > 100, "somebody asked all the while");
    let ends: Vec<_> = sockets.iter().map(|socket| socket.end().expect("it has ended")).collect();
    let codes = ends.iter().filter(|end| end.code == Some(1012)).count();
    assert_eq!(codes, SOCKETS, "sockets that were closed with 1012");
    let first = ends.iter().map(|end| end.at).min().expect("a thousand");
    let last = ends.iter().map(|end| end.at).max().expect("a thousand");
    assert!(first >= deadline, "the first ended {:?} before the deadline that is on record", deadline - first);
    assert!(last - first > Duration::from_secs(1), "they all ended within {:?}", last - first);
    eprintln!(
        "{SOCKETS} sockets: 0 closed before the deadline, then all with 1012 within {:?}; the last {:?} after it; {} \
         requests, 0 failed",
        last - first,
        last - deadline,
        asked.load(Ordering::SeqCst)
    );
    counted(&platform).await;
    recorded(&tenant).await;
}

/// Until when the former owner's sockets may stay.
async fn deadline(tenant: &Tenant) -> Instant {
    let said: SystemTime = deadline_on_record(tenant).await.into();
    Instant::now() + said.duration_since(SystemTime::now()).expect("it is to come")
}

/// The same as the route says it.
async fn deadline_on_record(tenant: &Tenant) -> DateTime<FixedOffset> {
    let query = "query($id: ID!) { environment(id: $id) { routeOwner { drain { deadline } } } }";
    let seen = tenant.client.data(query, json!({ "id": tenant.production.id })).await;
    let said = text(&seen["environment"]["routeOwner"]["drain"]["deadline"]);
    DateTime::parse_from_rfc3339(&said).expect("a time")
}

/// The edge says how many it closed.
async fn counted(platform: &Platform) {
    let admin = platform.report().urls.edge_admins[0].clone();
    let look = async || {
        let metrics =
            rhone_tests::graphql::http().get(format!("{admin}/metrics")).send().await.ok()?.text().await.ok()?;
        let line = metrics.lines().find(|line| line.starts_with("rhone_edge_sockets_closed_1012"))?.to_owned();
        (line.rsplit(' ').next()?.parse::<f64>().ok()? >= 1_000.0).then_some(())
    };
    until("the edge has counted every close", PATIENCE, look).await;
}

/// The log says so, too: of which allocation, at which deadline, and how many altogether.
async fn recorded(tenant: &Tenant) {
    let query = "query($app: ID!, $production: ID!) { \
        app(id: $app) { timeline(last: 1, filter: { types: [\"allocation.sessions_closed\"] }) { nodes { payload summary } } } \
        environment(id: $production) { allocations(ended: true) { sessionsClosed } } }";
    let variables = json!({ "app": tenant.app, "production": tenant.production.id });
    let look = async || {
        let seen = tenant.client.data(query, variables.clone()).await;
        let told = seen["app"]["timeline"]["nodes"].as_array()?.last()?.clone();
        let closed =
            seen["environment"]["allocations"].as_array()?.iter().filter_map(|one| one["sessionsClosed"].as_u64());
        (closed.sum::<u64>() == SOCKETS as u64).then_some(told)
    };
    let told = until("what was closed is on record", PATIENCE, look).await;
    assert!(text(&told["summary"]).contains("sessions"), "{told:#}");
    assert!(told["payload"]["deadline"].is_string(), "{told:#}");
}
