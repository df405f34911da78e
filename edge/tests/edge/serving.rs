//! Who answers for a host, before and after a promotion, and what a client is told when nobody does.

use crate::{
    app::{App, artifact},
    client::{get, get_with, request, send},
    world::{BLUE, GREEN, PREVIEW, PRODUCTION, SHOP, World, counter, draining, ready, route, shop, table, until},
};
use chrono::TimeDelta;
use hyper::{Method, StatusCode};
use rhone_domain::{
    digest::Digest,
    feed::{Content, EndpointState, Posture, Route},
    numbers::{Epoch, Revision},
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_boots_from_a_snapshot_and_serves() {
    let (_world, blue, edge) = World::serving().await;
    let reply = get(edge.address, SHOP, "/cart?item=7").await;
    assert_eq!((reply.status, reply.app().as_str()), (StatusCode::OK, "blue"));
    assert_eq!(reply.json()["path"], "/cart?item=7");
    assert_eq!(reply.header("rhone-deployment"), BLUE.to_string());
    assert_eq!(reply.header("rhone-allocation"), blue.allocation.to_string());
    assert_eq!(reply.header("rhone-artifact"), artifact(BLUE).to_string());
    assert_eq!(reply.header("rhone-epoch"), "1");
    assert!(!reply.header("x-request-id").is_empty());
    until("it knows that nothing is missing", async || (table(&edge).await["mode"] == "synced").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_flips_all_traffic_at_once() {
    let (world, _blue, edge) = World::serving().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.applied(&edge, 3).await;
    assert_eq!(shop(&edge).await.app(), "blue", "being ready is not being the owner");
    world.control.append(&Content::Route(route(2, GREEN)));
    world.applied(&edge, 4).await;
    let reply = shop(&edge).await;
    assert_eq!((reply.app().as_str(), reply.header("rhone-epoch")), ("green", "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_allocation_of_the_same_deployment_never_gets_production_traffic() {
    let (world, blue, edge) = World::serving().await;
    let preview = App::start("preview", 0xa3, PREVIEW, BLUE).await;
    world.control.append(&ready(&preview));
    let hosts = vec!["preview.example".to_owned()];
    world.control.append(&Content::Route(Route { environment: PREVIEW, hosts, ..route(1, BLUE) }));
    world.applied(&edge, 4).await;
    assert_eq!(get(edge.address, "preview.example", "/").await.app(), "preview");
    blue.kill().await;
    for _ in 0..20 {
        assert_eq!(shop(&edge).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(preview.seen(), ["GET /"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_proves_what_answers_after_a_promotion() {
    let (world, _blue, edge) = World::serving().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    green.behave(|b| b.health = Some(StatusCode::SERVICE_UNAVAILABLE));
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(route(2, GREEN)));
    let last = async |proven: bool| {
        until("the report says so", async || {
            let status = world.control.last_status()?;
            let seen = status.observations.into_iter().find(|o| o.environment == PRODUCTION && o.epoch == Epoch(2))?;
            (seen.proves(Epoch(2), artifact(GREEN)) == proven).then_some(seen)
        })
        .await
    };
    let ill = last(false).await;
    assert_eq!((ill.digest, ill.status), (Some(artifact(GREEN)), Some(503)));
    green.behave(|b| b.health = None);
    let well = last(true).await;
    assert_eq!((well.allocation, well.deployment), (Some(green.allocation), GREEN));
    assert_eq!(world.control.last_status().map(|s| s.public_url), Some(format!("http://{}", edge.address)));
    assert_eq!(world.control.with(|plane| plane.unauthorised), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_executes_other_bytes_proves_nothing() {
    let (world, _blue, edge) = World::serving().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    green.behave(|b| b.digest = Some(Digest::of(&[b"other"])));
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(route(2, GREEN)));
    let seen = until("the report shows it", async || {
        let status = world.control.last_status()?;
        status.observations.into_iter().find(|o| o.epoch == Epoch(2) && o.digest.is_some())
    })
    .await;
    assert_eq!(seen.digest, Some(Digest::of(&[b"other"])));
    assert!(!seen.proves(Epoch(2), artifact(GREEN)));
    drop(edge);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_serve_is_said_with_its_reason() {
    let (world, _blue, edge) = World::serving().await;
    let reply = get(edge.address, "other.example", "/").await;
    assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::MISDIRECTED_REQUEST, "unknown-host"));
    let cases = [
        ("no-allocation", route(2, GREEN)),
        ("suspended", Route { posture: Posture::Suspended, ..route(3, BLUE) }),
        ("no-owner", Route { owner: None, ..route(4, BLUE) }),
    ];
    for (n, (reason, route)) in (3..).zip(cases) {
        world.control.append(&Content::Route(route));
        world.applied(&edge, n).await;
        let reply = shop(&edge).await;
        assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, reason));
        assert_eq!(reply.header("retry-after"), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_with_its_allocation_and_through_its_drain() {
    let (world, blue, edge) = World::serving().await;
    let second = App::start("blue two", 0xa4, PRODUCTION, BLUE).await;
    world.control.append(&ready(&second));
    world.applied(&edge, 3).await;
    let first = shop(&edge).await;
    let cookie = first.cookie();
    assert!(cookie.starts_with("rhone_session=v1|"), "{cookie}");
    for _ in 0..20 {
        let reply = get_with(edge.address, SHOP, ("cookie", &cookie)).await;
        assert_eq!((reply.app(), reply.header("set-cookie")), (first.app(), ""));
    }
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(draining(route(2, GREEN), BLUE, TimeDelta::seconds(8))));
    for app in [&blue, &second] {
        world.control.append(&Content::Allocation(app.endpoint(1, EndpointState::Draining)));
    }
    world.applied(&edge, 7).await;
    assert_eq!(get_with(edge.address, SHOP, ("cookie", &cookie)).await.app(), first.app());
    assert_eq!(shop(&edge).await.app(), "green", "a new session goes to the new owner");
    until("the drain has ended", async || {
        (get_with(edge.address, SHOP, ("cookie", &cookie)).await.app() == "green").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_not_meant_is_left_for_another_allocation() {
    let (world, blue, edge) = World::serving().await;
    let second = App::start("blue two", 0xa4, PRODUCTION, BLUE).await;
    blue.behave(|b| b.min_epoch = Epoch(99));
    world.control.append(&ready(&second));
    world.applied(&edge, 3).await;
    for _ in 0..20 {
        assert_eq!(shop(&edge).await.app(), "blue two");
    }
    until("the gate was asked and refused", async || {
        shop(&edge).await;
        (counter(&edge, "gate_misdirected").await > 0).then_some(())
    })
    .await;
    second.behave(|b| b.min_epoch = Epoch(99));
    // A new epoch, or connections that were welcome go on.
    world.control.append(&Content::Route(route(2, BLUE)));
    let alone = until("both refuse", async || Some(shop(&edge).await).filter(|r| r.status != StatusCode::OK)).await;
    assert_eq!((alone.status, alone.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, "unreachable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_have_been_done_is_not_done_again() {
    let (_world, blue, edge) = World::serving().await;
    blue.behave(|b| b.hang_up = 1);
    let reply = send(edge.address, request(Method::POST, SHOP, "/pay", "100")).await;
    assert_eq!((reply.status, reply.header("rhone-request-dispatched")), (StatusCode::BAD_GATEWAY, "maybe"));
    assert_eq!(blue.seen(), ["POST /pay"]);
    blue.behave(|b| b.hang_up = 1);
    assert_eq!(get(edge.address, SHOP, "/look").await.status, StatusCode::OK, "a safe one is");
    assert_eq!(blue.seen(), ["POST /pay", "GET /look", "GET /look"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_gate_are_used_again_under_the_same_epoch_only() {
    let (world, blue, edge) = World::serving().await;
    shop(&edge).await;
    let before = blue.connections();
    for _ in 0..20 {
        shop(&edge).await;
    }
    // A busy machine may give one back after the next request has come.
    assert!(blue.connections() <= before + 10, "{} connections for 20 requests", blue.connections() - before);
    let before = blue.connections();
    world.control.append(&Content::Route(route(2, BLUE)));
    world.applied(&edge, 3).await;
    shop(&edge).await;
    assert!(blue.connections() > before, "a new epoch begins with a new connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_pass_whole_both_ways_while_the_owner_changes() {
    let (world, _blue, edge) = World::serving().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    let mut clients = JoinSet::new();
    for n in 0..8 {
        let address = edge.address;
        clients.spawn(async move {
            let body = "x".repeat(100_000 + n);
            for _ in 0..10 {
                let reply = send(address, request(Method::POST, SHOP, "/upload", &body)).await;
                assert_eq!((reply.status, &reply.json()["length"]), (StatusCode::OK, &body.len().into()));
            }
        });
    }
    for epoch in 2..12 {
        let owner = if epoch % 2 == 0 { GREEN } else { BLUE };
        world.control.append(&Content::Route(Route { revision: Revision(epoch), ..route(epoch, owner) }));
        world.applied(&edge, epoch + 2).await;
    }
    while let Some(done) = clients.join_next().await {
        done.expect("every request was answered");
    }
}
