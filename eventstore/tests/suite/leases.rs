//! A lease has one holder at a time, and every new holder a higher fence.

use crate::{
    database::{Database, WORKER, until},
    story::{append, stream},
};
use rhone_domain::numbers::Fence;
use rhone_eventstore::{Append, AppendError, FenceCheck, Log as _, PgLog, lease::Leases};
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
