//! A lease has one holder at a time, and every new holder a higher fence.

use crate::{
    database::{Database, WORKER, until},
    story::{append, stream},
};
use rhone_domain::numbers::Fence;
use rhone_eventstore::{
    Append, AppendError, FenceCheck, Log as _, PgLog,
    lease::{Leases, answered},
};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;
use tokio::task::JoinSet;

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn whoever_takes_an_expired_lease_over_fences_the_former_holder_off() {
    let database = Database::new().await;
    let pool = database.role(WORKER, 4).await;
    let (leases, log) = (Leases::new(pool.clone()), PgLog::new(pool));
    let old = leases.claim("op", "one", LONG).await.expect("claims").expect("it is free");
    assert_eq!(old, Fence(1));
    assert_eq!(leases.claim("op", "one", LONG).await.expect("claims"), Some(old), "its holder gets it again");
    assert_eq!(leases.claim("op", "two", LONG).await.expect("claims"), None, "it is held");
    let is_held = async |fence| leases.is_held("op", Fence(fence)).await.expect("answers");
    assert!(!is_held(0).await && !is_held(2).await, "only under its own fence");
    assert!(leases.renew("op", "one", old, SHORT).await.expect("renews"), "from now on it runs out");
    let mut new = None;
    until("the lease runs out", async || {
        new = leases.claim("op", "two", LONG).await.expect("claims");
        new.is_some()
    })
    .await;
    assert_eq!(new, Some(Fence(2)));
    assert!(!is_held(1).await && is_held(2).await);
    assert!(!leases.renew("op", "one", old, LONG).await.expect("renews"));
    assert!(!leases.release("op", "one", old).await.expect("releases"));
    assert!(leases.renew("op", "two", Fence(2), LONG).await.expect("renews"));

    let tally = stream();
    let under = |fence| Append { fence: Some(FenceCheck { lease: "op".into(), fence }), ..append(&tally, 0, 1) };
    let late = log.append(under(old)).await;
    assert!(matches!(late, Err(AppendError::StaleFence { .. })), "{late:?}");
    log.append(under(Fence(2))).await.expect("the holder appends");
}

#[tokio::test]
async fn a_lease_that_ran_out_is_refused_even_before_anybody_else_holds_it() {
    let database = Database::new().await;
    let pool = database.role(WORKER, 4).await;
    let (leases, log) = (Leases::new(pool.clone()), PgLog::new(pool));
    let fence = leases.claim("op", "one", SHORT).await.expect("claims").expect("it is free");
    until("it runs out", async || {
        let append = Append { fence: Some(FenceCheck { lease: "op".into(), fence }), ..append(&stream(), 0, 1) };
        matches!(log.append(append).await, Err(AppendError::StaleFence { .. }))
    })
    .await;
    assert!(!leases.renew("op", "one", fence, LONG).await.expect("renews"), "too late is final");
    assert_eq!(leases.claim("op", "one", LONG).await.expect("claims"), Some(Fence(2)), "even for the same holder");
    assert!(leases.release("op", "one", Fence(2)).await.expect("releases"));
    assert_eq!(
        leases.claim("op", "two", LONG).await.expect("claims"),
        Some(Fence(3)),
        "given back, it is free at once"
    );
}

const WAITS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// A claim that the server can carry out when this other transaction has ended, given up while it waits for that.
async fn given_up(database: &Database, leases: &Leases, name: &'static str) -> PgConnection {
    let mut other = database.admin().await;
    let held = format!("BEGIN; INSERT INTO log.leases VALUES ('{name}', 'other', 1, '-infinity')");
    sqlx::raw_sql(AssertSqlSafe(held)).execute(&mut other).await.expect("begins");
    let leases = leases.clone();
    let claim = tokio::spawn(async move { leases.claim(name, "one", LONG).await });
    until("the claim waits", async || database.number(WAITS).await == 1).await;
    claim.abort();
    assert!(claim.await.is_err(), "it is given up");
    other
}

#[tokio::test]
async fn a_claim_that_was_given_up_on_its_way_is_given_back_at_the_end() {
    let database = Database::new().await;
    let pool = database.role(WORKER, 4).await;
    let leases = Leases::new(pool.clone());
    let mut other = given_up(&database, &leases, "op").await;
    let end = async {
        answered(&pool).await;
        leases.release_all("one").await
    };
    let (released, committed) = tokio::join!(end, sqlx::raw_sql("COMMIT").execute(&mut other));
    committed.expect("commits");
    assert_eq!(released.expect("releases"), 1);
    assert!(leases.claim("op", "two", LONG).await.expect("claims").is_some(), "it is free at once");
    // The sin: to give back what is held at that moment.
    let mut other = given_up(&database, &leases, "another").await;
    assert_eq!(leases.release_all("one").await.expect("releases"), 0);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("commits");
    answered(&pool).await;
    assert_eq!(leases.claim("another", "two", LONG).await.expect("claims"), None, "it is caught above");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_claim_at_once_one_holds_it() {
    let database = Database::new().await;
    let pool = database.role(WORKER, 8).await;
    for round in 0..20 {
        let mut claims = JoinSet::new();
        for n in 0..8 {
            let leases = Leases::new(pool.clone());
            claims.spawn(async move { leases.claim(&format!("op {round}"), &format!("{n}"), LONG).await });
        }
        let held = claims.join_all().await.into_iter().filter_map(|claim| claim.expect("claims")).count();
        assert_eq!(held, 1);
    }
}

#[tokio::test]
async fn a_lease_for_ever_or_for_no_time_is_refused() {
    let database = Database::new().await;
    let leases = Leases::new(database.role(WORKER, 1).await);
    for span in [Duration::ZERO, Duration::from_secs(3601)] {
        assert!(leases.claim("op", "one", span).await.is_err(), "{span:?}");
    }
}
