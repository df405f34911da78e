//! Step 9: routing never waits for the tail. An index on 3,000,000 rows is built in the same database, which holds every
//! reader of the log back; a promotion and a rollback reach the edge meanwhile, and not after it. How long that takes is measured by
//! `./dev bench story`. The trap avoided: a build that was over before; it stands at its last row until it is let go, is seen at
//! work after each change, and the tail is seen to stand still.

use rhone_tests::{
    artifacts::Version,
    database::administrator,
    edge,
    platform::Platform,
    story::{Deployed, Tenant},
    wait::PATIENCE,
};
use sqlx::{Executor as _, PgConnection};
use std::time::Instant;

/// Stands at the last row until whoever has the lock lets go.
const GATE: &str = "CREATE FUNCTION public.gate(id bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF id = 3000000 THEN PERFORM pg_catalog.pg_advisory_xact_lock(3000000); END IF;
        RETURN id;
    END $$";
const CLOSE: &str = "SELECT pg_advisory_lock(3000000)";
const LET_GO: &str = "SELECT pg_advisory_unlock(3000000)";

/// What a reader of the log waits for.
const HELD_BACK: &str =
    "SELECT coalesce(bool_or(tx >= pg_snapshot_xmin(pg_current_snapshot())), false) FROM log.events";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_and_a_rollback_reach_the_edge_while_an_index_is_built() {
    let platform = Platform::start().await;
    let tenant = Tenant::open_draining(&platform, platform.developer(), 600).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    for deployed in [&green, &blue] {
        tenant.succeeds(&tenant.promote(deployed).await).await;
    }
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let mut database = administrator(&platform).await;
    let rows =
        "CREATE TABLE public.big AS SELECT g::bigint AS id, md5(g::text) AS word FROM generate_series(1, 3000000) g";
    database.execute(rows).await.expect("a table of 3,000,000 rows");
    database.execute(GATE).await.expect("a function");

    promotes_during_a_build(&platform, &tenant, &mut database, &green).await;
    rolls_back_during_a_build(&platform, &tenant, &mut database, &blue).await;
}

async fn promotes_during_a_build(platform: &Platform, tenant: &Tenant, looker: &mut PgConnection, green: &Deployed) {
    let build = build(platform, looker).await;
    let begun = Instant::now();
    let operation = tenant.promote(green).await;
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    report("promotion", begun);
    still_building(looker).await;
    looker.execute(LET_GO).await.expect("it is let go");
    tenant.succeeds(&operation).await;
    build.await.expect("the build ends");
}

async fn rolls_back_during_a_build(platform: &Platform, tenant: &Tenant, looker: &mut PgConnection, blue: &Deployed) {
    let build = build(platform, looker).await;
    let begun = Instant::now();
    let operation = tenant.roll_back(blue, "an incident").await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    report("rollback", begun);
    still_building(looker).await;
    looker.execute(LET_GO).await.expect("it is let go");
    tenant.succeeds(&operation).await;
    build.await.expect("the build ends");
}

/// Begins a build and returns once the database says that it is at work.
async fn build(platform: &Platform, looker: &mut PgConnection) -> tokio::task::JoinHandle<()> {
    looker.execute(CLOSE).await.expect("the gate is closed");
    let mut builder = administrator(platform).await;
    let build = tokio::spawn(async move {
        // The gate alone keeps it at work, on a fast machine too: what is sorted behind it need not be slow.
        builder.execute("CREATE INDEX ON public.big (public.gate(id))").await.expect("an index");
    });
    let begun = Instant::now();
    while progress(looker).await.is_none() {
        assert!(begun.elapsed() < PATIENCE && !build.is_finished(), "the build is seen at work");
        tokio::task::yield_now().await;
    }
    build
}

/// The build is at work, and what was appended meanwhile is hidden from every reader of the log.
async fn still_building(looker: &mut PgConnection) {
    assert!(progress(looker).await.is_some(), "the index was finished before the change was: the test says nothing");
    let held: bool = sqlx::query_scalar(HELD_BACK).fetch_one(&mut *looker).await.expect("the log can be read");
    assert!(held, "the tail is not held back: the test says nothing");
}

async fn progress(looker: &mut PgConnection) -> Option<String> {
    sqlx::query_scalar("SELECT phase FROM pg_stat_progress_create_index LIMIT 1")
        .fetch_optional(looker)
        .await
        .expect("progress can be read")
}

fn report(what: &str, begun: Instant) {
    let millis = begun.elapsed().as_millis();
    eprintln!("{what} asked for -> served by the edge during an index build: {millis} ms");
}
