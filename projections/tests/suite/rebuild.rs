//! Rebuilt equals live; a row that is not the same is found; and a holder that came meanwhile loses nothing to the swap.

use crate::{
    database::{Database, until},
    world::World,
};
use rhone_eventstore::{Position, Transaction, checkpoint, lease::Leases};
use rhone_projections::{
    catalogue::Catalogue,
    contents,
    deployments::Deployments,
    projection::{Projection, key, reached},
    rebuild::{Beside, RebuildError, rebuild},
    runner,
    timeline::Timeline,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

const LONG: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rebuilt_equals_live_while_writes_go_on_and_the_live_one_goes_on_afterwards() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let followers = [
        world.follow::<Catalogue>("worker"),
        world.follow::<Deployments>("worker"),
        world.follow::<Timeline>("worker"),
    ];
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let writer = {
        let (world, stop, written) = (world.clone(), stop.clone(), written.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                world.project().await;
                world.deployment().await;
                written.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    until("something is there", async || written.load(Ordering::SeqCst) > 20).await;
    for _ in 0..2 {
        one::<Catalogue>(&database, &world, &written).await;
        one::<Deployments>(&database, &world, &written).await;
        one::<Timeline>(&database, &world, &written).await;
    }
    stop.store(true, Ordering::SeqCst);
    writer.await.expect("the writer ends");
    let (last, rounds) = (world.project().await, written.load(Ordering::SeqCst));
    for projection in [key::<Catalogue>(), key::<Timeline>()] {
        assert!(reached(&world.projector, &[projection], last, LONG).await.expect("asks"), "{projection:?} goes on");
    }
    assert_eq!(database.number("SELECT count(*) FROM catalogue.entries").await, rounds + 1);
    assert_eq!(database.number("SELECT count(*) FROM timeline.entries").await, 3 * rounds + 1);
    until("the deployments go on", async || {
        database.number("SELECT count(*) FROM deployments.deployments WHERE validated IS NOT NULL").await == rounds
    })
    .await;
    followers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Live, it was taken in by two batches; rebuilt, by one. The rows are the same to the letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_created_and_judged_apart_is_rebuilt_alike() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let follower = world.follow::<Deployments>("worker");
    let mut release = world.release().await;
    let created = world.write(&mut release.loaded, [release.create]).await;
    assert!(reached(&world.projector, &[key::<Deployments>()], created, LONG).await.expect("asks"));
    let judged = world.write(&mut release.loaded, [release.validate]).await;
    assert!(reached(&world.projector, &[key::<Deployments>()], judged, LONG).await.expect("asks"));
    let rebuilt = rebuild::<Deployments>(&mut database.admin().await, &world.projector, "rebuild").await;
    assert_eq!(rebuilt.expect("the same rows").tables, [("deployments".to_owned(), 1)]);
    follower.abort();
}

async fn one<P: Projection>(database: &Database, world: &World, written: &AtomicI64) {
    let before = written.load(Ordering::SeqCst);
    let rebuilt = rebuild::<P>(&mut database.admin().await, &world.projector, "rebuild").await.expect("the same rows");
    assert!(rebuilt.events > 0 && rebuilt.tables.iter().all(|(_, rows)| *rows > 0), "{}: {rebuilt:?}", P::NAME);
    until("writes went on", async || written.load(Ordering::SeqCst) > before).await;
}

#[tokio::test]
async fn a_tampered_row_is_found_and_both_are_kept() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let follower = world.follow::<Catalogue>("worker");
    world.project().await;
    let last = world.project().await;
    assert!(reached(&world.projector, &[key::<Catalogue>()], last, LONG).await.expect("asks"));
    database
        .run("UPDATE catalogue.entries SET version = 2 WHERE id = (SELECT max(id::text)::uuid FROM catalogue.entries)")
        .await;
    let refused = rebuild::<Catalogue>(&mut database.admin().await, &world.projector, "rebuild").await;
    let Err(RebuildError::Differs { table, differing: 1, live: 2, rebuilt: 2 }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(table, "entries");
    assert_eq!(database.number("SELECT count(*) FROM catalogue.entries WHERE version = 2").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM catalogue_next.entries WHERE version = 1").await, 2);
    let last = world.project().await;
    assert!(reached(&world.projector, &[key::<Catalogue>()], last, LONG).await.expect("asks"), "the live one goes on");
    follower.abort();
}

#[tokio::test]
async fn a_rebuild_that_lost_its_lease_swaps_nothing_and_loses_nothing() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let mut admin = database.admin().await;
    world.project().await;
    let mut beside = Beside::<Catalogue>::begin(&mut admin, &world.projector).await.expect("builds");
    let held = beside.take_over(&mut admin, "rebuild").await.expect("takes over");
    beside.catch_up(&held).await.expect("catches up");

    // It is paused for too long here, and a worker takes over and writes.
    database.run("UPDATE log.leases SET until = '-infinity' WHERE name = 'projection:catalogue'").await;
    let leases = Leases::new(world.projector.clone());
    let claimed = leases.claim(&runner::lease_name("catalogue"), "worker", LONG).await.expect("claims");
    let fence = claimed.expect("it ran out");
    let mut connection = world.projector.acquire().await.expect("connects");
    let from = checkpoint::take(&mut connection, key::<Catalogue>(), fence).await.expect("takes").position;
    assert_eq!(from, Position::START);
    let batch = world.events(1).await;
    runner::write::<Catalogue>(&world.projector, "catalogue", key::<Catalogue>(), fence, &batch).await.expect("writes");
    let live = contents::of(&mut admin, "catalogue").await.expect("sums");
    assert_eq!(live[0].rows, 1, "the worker's row");

    let swapped = beside.swap(&mut admin, &held).await;
    assert!(matches!(swapped, Err(RebuildError::Lost)), "{swapped:?}");
    assert_eq!(contents::of(&mut admin, "catalogue").await.expect("sums"), live);
    assert_eq!(database.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'catalogue_next'").await, 1);
}

#[tokio::test]
async fn a_former_holder_in_the_midst_of_a_batch_cannot_add_to_what_is_swapped_in() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let leases = Leases::new(world.projector.clone());
    let claimed = leases.claim(&runner::lease_name("catalogue"), "worker", LONG).await.expect("claims");
    let former = claimed.expect("it is free");
    checkpoint::take(&mut world.projector.acquire().await.expect("connects"), key::<Catalogue>(), former)
        .await
        .expect("takes");
    world.project().await;
    let batch = world.events(1).await;
    let mut late = Transaction::begin(&world.projector).await.expect("begins");
    sqlx::query("SET LOCAL search_path TO catalogue").execute(&mut *late).await.expect("as the runner does");
    Catalogue::apply(&mut late, &batch).await.expect("writes its rows");

    let rebuilding = {
        let (mut admin, projector) = (database.admin().await, world.projector.clone());
        tokio::spawn(async move { rebuild::<Catalogue>(&mut admin, &projector, "rebuild").await })
    };
    until("the swap is done and the old rows wait for their writer", async || {
        database.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'catalogue_old'").await == 1
    })
    .await;
    let advanced = checkpoint::advance(&mut late, key::<Catalogue>(), former, batch[0].position).await;
    assert!(matches!(advanced, Err(checkpoint::CheckpointError::Lost)), "{advanced:?}");
    drop(late);
    let rebuilt = rebuilding.await.expect("ends").expect("the same rows");
    assert_eq!(rebuilt.tables, [("entries".to_owned(), 0)], "as far as the live one had come");
    assert_eq!(database.number("SELECT count(*) FROM catalogue.entries").await, 0);
    assert!(!leases.renew(&runner::lease_name("catalogue"), "worker", former, LONG).await.expect("asks"));
}

#[tokio::test]
async fn of_two_rebuilds_at_once_the_second_is_refused() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let mut other = database.admin().await;
    sqlx::query("SELECT pg_advisory_lock(hashtextextended('rebuild:catalogue', 0))")
        .execute(&mut other)
        .await
        .expect("the lock that a rebuild holds");
    let refused = rebuild::<Catalogue>(&mut database.admin().await, &world.projector, "rebuild").await;
    assert!(matches!(refused, Err(RebuildError::Busy)), "{refused:?}");
}
