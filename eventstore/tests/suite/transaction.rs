//! Who gives up while a transaction begins leaves none behind: what is appended after it, on the same connection, is kept. The sin
//! beside it: the beginning of the library's own pool.

use crate::{
    database::{Database, WORKER},
    story::{ALICE, append, stream},
};
use rhone_domain::numbers::Version;
use rhone_eventstore::{Appended, Log as _, PgLog, Transaction};
use sqlx::{Error, PgPool};
use std::time::Duration;
use tokio::time::timeout;

/// How often somebody gives up: more often than an answer of the server may come in time.
const TIMES: usize = 20;

/// How many appends are acknowledged after a beginning that was given up, and not in the log.
async fn lost<T>(begin: impl AsyncFn(&PgPool) -> Result<T, Error>) -> usize {
    let database = Database::new().await;
    let reader = database.log().await;
    let mut lost = 0;
    for _ in 0..TIMES {
        // One connection, so that it is this one which is used next.
        let log = PgLog::new(database.role(WORKER, 1).await);
        // Looked at once: that sends it.
        let _ = timeout(Duration::ZERO, begin(log.pool())).await;
        let told = stream();
        let acknowledged = log.append(append(&told, 0, 1)).await.expect("is acknowledged");
        assert!(matches!(acknowledged, Appended::Done { .. }), "{acknowledged:?}");
        let kept = reader.read_stream(&told, Version(0)).await.expect("can be read");
        lost += usize::from(kept.is_empty());
        log.pool().close().await;
    }
    lost
}

#[tokio::test]
async fn an_append_after_a_beginning_that_was_given_up_is_kept() {
    assert_eq!(lost(async |pool| Transaction::begin(pool).await).await, 0);
    assert_eq!(lost(async |pool| Transaction::begin_as(pool, ALICE.0, None).await).await, 0);
}

/// When this finds nothing any more, the library ends what it began.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it is the sin")]
async fn mutant_the_pools_own_beginning_loses_appends() {
    assert!(lost(async |pool| pool.begin().await).await > 0, "the sin must be seen");
}
