//! The bus as a hint, with a real server: fast when it is honest, harmless when it is not. Needs `RHONE_NATS_SERVER`, the path
//! of a nats-server; without it these tests say so and end.

use crate::{
    app::App,
    control::REGION,
    world::{BLUE, GREEN, PATIENCE, PRODUCTION, World, counter, ready, route, shop, table, until},
};
use ed25519_dalek::SigningKey;
use futures_util::StreamExt as _;
use rhone_domain::{
    feed::{Content, Entry, Heartbeat, Message, subject},
    ids::{Incarnation, RegionId},
    numbers::FeedSeq,
};
use rhone_edge::{Running, Secret};
use std::net::TcpListener;
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use uuid::Uuid;

struct Bus {
    server: Child,
    port: u16,
}

impl Bus {
    /// None without a server to start.
    async fn start() -> Option<Self> {
        let Ok(binary) = std::env::var("RHONE_NATS_SERVER") else {
            eprintln!("SKIPPED: RHONE_NATS_SERVER is not set");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let mut bus = Self { server: spawn(&binary, port), port };
        until("the bus listens", async || {
            assert!(bus.server.try_wait().expect("a child").is_none(), "nats-server ended");
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Some(bus)
    }

    async fn client(&self) -> async_nats::Client {
        async_nats::connect(format!("127.0.0.1:{}", self.port)).await.expect("the bus")
    }
}

fn spawn(binary: &str, port: u16) -> Child {
    let port = port.to_string();
    Command::new(binary).args(["-a", "127.0.0.1", "-p", &port]).kill_on_drop(true).spawn().expect("nats-server")
}

/// An edge whose repair path is dead after its boot: only the bus can move it.
async fn on_bus(bus: &Bus) -> (World, App, App, Running, async_nats::Client) {
    let (mut world, blue, edge) = World::serving().await;
    edge.stop().await;
    world.config.nats_url = Some(Secret::new(format!("nats://127.0.0.1:{}", bus.port)));
    let edge = world.start().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.applied(&edge, 3).await;
    world.control.kill().await;
    let client = bus.client().await;
    // Heard at all? A word that cannot be read is counted.
    until("the bus is heard", async || {
        client.publish(subject(REGION), "hello".into()).await.expect("published");
        (counter(&edge, "feed_unread").await > 0).then_some(())
    })
    .await;
    (world, blue, green, edge, client)
}

async fn publish(client: &async_nats::Client, message: &Message) {
    let bytes = serde_json::to_vec(message).expect("JSON");
    client.publish(subject(REGION), bytes.into()).await.expect("published");
    client.flush().await.expect("flushed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_alone_moves_a_route_and_keeps_the_edge_in_step() {
    let Some(bus) = Bus::start().await else { return };
    let (world, _blue, _green, edge, client) = on_bus(&bus).await;
    let entry = world.control.append(&Content::Route(route(2, GREEN)));
    publish(&client, &Message::Entry(entry.clone())).await;
    world.applied(&edge, 4).await;
    assert_eq!(shop(&edge).await.app(), "green");
    publish(&client, &Message::Entry(entry)).await;
    until("the repetition was counted", async || (counter(&edge, "feed_duplicate").await > 0).then_some(())).await;
    publish(&client, &Message::Heartbeat(world.control.with(|plane| plane.heartbeat()))).await;
    until("it is in step", async || (table(&edge).await["mode"] == "synced").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_bus_moves_no_route() {
    let Some(bus) = Bus::start().await else { return };
    let (world, _blue, _green, edge, client) = on_bus(&bus).await;
    let wicked = SigningKey::from_bytes(&[66; 32]);
    let content = Content::Route(route(9, GREEN));
    let honest = world.control.with(|plane| plane.entry(&plane.key, &content));
    let (forged, another_life, heartbeat) = world.control.with(|plane| {
        let life = (Incarnation(Uuid::from_u128(0x99)), REGION);
        let forged = plane.entry(&wicked, &content);
        let another = Entry::signed(&plane.key, life, (honest.seq, honest.prev), honest.content.clone());
        let at = crate::control::now();
        (forged, another, Heartbeat::signed(&wicked, (plane.incarnation, REGION), (FeedSeq(900), honest.digest), at))
    });
    let changed = Entry { content: honest.content.replace("\"epoch\":9", "\"epoch\":8"), ..honest.clone() };
    for message in [
        Message::Entry(forged),
        Message::Entry(changed),
        Message::Heartbeat(heartbeat),
        // Signed by the right key, but a new life comes from the endpoint or not at all.
        Message::Entry(another_life),
    ] {
        publish(&client, &message).await;
    }
    until("all were judged", async || {
        (counter(&edge, "feed_forged").await >= 3 && counter(&edge, "feed_rebuild").await >= 1).then_some(())
    })
    .await;
    let reply = shop(&edge).await;
    assert_eq!((reply.app().as_str(), reply.header("rhone-epoch")), ("blue", "1"));
    assert_eq!(table(&edge).await["applied"], 3);
    publish(&client, &Message::Entry(honest)).await;
    until("the honest one moves it", async || (shop(&edge).await.app() == "green").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_event_bus_as_database_what_the_bus_lost_is_fetched() {
    let Some(bus) = Bus::start().await else { return };
    let (world, _blue, _green, edge, client) = on_bus(&bus).await;
    world.control.append(&Content::Route(route(2, BLUE)));
    let last = world.control.append(&Content::Route(route(3, GREEN)));
    publish(&client, &Message::Entry(last)).await;
    until("the gap is seen", async || (table(&edge).await["mode"] == "gap").then_some(())).await;
    assert_eq!(shop(&edge).await.app(), "blue");
    world.control.revive().await;
    world.applied(&edge, 5).await;
    assert_eq!(shop(&edge).await.app(), "green");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_died_and_came_back_is_heard_again() {
    let Some(mut bus) = Bus::start().await else { return };
    let (world, _blue, _green, edge, _client) = on_bus(&bus).await;
    bus.server.kill().await.expect("killed");
    assert_eq!(shop(&edge).await.app(), "blue", "nobody misses it");
    bus.server = spawn(&std::env::var("RHONE_NATS_SERVER").expect("set"), bus.port);
    let entry = world.control.append(&Content::Route(route(2, GREEN)));
    let client =
        until("the bus is back", async || async_nats::connect(format!("127.0.0.1:{}", bus.port)).await.ok()).await;
    until("it is heard again", async || {
        publish(&client, &Message::Entry(entry.clone())).await;
        (shop(&edge).await.app() == "green").then_some(())
    })
    .await;
    assert_eq!(shop(&edge).await.header("rhone-epoch"), "2");
}

/// An edge is away while the bus tells of a new owner, and nobody repeats it. What it remembers is how far it came, on its own
/// disk; from there it asks. The sin, committed beside it: a subscriber that takes silence for the news that there is none.
#[tokio::test(flavor = "multi_thread")]
async fn trap_assuming_all_subscribers_are_always_online() {
    let Some(bus) = Bus::start().await else { return };
    let (world, _blue, _green, edge, client) = on_bus(&bus).await;
    edge.stop().await;
    let entry = world.control.append(&Content::Route(route(2, GREEN)));
    publish(&client, &Message::Entry(entry)).await;
    world.control.revive().await;
    // On the connection of whoever publishes, whose words the bus takes in their order: after the owner, and before the last.
    let mut assumes_it_was_online = client.subscribe(subject(REGION)).await.expect("subscribed");
    let edge = world.start().await;
    world.applied(&edge, 4).await;
    assert_eq!(shop(&edge).await.app(), "green", "it was away, and knows");
    // A word after all that was said before: whatever the bus had to say to the sinner has come by then.
    client.publish(subject(REGION), "last".into()).await.expect("published");
    let heard = timeout(PATIENCE, assumes_it_was_online.next()).await.expect("the last comes").expect("the bus lives");
    assert_eq!(heard.payload, "last", "the sin is caught: it heard of no new owner");
}

/// The bus holds the whole history, rightly signed, and the authority is away. An edge that knows nothing takes no life of the
/// feed from the bus: it serves nobody until the authority has spoken. The sin, committed beside it: whoever folds what the bus
/// holds believes an owner that the authority has long replaced.
#[tokio::test(flavor = "multi_thread")]
async fn trap_treating_the_event_stream_as_the_authoritative_database() {
    let Some(bus) = Bus::start().await else { return };
    let (world, _blue, _green, edge, client) = on_bus(&bus).await;
    edge.stop().await;
    let held_by_the_bus = [route(2, GREEN), route(3, BLUE)].map(|route| world.control.append(&Content::Route(route)));
    let committed = world.control.append(&Content::Route(route(4, GREEN)));
    std::fs::remove_dir_all(world.folder.path()).expect("its disk is lost");
    std::fs::create_dir(world.folder.path()).expect("a new one");
    let edge = world.start().await;
    // What is of another region is counted: when it is for the second time, all that was said in between has been heard.
    let elsewhere = Entry { region: RegionId(Uuid::from_u128(0xe15e)), ..committed.clone() };
    until("the bus is heard", async || {
        for entry in held_by_the_bus.iter().chain([&elsewhere]) {
            publish(&client, &Message::Entry(entry.clone())).await;
        }
        (counter(&edge, "feed_foreign").await > 1).then_some(())
    })
    .await;
    assert_eq!(table(&edge).await["applied"], 0, "nothing of the bus is truth");
    assert_eq!(shop(&edge).await.status, 503, "nobody is served");
    world.control.revive().await;
    world.applied(&edge, committed.seq.0).await;
    assert_eq!(shop(&edge).await.app(), "green");
    let believes_the_bus = |entries: &[Entry]| match serde_json::from_str(&entries.last()?.content) {
        Ok(Content::Route(route)) => Some(route.owner?.deployment),
        Ok(Content::Allocation(_)) | Err(_) => None,
    };
    assert_eq!(believes_the_bus(&held_by_the_bus), Some(BLUE), "the sin is caught: it sends them to a former owner");
}
