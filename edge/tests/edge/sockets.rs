//! WebSockets: they outlive a promotion, end with 1012 at their deadline, and are counted. Deadlines are some seconds away, so that a
//! busy machine has asked before them what is asked before them.

use crate::{
    app::App,
    client::{Socket, get, socket},
    world::{BLUE, GREEN, PATIENCE, PRODUCTION, SHOP, World, draining, ready, route, shop, table, until},
};
use chrono::TimeDelta;
use futures_util::{SinkExt, StreamExt};
use rhone_domain::{
    edge_status,
    feed::{Content, Posture, Route},
    numbers::Revision,
};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use uuid::Uuid;

async fn echo(socket: &mut Socket, text: &str) -> String {
    socket.send(Message::text(text)).await.expect("sent");
    let answer = timeout(PATIENCE, socket.next()).await.expect("an answer in time");
    answer.expect("an open socket").expect("a message").into_text().expect("text").to_string()
}

/// Reads to the end, which also sends the client's own goodbye.
async fn closed(socket: &mut Socket) -> Option<CloseFrame> {
    let mut goodbye = None;
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("an end in time") {
            Some(Ok(Message::Close(frame))) => goodbye = frame,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return goodbye,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_outlives_a_promotion_and_is_closed_with_1012_at_the_deadline() {
    let (world, blue, edge) = World::serving().await;
    let mut old = socket(edge.address, SHOP).await.expect("a socket");
    assert_eq!(echo(&mut old, "one").await, "blue: one");
    until("it is counted", async || {
        let status = world.control.last_status()?;
        (status.sessions.len() == 1 && status.sessions[0].open == 1 && status.sessions[0].allocation == blue.allocation)
            .then_some(())
    })
    .await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    let promoted = Instant::now();
    world.control.append(&Content::Route(draining(route(2, GREEN), BLUE, TimeDelta::seconds(8))));
    world.applied(&edge, 4).await;
    assert_eq!(shop(&edge).await.app(), "green");
    assert_eq!(echo(&mut old, "two").await, "blue: two");
    let mut new = socket(edge.address, SHOP).await.expect("a socket");
    assert_eq!(echo(&mut new, "three").await, "green: three");
    let frame = closed(&mut old).await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1012);
    assert!(promoted.elapsed() >= Duration::from_millis(7_990), "closed after {:?}", promoted.elapsed());
    until("the app heard the goodbye", async || (blue.closes() == [1012]).then_some(())).await;
    until("the edge says of whose sockets it closed how many, and at which deadline", async || {
        let [one] = world.control.last_status()?.closed.try_into().ok()?;
        let edge_status::Closed { allocation, deadline, sockets, at, boot } = one;
        (allocation == blue.allocation && sockets == 1 && at >= deadline && boot.is_some()).then_some(())
    })
    .await;
    assert_eq!(echo(&mut new, "four").await, "green: four");
    until("it is counted no longer", async || {
        let sessions = world.control.last_status()?.sessions;
        (sessions.len() == 1 && sessions[0].allocation == green.allocation).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_an_owner_that_comes_back_are_not_closed() {
    let (world, _blue, edge) = World::serving().await;
    let mut old = socket(edge.address, SHOP).await.expect("a socket");
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(draining(route(2, GREEN), BLUE, TimeDelta::seconds(6))));
    world.applied(&edge, 4).await;
    let mut new = socket(edge.address, SHOP).await.expect("a socket");
    assert_eq!(echo(&mut new, "one").await, "green: one");
    world.control.append(&Content::Route(draining(route(3, BLUE), GREEN, TimeDelta::seconds(8))));
    let frame = closed(&mut new).await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1012, "the deadline of green comes after that of blue");
    assert_eq!(echo(&mut old, "two").await, "blue: two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_within_the_epoch_closes_no_socket() {
    let (world, _blue, edge) = World::serving().await;
    let mut open = socket(edge.address, SHOP).await.expect("a socket");
    let changed =
        Route { revision: Revision(1), hosts: vec![SHOP.into(), "www.shop.example".into()], ..route(1, BLUE) };
    world.control.append(&Content::Route(changed));
    world.control.append(&Content::Route(Route {
        revision: Revision(2),
        posture: Posture::Suspended,
        ..route(1, BLUE)
    }));
    world.applied(&edge, 4).await;
    assert_eq!(echo(&mut open, "one").await, "blue: one");
    assert!(socket(edge.address, SHOP).await.is_err(), "a suspended environment opens no new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_survives_the_death_of_the_control_plane() {
    let (world, _blue, edge) = World::serving().await;
    let mut open = socket(edge.address, SHOP).await.expect("a socket");
    world.control.kill().await;
    until("the edge noticed", async || (table(&edge).await["counters"]["control_failed"] != 0).then_some(())).await;
    assert_eq!(echo(&mut open, "one").await, "blue: one");
    assert_eq!(shop(&edge).await.app(), "blue");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_never_lands_inside_another_frame() {
    let (world, _blue, edge) = World::serving().await;
    let mut old = socket(edge.address, SHOP).await.expect("a socket");
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    old.send(Message::text("flood")).await.expect("sent");
    let mut messages = 0;
    let goodbye = loop {
        match timeout(PATIENCE, old.next()).await.expect("an end in time").expect("a goodbye before the end") {
            Ok(Message::Close(frame)) => break frame.expect("a reason"),
            Ok(message) => {
                assert!(message.into_data().iter().all(|byte| *byte == b'x'), "a message holds something else");
                messages += 1;
                // It is flooded before there is a deadline.
                if messages == 10 {
                    let soon = TimeDelta::seconds(1);
                    world.control.append(&Content::Route(draining(route(2, GREEN), BLUE, soon)));
                }
            }
            Err(error) => panic!("after {messages} messages: {error}"),
        }
    };
    assert_eq!(u16::from(goodbye.code), 1012);
    assert!(messages >= 10, "it was flooded: {messages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_whole() {
    let (_world, _blue, edge) = World::serving().await;
    let mut open = socket(edge.address, SHOP).await.expect("a socket");
    for length in [0, 125, 126, 65_536, 1_000_000] {
        let text = "x".repeat(length);
        assert_eq!(echo(&mut open, &text).await.len(), length + "blue: ".len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_ends_in_order_closes_its_sockets_and_loses_none() {
    let (world, _blue, edge) = World::serving().await;
    let mut open = socket(edge.address, SHOP).await.expect("a socket");
    let stopping = tokio::spawn(edge.stop());
    assert_eq!(closed(&mut open).await.map(|frame| u16::from(frame.code)), Some(1012));
    stopping.await.expect("stopped");
    let last = world.control.last_status().expect("it reported to the end");
    assert_eq!(last.closed, [], "no deadline of theirs was over");
    let edge = world.start().await;
    assert_eq!(table(&edge).await["lost_sessions"], 0);
}

/// Waits until a run of the edge that is none of these says exactly this: which run that is.
async fn said_by_another(world: &World, closed: &edge_status::Closed, before: &[Uuid]) -> Uuid {
    until("another run of the edge says what was closed", async || {
        let status = world.control.last_status().filter(|status| !before.contains(&status.boot))?;
        (status.closed == std::slice::from_ref(closed)).then_some(status.boot)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_closed_at_a_deadline_is_said_by_its_next_runs_too() {
    let (world, blue, edge) = World::serving().await;
    let mut old = socket(edge.address, SHOP).await.expect("a socket");
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(draining(route(2, GREEN), BLUE, TimeDelta::seconds(3))));
    assert_eq!(closed(&mut old).await.map(|frame| u16::from(frame.code)), Some(1012));
    let said = until("the edge says what it closed", async || world.control.last_status()?.closed.pop()).await;
    let first = said.boot.expect("the run that closed it");
    assert_eq!((said.allocation, said.sockets), (blue.allocation, 1));
    edge.stop().await;
    let edge = world.start().await;
    let second = said_by_another(&world, &said, &[first]).await;
    edge.abandon();
    let _edge = until("the folder is free", async || rhone_edge::start(world.config.clone()).await.ok()).await;
    let third = said_by_another(&world, &said, &[first, second]).await;
    // The sin: a run that tells what itself has closed, and so forgets what was closed right before it.
    assert_ne!(Some(third), said.boot, "it is caught above");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_lost_with_the_edge_are_counted_at_the_next_start() {
    let (world, _blue, edge) = World::serving().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(socket(edge.address, SHOP).await.expect("a socket"));
    }
    let ledger = world.folder.path().join("sockets");
    until("they are written down", async || {
        let text = std::fs::read_to_string(&ledger).ok()?;
        text.contains("\"open\":5").then_some(())
    })
    .await;
    edge.abandon();
    let edge = until("the folder is free", async || rhone_edge::start(world.config.clone()).await.ok()).await;
    assert_eq!(table(&edge).await["lost_sessions"], 5);
    assert_eq!(get(edge.address, SHOP, "/").await.app(), "blue");
    until("it is reported", async || world.control.last_status().filter(|status| status.lost_sessions == 5)).await;
}
