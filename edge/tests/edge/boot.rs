//! What an edge does at its start, with and without a disk, with and without anybody else alive.

use crate::app::App;
use crate::world::PRODUCTION;
use crate::{
    client::get,
    world::{BLUE, GREEN, SHOP, World, ready, route, shop, table, until},
};
use hyper::StatusCode;
use rhone_domain::{
    feed::{Content, Route},
    ids::EnvironmentId,
};
use std::time::Instant;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_without_a_table_is_not_ready_and_says_so() {
    let world = World::new().await;
    world.control.kill().await;
    let edge = world.start().await;
    assert_eq!(get(edge.admin, "localhost", "/livez").await.status, StatusCode::OK);
    assert_eq!(get(edge.admin, "localhost", "/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let reply = shop(&edge).await;
    assert_eq!((reply.status, reply.header("rhone-reason")), (StatusCode::SERVICE_UNAVAILABLE, "booting"));
    assert_eq!(table(&edge).await["mode"], "booting");
    world.control.revive().await;
    until("it is ready", async || {
        (get(edge.admin, "localhost", "/readyz").await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_serves_from_its_disk_while_everything_else_is_dead() {
    let (world, blue, edge) = World::serving().await;
    world.control.append(&Content::Route(route(2, BLUE)));
    world.applied(&edge, 3).await;
    edge.abandon();
    world.control.kill().await;
    let edge = until("the folder is free", async || rhone_edge::start(world.config.clone()).await.ok()).await;
    let reply = shop(&edge).await;
    assert_eq!((reply.app().as_str(), reply.header("rhone-epoch")), ("blue", "2"));
    assert_eq!(table(&edge).await["mode"], "stale");
    assert_eq!(get(edge.admin, "localhost", "/readyz").await.status, StatusCode::OK);
    world.control.revive().await;
    let green = App::start("green", 0xa2, PRODUCTION, GREEN).await;
    world.control.append(&ready(&green));
    world.control.append(&Content::Route(route(3, GREEN)));
    world.applied(&edge, 5).await;
    assert_eq!(shop(&edge).await.app(), "green");
    drop(blue);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_from_disk_the_owner_is_observed_again() {
    let (world, _blue, edge) = World::serving().await;
    edge.stop().await;
    world.control.with(|plane| plane.statuses.clear());
    let _edge = world.start().await;
    until("it is reported", async || {
        let status = world.control.last_status()?;
        status.observations.into_iter().find(|seen| seen.environment == PRODUCTION && seen.status == Some(200))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_and_cookie_key_are_kept_and_the_key_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (world, _blue, edge) = World::serving().await;
    let first = table(&edge).await;
    let cookie = shop(&edge).await.cookie();
    let key = std::fs::metadata(world.folder.path().join("cookie-key")).expect("a key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(rhone_edge::start(world.config.clone()).await.is_err(), "one folder, one edge");
    edge.stop().await;
    let edge = world.start().await;
    let second = table(&edge).await;
    assert_eq!(first["edge"], second["edge"]);
    assert_ne!(first["boot"], second["boot"]);
    let reply = crate::client::get_with(edge.address, SHOP, ("cookie", &cookie)).await;
    assert_eq!(reply.header("set-cookie"), "", "the pin stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_routes_boot_from_disk() {
    let world = World::new().await;
    let blue = App::start("blue", 0xa1, PRODUCTION, BLUE).await;
    world.control.append(&ready(&blue));
    world.control.append(&Content::Route(route(1, BLUE)));
    world.control.with(|plane| {
        for n in 0..100_000 {
            let environment = EnvironmentId(Uuid::from_u128(0x1000 + n));
            let hosts = vec![format!("app-{n}.example")];
            // No owner: nobody is asked for its health.
            let content = Content::Route(Route { environment, hosts, owner: None, ..route(1, BLUE) });
            plane.contents.insert(format!("r{environment}"), content.to_text());
        }
    });
    let edge = world.start().await;
    until("it is serving", async || (shop(&edge).await.status == StatusCode::OK).then_some(())).await;
    let written = || {
        std::fs::read_dir(world.folder.path().join("table")).is_ok_and(|files| {
            files.filter_map(Result::ok).any(|f| f.file_name().to_string_lossy().ends_with(".snapshot"))
        })
    };
    until("it is on disk", async || written().then_some(())).await;
    edge.abandon();
    world.control.kill().await;
    let begun = Instant::now();
    let edge = until("the folder is free", async || rhone_edge::start(world.config.clone()).await.ok()).await;
    assert_eq!(shop(&edge).await.app(), "blue");
    // Shown with --nocapture; a measurement, not a promise: the profile and the machine decide.
    eprintln!("100,002 keys: from start to the first answer {:?}", begun.elapsed());
}
