//! The bus is a hint. Whoever may publish anything moves no route, a store that is lost loses nothing, and an edge serves
//! while everybody else is dead. The trap avoided: a forgery that fails for another reason; the same words under the right
//! key do move the route.

use async_nats::{Client, ConnectOptions, ServerAddr};
use ed25519_dalek::SigningKey;
use rhone_domain::{
    feed::{Content, Entry, Heartbeat, Message, Route, subject},
    ids::{DeploymentId, Incarnation, RegionId},
    numbers::FeedSeq,
};
use rhone_tests::{
    artifacts::Version,
    database::{administrator, uuid},
    edge,
    platform::Platform,
    report,
    sockets::Watched,
    story::{Deployed, Tenant},
    wait::{PATIENCE, until},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fs, time::SystemTime};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_publish_anything_moves_no_route() {
    let platform = Platform::shared().await;
    let (tenant, blue) = promoted(platform).await;
    let bus = full_rights(platform).await;
    let before = edge::route(platform, &tenant.production.id).await;
    assert_eq!(before["route"]["owner"]["deployment"], uuid(&blue.id).to_string(), "{before:#}");

    let forger = SigningKey::from_bytes(&[7; 32]);
    let forgeries = forged(platform, &before, &forger).await;
    let counted = counter(&edge::table(platform).await, "feed_forged");
    let region = RegionId(platform.report().ids.region);
    for message in &forgeries {
        let words = serde_json::to_vec(message).expect("a message is JSON");
        bus.publish(subject(region), words.into()).await.expect("published");
    }
    bus.publish(subject(region), "{\"type\":\"entry\"".into()).await.expect("published");
    bus.flush().await.expect("sent");

    let all = counted + forgeries.len() as u64;
    let look = async || (counter(&edge::table(platform).await, "feed_forged") >= all).then_some(());
    until("the edge has counted every forgery", PATIENCE, look).await;
    assert_eq!(edge::route(platform, &tenant.production.id).await["route"], before["route"]);
    assert_eq!(edge::version(&tenant.edge, &tenant.production.host).await.as_deref(), Some("blue"));
    let in_step = async || {
        let table = edge::table(platform).await;
        ["synced", "lagging"].contains(&table["mode"].as_str().unwrap_or_default()).then_some(())
    };
    until("the edge is in step", PATIENCE, in_step).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_bus_loses_nothing_and_only_the_key_could_forge() {
    let platform = Platform::start().await;
    let (tenant, blue) = promoted(&platform).await;
    let green = tenant.deploy(Version::Green).await;
    {
        let _supervisor = platform.unsupervised().await;
        platform.kill("nats").await;
        for store in ["jetstream", "store"] {
            let _ = fs::remove_dir_all(platform.data().join("nats").join(store));
        }
        tenant.succeeds(&tenant.promote(&green).await).await;
        edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    }
    let again = async || (platform.report().parts.get("nats")?.restarts > 0).then_some(());
    until("NATS runs again, with an empty store", PATIENCE, again).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    converged(&platform).await;

    let bus = full_rights(&platform).await;
    let route = edge::route(&platform, &tenant.production.id).await;
    let (key, before) = (feed_key(&platform), believed(&platform).await);
    // The edge repairs it within milliseconds: what it believed is seen in its counts. It may not have joined the bus yet.
    let deceived = async || {
        let words = serde_json::to_vec(&forged(&platform, &route, &key).await[0]).expect("a message is JSON");
        bus.publish(subject(RegionId(platform.report().ids.region)), words.into()).await.expect("published");
        bus.flush().await.expect("sent");
        (believed(&platform).await > before).then_some(())
    };
    until("the same words under the right key are believed", PATIENCE, deceived).await;
}

/// How often the edge met another history than its own: only words under the right key bring it there.
async fn believed(platform: &Platform) -> u64 {
    let table = edge::table(platform).await;
    ["feed_rebuild", "feed_conflict"].iter().map(|name| counter(&table, name)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_serves_while_everybody_else_is_dead() {
    let platform = Platform::start().await;
    let (tenant, _) = promoted(&platform).await;
    let _supervisor = platform.unsupervised().await;
    for part in ["serve", "work", "nats", "runner"] {
        platform.kill(part).await;
    }
    let stale = async || (edge::table(&platform).await["mode"] == "stale").then_some(());
    until("the edge knows that it hears nobody", PATIENCE, stale).await;
    assert_eq!(edge::version(&tenant.edge, &tenant.production.host).await.as_deref(), Some("blue"));
    let socket = Watched::open(&tenant.edge, &tenant.production.host).await.expect("a new socket opens");
    assert!(socket.answers().await);
    let ready = edge::get(&platform.report().urls.edge_admins[0], "localhost", "/readyz").await.expect("it tells");
    assert_eq!(ready.status, 200, "its readiness follows the table");
}

async fn promoted(platform: &Platform) -> (Tenant, Deployed) {
    let tenant = Tenant::open_draining(platform, platform.developer(), 300).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    (tenant, blue)
}

/// The user that may do everything on the bus.
async fn full_rights(platform: &Platform) -> Client {
    let url = platform.addresses().bus.url;
    let address: ServerAddr = url.parse().expect("the bus has an address");
    let (user, password) = (address.username().unwrap_or_default(), address.password().unwrap_or_default());
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    options.connect(address.clone()).await.expect("NATS takes connections")
}

/// The next entry would give the route to somebody else; a heartbeat proves a gap that is none.
async fn forged(platform: &Platform, held: &Value, key: &SigningKey) -> Vec<Message> {
    let table = edge::table(platform).await;
    let region = RegionId(platform.report().ids.region);
    let feed = (read::<Incarnation>(&table["incarnation"]), region);
    let (seq, digest) = (read::<FeedSeq>(&table["applied"]), read(&table["digest"]));
    let mut route: Route = read(&held["route"]);
    route.epoch = route.epoch.next();
    if let Some(owner) = &mut route.owner {
        owner.deployment = DeploymentId(uuid("dep_0190000000007000800000000000dead"));
    }
    let honest = Entry::signed(key, feed, (seq.next(), digest), Content::Route(route).to_text());
    let mut altered = honest.clone();
    altered.content = altered.content.replace("\"serve\"", "\"suspended\"");
    let ahead = Heartbeat::signed(key, feed, (FeedSeq(seq.0 + 1_000), digest), SystemTime::now().into());
    vec![Message::Entry(honest), Message::Entry(altered), Message::Heartbeat(ahead)]
}

/// The edge has applied all there is.
async fn converged(platform: &Platform) {
    let look = async || {
        let mut database = administrator(platform).await;
        let seq: i64 = sqlx::query_scalar("SELECT seq FROM authority.feeds WHERE region = $1")
            .bind(platform.report().ids.region)
            .fetch_one(&mut database)
            .await
            .ok()?;
        (edge::table(platform).await["applied"] == json!(seq)).then_some(())
    };
    until("the edge is at the head of the feed", PATIENCE, look).await;
}

/// The key of this platform's feed, which only its API and worker have.
fn feed_key(platform: &Platform) -> SigningKey {
    let file: Value = report::read(&platform.data().join("rhone.json")).expect("it is configured");
    let text = file["keys"]["feed"].as_str().expect("the feed has a key");
    let byte = |at: usize| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hexadecimal");
    SigningKey::from_bytes(&std::array::from_fn(byte))
}

fn counter(table: &Value, name: &str) -> u64 {
    table["counters"][name].as_u64().unwrap_or_else(|| panic!("the edge counts {name}: {}", table["counters"]))
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}
