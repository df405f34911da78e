//! An edge whose environment is served from another region: it owns it no longer, and says who does.

use crate::{
    client::{Socket, get, socket},
    control::REGION,
    world::{BLUE, PATIENCE, PRODUCTION, SHOP, World, counter, draining, ready, route, shop, table, until},
};
use chrono::TimeDelta;
use futures_util::{SinkExt, StreamExt};
use hyper::StatusCode;
use rhone_domain::{
    feed::{Content, Route},
    ids::{CellId, RegionId},
};
use rhone_edge::Running;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

const BERGEN: RegionId = RegionId(Uuid::from_u128(0xbe));

/// BLUE's traffic is served from Bergen; its sockets here have so long.
fn moved(epoch: u64, left: TimeDelta) -> Content {
    let there = Route { region: BERGEN, cell: CellId(Uuid::from_u128(0xf7)), ..route(epoch, BLUE) };
    Content::Route(draining(there, BLUE, left))
}

/// Refuses to serve it, and names the region that does.
async fn refers_to_bergen(edge: &Running) {
    let reply = shop(edge).await;
    assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::MISDIRECTED_REQUEST, "elsewhere"));
    assert_eq!(reply.header("rhone-region"), BERGEN.to_string());
    assert_eq!((reply.app(), reply.header("rhone-epoch")), (String::new(), ""), "no owner answered");
}

async fn says(socket: &mut Socket, text: &str) -> Option<Message> {
    socket.send(Message::text(text)).await.expect("sent");
    timeout(PATIENCE, socket.next()).await.expect("an answer in time").and_then(Result::ok)
}

/// Reads to the end, which also sends the client's own goodbye.
async fn closed_with(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("an end in time") {
            Some(Ok(Message::Close(frame))) => code = frame.map(|frame| u16::from(frame.code)),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return code,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_upgrades_are_told_the_region_and_open_sockets_live_until_the_deadline() {
    let (world, blue, edge) = World::serving().await;
    let mut open = socket(edge.address, SHOP).await.expect("a socket");
    let began = Instant::now();
    world.control.append(&moved(2, TimeDelta::seconds(8)));
    world.applied(&edge, 3).await;
    refers_to_bergen(&edge).await;
    let upgrade = socket(edge.address, SHOP).await.expect_err("no new socket");
    let Error::Http(refusal) = upgrade else { panic!("{upgrade}") };
    assert_eq!(refusal.status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(
        refusal.headers().get("rhone-region").map(|region| region.as_bytes().to_vec()),
        Some(BERGEN.to_string().into())
    );
    assert_eq!(says(&mut open, "still here").await, Some(Message::text("blue: still here")), "sessions do not move");
    assert_eq!(closed_with(&mut open).await, Some(1012));
    assert!(began.elapsed() >= Duration::from_millis(7_990), "closed after {:?}", began.elapsed());
    until("the app heard the goodbye", async || (blue.closes() == [1012]).then_some(())).await;
    assert!(counter(&edge, "requests_elsewhere").await >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_reports_that_it_gave_the_environment_up() {
    let (world, _blue, edge) = World::serving().await;
    world.control.append(&moved(2, TimeDelta::seconds(30)));
    let seen = until("it is reported", async || {
        let status = world.control.last_status()?;
        status.observations.into_iter().find(|seen| seen.environment == PRODUCTION && seen.epoch.0 == 2)
    })
    .await;
    assert_eq!((seen.elsewhere, seen.digest, seen.status), (Some(BERGEN), None, None), "it asked nobody");
    assert!(seen.gave_up(rhone_domain::numbers::Epoch(2)) && !seen.proves(seen.epoch, crate::app::artifact(BLUE)));
    drop(edge);
}

/// The sin that is tempting: the disk, a repeated entry or a slow bus still holds the route as it was before.
#[tokio::test(flavor = "multi_thread")]
async fn trap_edge_accepts_stale_owner() {
    let (world, blue, edge) = World::serving().await;
    world.control.append(&moved(2, TimeDelta::seconds(30)));
    world.applied(&edge, 3).await;
    refers_to_bergen(&edge).await;
    world.control.append(&Content::Route(route(1, BLUE)));
    world.control.append(&ready(&blue));
    world.applied(&edge, 5).await;
    refers_to_bergen(&edge).await;
    assert_eq!(counter(&edge, "feed_stale").await, 1, "the former owner was offered again, and refused");
    // What is applied is written behind.
    let written = || {
        let files = std::fs::read_dir(world.folder.path().join("table")).into_iter().flatten().filter_map(Result::ok);
        let bytes = files.filter_map(|file| std::fs::read(file.path()).ok()).collect::<Vec<_>>();
        bytes.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(&BERGEN.to_string()))
    };
    until("it is on disk", async || written().then_some(())).await;
    edge.abandon();
    world.control.kill().await;
    let edge = until("the folder is free", async || rhone_edge::start(world.config.clone()).await.ok()).await;
    assert_eq!(table(&edge).await["mode"], "stale");
    refers_to_bergen(&edge).await;
    world.control.revive().await;
    world.control.append(&Content::Route(Route { region: REGION, ..route(3, BLUE) }));
    world.applied(&edge, 6).await;
    let back = shop(&edge).await;
    assert_eq!(
        (back.app().as_str(), back.header("rhone-epoch")),
        ("blue", "3"),
        "under a higher epoch it is served again"
    );
}

/// The same owner under another region in the same epoch is two truths, and neither is served.
#[tokio::test(flavor = "multi_thread")]
async fn two_regions_for_one_epoch_are_a_conflict() {
    let (world, _blue, edge) = World::serving().await;
    world.control.append(&moved(1, TimeDelta::seconds(30)));
    world.applied(&edge, 3).await;
    assert!(counter(&edge, "feed_conflict").await >= 1);
    let reply = get(edge.address, SHOP, "/").await;
    assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, "quarantined"));
}
