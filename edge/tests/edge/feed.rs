//! What moves a route, and what does not, however it arrives.

use crate::{
    app::{App, artifact},
    control::REGION,
    world::{BLUE, GREEN, PRODUCTION, World, counter, ready, route, shop, table, until},
};
use ed25519_dalek::SigningKey;
use hyper::StatusCode;
use rhone_domain::{
    feed::{Content, Entry, Route},
    ids::EnvironmentId,
    numbers::{Epoch, FeedSeq},
};
use rhone_edge::Running;
use std::time::{Duration, Instant};
use uuid::Uuid;

async fn with_green(world: &World, edge: &Running) -> App {
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.applied(edge, 3).await;
    green
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_epoch_is_counted_and_changes_nothing() {
    let (world, _blue, edge) = World::serving().await;
    let _green = with_green(&world, &edge).await;
    world.control.append(&Content::Route(route(5, BLUE)));
    world.control.append(&Content::Route(route(4, GREEN)));
    world.applied(&edge, 5).await;
    let reply = shop(&edge).await;
    assert_eq!((reply.app().as_str(), reply.header("rhone-epoch")), ("blue", "5"));
    assert_eq!(counter(&edge, "feed_stale").await, 1);
    world.control.append(&Content::Route(route(6, GREEN)));
    world.applied(&edge, 6).await;
    assert_eq!(shop(&edge).await.app(), "green", "the position had moved on");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_entries_move_nothing() {
    let (world, _blue, edge) = World::serving().await;
    let _green = with_green(&world, &edge).await;
    let content = Content::Route(route(9, GREEN));
    let honest = world.control.with(|plane| plane.entry(&plane.key, &content));
    let forged = [
        world.control.with(|plane| plane.entry(&SigningKey::from_bytes(&[66; 32]), &content)),
        Entry { content: honest.content.replace("\"epoch\":9", "\"epoch\":8"), ..honest.clone() },
        Entry { signature: String::new(), ..honest.clone() },
        Entry { seq: FeedSeq(honest.seq.0 + 1), ..honest.clone() },
    ];
    for (n, entry) in (1..).zip(forged) {
        world.control.with(|plane| plane.forged = Some(vec![entry]));
        until("it was judged", async || (counter(&edge, "feed_forged").await >= n).then_some(())).await;
        let reply = shop(&edge).await;
        assert_eq!((reply.app().as_str(), reply.header("rhone-epoch")), ("blue", "1"));
    }
    world.control.append(&content);
    world.applied(&edge, 4).await;
    assert_eq!(shop(&edge).await.app(), "green", "signed by the right key it does");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_for_another_region_is_not_taken() {
    let (world, _blue, edge) = World::serving().await;
    let foreign = world.control.with(|plane| {
        let entry = plane.entry(&plane.key, &Content::Route(route(9, GREEN)));
        let region = rhone_domain::ids::RegionId(Uuid::from_u128(0xbad));
        assert_ne!(region, REGION);
        Entry::signed(&plane.key, (plane.incarnation, region), (entry.seq, entry.prev), entry.content)
    });
    world.control.with(|plane| plane.forged = Some(vec![foreign]));
    until("it was judged", async || (counter(&edge, "feed_foreign").await > 0).then_some(())).await;
    assert_eq!(shop(&edge).await.header("rhone-epoch"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_entry_is_counted_and_changes_nothing() {
    let (world, _blue, edge) = World::serving().await;
    let _green = with_green(&world, &edge).await;
    let again = world.control.with(|plane| plane.entries.clone());
    world.control.with(|plane| plane.forged = Some(again));
    until("it was judged", async || (counter(&edge, "feed_duplicate").await >= 3).then_some(())).await;
    assert_eq!(table(&edge).await["applied"], 3);
    assert_eq!(shop(&edge).await.app(), "blue");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_repaired() {
    let (world, _blue, edge) = World::serving().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.with(|plane| plane.hidden = vec![FeedSeq(3)]);
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(route(2, GREEN)));
    until("the gap is seen", async || (counter(&edge, "feed_gap").await > 0).then_some(())).await;
    assert_eq!(table(&edge).await["mode"], "gap");
    assert_eq!(shop(&edge).await.app(), "blue", "within its grace it serves what it verified last");
    world.control.with(|plane| plane.hidden.clear());
    world.applied(&edge, 4).await;
    assert_eq!(shop(&edge).await.app(), "green");
    until("it knows that nothing is missing", async || (table(&edge).await["mode"] == "synced").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_is_not_repaired_closes_the_door_until_it_is() {
    let (mut world, blue, edge) = World::serving().await;
    edge.stop().await;
    world.config.timing.gap_grace = Duration::from_millis(300);
    let edge = world.start().await;
    world.control.with(|plane| plane.hidden = vec![FeedSeq(3)]);
    world.control.append(&ready(&blue));
    world.control.append(&Content::Route(route(2, BLUE)));
    let closed =
        until("the door closes", async || Some(shop(&edge).await).filter(|r| r.status != StatusCode::OK)).await;
    assert_eq!((closed.status, closed.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, "feed-gap"));
    world.control.with(|plane| plane.hidden.clear());
    world.applied(&edge, 4).await;
    assert_eq!(shop(&edge).await.header("rhone-epoch"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_life_of_the_feed_is_taken_over_by_http() {
    let (world, blue, edge) = World::serving().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.begin_again(0x12, &[ready(&blue), ready(&green), Content::Route(route(2, GREEN))]);
    until("it is taken over", async || (shop(&edge).await.app() == "green").then_some(())).await;
    let synced = async || Some(table(&edge).await).filter(|table| table["mode"] == "synced");
    let table = until("all of it is taken over", synced).await;
    assert_eq!(table["applied"], 3);
    assert_eq!(table["incarnation"], Uuid::from_u128(0x12).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_fell_with_a_new_life_is_quarantined_and_reported() {
    let (world, blue, edge) = World::serving().await;
    world.control.append(&Content::Route(route(7, BLUE)));
    world.applied(&edge, 3).await;
    world.control.begin_again(0x12, &[ready(&blue), Content::Route(route(3, BLUE))]);
    let reply =
        until("it is taken over", async || Some(shop(&edge).await).filter(|r| r.status != StatusCode::OK)).await;
    assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, "quarantined"));
    until("it is reported", async || world.control.last_status().filter(|status| status.quarantined == [PRODUCTION]))
        .await;
    edge.stop().await;
    let edge = world.start().await;
    assert_eq!(shop(&edge).await.header("rhone-reason"), "quarantined", "also after a start from disk");
    world.control.append(&Content::Route(route(8, BLUE)));
    until("it serves again", async || (shop(&edge).await.status == StatusCode::OK).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_of_one_epoch_close_that_route_only() {
    let (world, _blue, edge) = World::serving().await;
    let other = EnvironmentId(Uuid::from_u128(0x77));
    let app = App::start("other", 0xa9, other, BLUE).await;
    let hosts = vec!["other.example".to_owned()];
    world.control.append(&ready(&app));
    world.control.append(&Content::Route(Route { environment: other, hosts, ..route(1, BLUE) }));
    world.control.append(&Content::Route(route(1, GREEN)));
    world.applied(&edge, 5).await;
    assert_eq!(shop(&edge).await.header("rhone-reason"), "quarantined");
    assert_eq!(crate::client::get(edge.address, "other.example", "/").await.app(), "other");
    until("the authority was asked", async || (table(&edge).await["mode"] == "synced").then_some(())).await;
    assert_eq!(shop(&edge).await.header("rhone-reason"), "quarantined", "only a higher epoch lifts it");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_of_the_same_life_is_rebuilt_from_a_snapshot() {
    let (world, blue, edge) = World::serving().await;
    // The authority lost its tail and wrote another one: same positions, other digests.
    world.control.with(|plane| plane.entries.truncate(0));
    for content in [Content::Route(route(1, BLUE)), ready(&blue), Content::Route(route(2, BLUE))] {
        world.control.append(&content);
    }
    until("it is rebuilt", async || (shop(&edge).await.header("rhone-epoch") == "2").then_some(())).await;
    assert!(counter(&edge, "feed_rebuild").await > 0);
    assert_eq!(counter(&edge, "snapshot_adopted").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_lacks_most_routes_is_refused() {
    let world = World::new().await;
    let blue = App::start("blue", 0xa1, PRODUCTION, BLUE).await;
    world.control.append(&ready(&blue));
    world.control.append(&Content::Route(route(1, BLUE)));
    for n in 0..20 {
        let environment = EnvironmentId(Uuid::from_u128(0x1000 + n));
        let hosts = vec![format!("n{n}.example")];
        world.control.append(&Content::Route(Route { environment, hosts, ..route(1, BLUE) }));
    }
    let edge = world.start().await;
    world.applied(&edge, 22).await;
    // A forked history forces a snapshot, and the snapshot is nearly empty.
    world.control.with(|plane| {
        plane.contents.clear();
        plane.entries.clear();
    });
    for _ in 0..30 {
        world.control.append(&ready(&blue));
    }
    until("it was refused", async || (counter(&edge, "snapshot_shrunk").await > 0).then_some(())).await;
    assert_eq!(shop(&edge).await.app(), "blue");
    assert_eq!(table(&edge).await["routes"].as_array().map(Vec::len), Some(21));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_helps_nobody_is_not_asked_for_without_pause() {
    let (world, _blue, edge) = World::serving().await;
    let forged = world.control.with(|plane| {
        let mut snapshot = plane.snapshot();
        snapshot.signature = String::new();
        plane.snapshot = Some(snapshot.clone());
        plane.incarnation = rhone_domain::ids::Incarnation(Uuid::from_u128(0x13));
        snapshot
    });
    let calls = || world.control.with(|plane| plane.calls.get("/edge/v1/snapshot").copied().unwrap_or(0));
    until("it was refused several times", async || (counter(&edge, "feed_forged").await >= 3).then_some(())).await;
    // The clock first: whoever is held up between the two has seen the calls further apart, not closer.
    let (begun, before) = (Instant::now(), calls());
    until("it was asked for again", async || (calls() >= before + 2).then_some(())).await;
    assert!(begun.elapsed() > Duration::from_millis(200), "two calls within {:?}", begun.elapsed());
    assert_eq!(shop(&edge).await.app(), "blue", "{} routes were not believed", forged.contents.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promotion_is_applied_observed_and_reported() {
    let (world, _blue, edge) = World::serving().await;
    let _green = with_green(&world, &edge).await;
    let mut took = Vec::new();
    for epoch in 2..102 {
        let owner = if epoch % 2 == 0 { GREEN } else { BLUE };
        let begun = Instant::now();
        world.control.append(&Content::Route(route(epoch, owner)));
        until("it is proven", async || {
            let status = world.control.last_status()?;
            let proven = status.observations.iter().any(|seen| seen.proves(Epoch(epoch), artifact(owner)));
            proven.then_some(())
        })
        .await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    // Shown with --nocapture: from the append to a report that proves it, looked for every 5 ms.
    eprintln!("100 promotions to a proof: p50 {:?}, p99 {:?}, maximum {:?}", took[50], took[98], took[99]);
}
