//! Requests to an app that sleeps: what is held and sent on once, what is told to come back, and that however many ask, the
//! control plane is asked once.

use crate::{
    app::App,
    client::{Reply, get, raw, request, send, socket},
    world::{BLUE, GREEN, PATIENCE, PRODUCTION, SHOP, World, counter, ready, route, shop, table, until},
};
use chrono::TimeDelta;
use hyper::{Method, StatusCode};
use rhone_domain::{
    edge_status::Activity,
    feed::{Content, EndpointState, Owner, Posture, Route},
    numbers::{Epoch, Revision, SleepGeneration},
    wake::{Ask, ReplayContract},
};
use rhone_edge::{HoldBudget, Running};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SLEEP: SleepGeneration = SleepGeneration(1);

fn promising(revision: u64, posture: Posture) -> Content {
    let replay = ReplayContract::read(vec!["POST /webhooks/...".into()], None).expect("a contract");
    let route = route(1, BLUE);
    let owner = route.owner.clone().map(|owner| Owner { replay: Some(replay), ..owner });
    Content::Route(Route { revision: Revision(revision), posture, owner, ..route })
}

fn asleep(revision: u64, generation: u64) -> Content {
    promising(revision, Posture::Asleep { generation: SleepGeneration(generation), retry_at: None })
}

/// An edge whose shop sleeps; its app is not told of yet.
async fn sleeping(change: impl FnOnce(&mut World)) -> (World, App, Running) {
    let mut world = World::new().await;
    change(&mut world);
    let blue = App::start("blue", 0xa1, PRODUCTION, BLUE).await;
    world.control.append(&asleep(1, 1));
    let edge = world.start().await;
    world.applied(&edge, 1).await;
    (world, blue, edge)
}

fn wakes(world: &World) -> Vec<Ask> {
    world.control.with(|plane| plane.wakes.clone())
}

async fn asked(world: &World) -> Ask {
    until("the control plane is asked", async || wakes(world).first().copied()).await
}

fn awake(world: &World, blue: &App) {
    world.control.append(&ready(blue));
    world.control.append(&promising(2, Posture::Serve));
}

async fn held(edge: &Running, count: u64) {
    until("they are held", async || (table(edge).await["held"] == count).then_some(())).await;
}

fn webhook(path: &str, key: Option<&str>) -> hyper::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = request(Method::POST, SHOP, path, "{\"type\":\"charge.succeeded\"}");
    if let Some(key) = key {
        request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
    }
    request
}

fn told_to_come_back(reply: &Reply, reason: &str) {
    assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, reason));
    assert!(reply.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(reply.header("rhone-request-dispatched"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_held_wakes_the_app_and_is_answered_by_it() {
    let (world, blue, edge) = sleeping(|_| {}).await;
    let address = edge.address;
    let waiting = tokio::spawn(async move { get(address, SHOP, "/cart").await });
    let ask = asked(&world).await;
    assert_eq!(ask, Ask { environment: PRODUCTION, epoch: Epoch(1), sleep_generation: SLEEP });
    held(&edge, 1).await;
    // A ready allocation is not an awake app: cold allocation never counted as hot.
    world.control.append(&ready(&blue));
    world.applied(&edge, 2).await;
    assert!(blue.seen().is_empty());
    world.control.append(&promising(2, Posture::Serve));
    let reply = waiting.await.expect("an answer");
    assert_eq!((reply.status, reply.app().as_str()), (StatusCode::OK, "blue"));
    assert_eq!(blue.seen(), ["GET /cart"]);
    held(&edge, 0).await;
    assert_eq!(shop(&edge).await.app(), "blue");
    assert_eq!(wakes(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_wake_replay_a_payment_webhook_while_cold_is_never_held_without_contract_and_key() {
    let (world, blue, edge) = sleeping(|_| {}).await;
    told_to_come_back(&send(edge.address, webhook("/webhooks/stripe", None)).await, "asleep-without-key");
    told_to_come_back(&send(edge.address, webhook("/pay", Some("evt_1"))).await, "asleep");
    told_to_come_back(&send(edge.address, webhook("/webhooks/../pay", Some("evt_1"))).await, "asleep");
    let put = request(Method::PUT, SHOP, "/webhooks/stripe", "x");
    told_to_come_back(&send(edge.address, put).await, "asleep");
    // Nothing of the body is read: an expected "continue" never comes.
    let head = format!("POST /pay HTTP/1.1\r\nhost: {SHOP}\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n");
    let answer = raw(edge.address, &head).await;
    assert!(answer.starts_with("HTTP/1.1 503") && !answer.contains("100 Continue"), "{answer}");
    asked(&world).await;
    awake(&world, &blue);
    world.applied(&edge, 3).await;
    assert!(blue.seen().is_empty(), "nothing was replayed");
    assert_eq!(send(edge.address, webhook("/pay", None)).await.app(), "blue", "sent again by its sender");
    assert_eq!(blue.seen(), ["POST /pay"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_under_contract_and_key_is_held_and_delivered_once() {
    let (world, blue, edge) = sleeping(|_| {}).await;
    let address = edge.address;
    let waiting = tokio::spawn(async move { send(address, webhook("/webhooks/stripe", Some("evt_1"))).await });
    asked(&world).await;
    held(&edge, 1).await;
    awake(&world, &blue);
    let reply = waiting.await.expect("an answer");
    assert_eq!(
        (reply.status, reply.json()["body"].as_str()),
        (StatusCode::OK, Some("{\"type\":\"charge.succeeded\"}"))
    );
    assert_eq!(blue.seen(), ["POST /webhooks/stripe"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_is_sent_on_at_most_once() {
    let (world, blue, edge) = sleeping(|_| {}).await;
    blue.behave(|b| b.hang_up = 1);
    let address = edge.address;
    let waiting = tokio::spawn(async move { get(address, SHOP, "/cart").await });
    asked(&world).await;
    awake(&world, &blue);
    let reply = waiting.await.expect("an answer");
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "the app hung up; only the sender may try again");
    assert_eq!(reply.header("rhone-request-dispatched"), "maybe");
    assert_eq!(blue.seen(), ["GET /cart"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_handshake_is_held_and_opened_once() {
    let (world, blue, edge) = sleeping(|_| {}).await;
    let address = edge.address;
    let waiting = tokio::spawn(async move { socket(address, SHOP).await.map(drop) });
    asked(&world).await;
    held(&edge, 1).await;
    awake(&world, &blue);
    waiting.await.expect("no panic").expect("a socket");
    assert_eq!(blue.seen(), ["GET /_vango/ws"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wake_stampede_a_thousand_requests_are_one_question_and_the_budget_holds() {
    let budget = HoldBudget { per_environment: 400, ..HoldBudget::default() };
    let held_for_long = |world: &mut World| {
        world.config.holds = budget;
        world.config.timing.hold = PATIENCE;
    };
    let (world, blue, edge) = sleeping(held_for_long).await;
    let address = edge.address;
    let mut crowd = JoinSet::new();
    for n in 0..1_000 {
        crowd.spawn(async move { get(address, SHOP, &format!("/{n}")).await });
    }
    held(&edge, 400).await;
    until("the others were told", async || (counter(&edge, "holds_refused").await == 600).then_some(())).await;
    awake(&world, &blue);
    let (mut served, mut told) = (0, 0);
    while let Some(reply) = crowd.join_next().await {
        let reply = reply.expect("an answer");
        if reply.status == StatusCode::OK {
            served += 1;
        } else {
            told_to_come_back(&reply, "hold-budget");
            told += 1;
        }
    }
    assert_eq!((served, told, blue.seen().len()), (400, 600, 400));
    assert_eq!(wakes(&world).len(), 1, "one question");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_wake_frees_the_held_and_is_left_alone() {
    let (world, _blue, edge) = sleeping(|_| {}).await;
    let address = edge.address;
    let waiting = tokio::spawn(async move { get(address, SHOP, "/").await });
    asked(&world).await;
    let (failed, retry_at) = (Instant::now(), Some(crate::control::now() + TimeDelta::seconds(60)));
    world.control.append(&promising(2, Posture::Asleep { generation: SleepGeneration(2), retry_at }));
    told_to_come_back(&waiting.await.expect("an answer"), "wake-failed");
    let reply = shop(&edge).await;
    told_to_come_back(&reply, "wake-failed");
    let left = 59_u64.saturating_sub(failed.elapsed().as_secs());
    assert!((left..=61).contains(&reply.header("retry-after").parse::<u64>().expect("seconds")));
    assert_eq!(wakes(&world).len(), 1, "nobody asks before the time has come");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_timeout_and_wake_budget_end_in_503() {
    let (world, blue, edge) = sleeping(|world| world.config.timing.hold = Duration::from_secs(3)).await;
    told_to_come_back(&shop(&edge).await, "wake-timeout");
    world.control.with(|plane| plane.wake_answer = StatusCode::SERVICE_UNAVAILABLE);
    world.control.append(&asleep(2, 2));
    world.applied(&edge, 2).await;
    told_to_come_back(&shop(&edge).await, "wake-budget");
    told_to_come_back(&shop(&edge).await, "wake-budget");
    assert_eq!(wakes(&world).len(), 2, "not asked again before its time");
    assert!(blue.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_route_epoch_asks_for_nothing_once_the_route_has_moved() {
    let (world, blue, edge) = sleeping(|_| {}).await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    let address = edge.address;
    let reading = tokio::spawn(async move { get(address, SHOP, "/").await });
    let paying = tokio::spawn(async move { send(address, webhook("/webhooks/stripe", Some("evt_1"))).await });
    held(&edge, 2).await;
    world.control.append(&Content::Allocation(green.endpoint(1, EndpointState::Ready)));
    world.control.append(&Content::Route(route(2, GREEN)));
    assert_eq!(reading.await.expect("an answer").app(), "green", "a read goes to whoever owns the route by then");
    told_to_come_back(&paying.await.expect("an answer"), "asleep");
    assert!(blue.seen().is_empty());
    assert_eq!(green.seen(), ["GET /"], "green promised nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_what_was_used_and_since_when_it_knows() {
    let (world, blue, edge) = World::serving().await;
    let before = crate::control::now();
    let status = until("a first report", async || world.control.last_status()).await;
    assert!(status.activity_since.is_some_and(|since| since <= before));
    assert_eq!(shop(&edge).await.app(), "blue");
    let _open = socket(edge.address, SHOP).await.expect("a socket");
    let used = until("it is reported", async || {
        let all = world.control.last_status()?.activity;
        all.into_iter().find(|one| one.allocation == blue.allocation && one.open == 1)
    })
    .await;
    let Activity { used_at, .. } = used;
    assert!(used_at >= before - TimeDelta::milliseconds(1));
}
