//! Appends that touch the same streams in opposite order never wait for each other in a circle, because streams are locked
//! by name. The mutants are the append function without that order: where streams are asserted, and where all are written.

use crate::{
    database::Database,
    story::{append, stream, write},
};
use rhone_domain::{envelope::StreamId, numbers::Version};
use rhone_eventstore::{Append, AppendError, Log as _, PgLog};
use sqlx::AssertSqlSafe;

const ROUNDS: usize = 1_000;

/// How many of so many rounds ended in a deadlock.
async fn deadlocks(log: &PgLog, rounds: usize) -> usize {
    let (one, other) = (stream(), stream());
    for stream in [&one, &other] {
        log.append(append(stream, 0, 1)).await.expect("appends");
    }
    let forth = tokio::spawn(rounds_of(log.clone(), one.clone(), other.clone(), rounds));
    let back = tokio::spawn(rounds_of(log.clone(), other, one, rounds));
    forth.await.expect("ends") + back.await.expect("ends")
}

async fn rounds_of(log: PgLog, first: StreamId, second: StreamId, rounds: usize) -> usize {
    let mut deadlocks = 0;
    let mut known = (0, 0);
    for round in 0..rounds {
        let append = match round % 3 {
            0 => Append { asserts: vec![(second.clone(), Version(known.1))], ..append(&first, known.0, 1) },
            1 => Append { writes: vec![write(&first, known.0, 1), write(&second, known.1, 1)], ..append(&first, 0, 0) },
            // Both new to the log, so that it is their heads' creation that meets.
            _ => {
                let twins = [&first, &second].map(|stream| sibling(stream, round));
                Append { writes: twins.iter().map(|stream| write(stream, 0, 1)).collect(), ..append(&first, 0, 0) }
            }
        };
        match log.append(append).await {
            Ok(_) | Err(AppendError::Conflict { .. }) => {}
            Err(AppendError::Unavailable(error)) if is_deadlock(&error) => deadlocks += 1,
            Err(other) => panic!("{other:?}"),
        }
        known = (version(&log, &first).await, version(&log, &second).await);
    }
    deadlocks
}

fn sibling(stream: &StreamId, round: usize) -> StreamId {
    StreamId::new("tally", rhone_domain::ids::derived(&[stream.as_str(), &round.to_string()]))
}

async fn version(log: &PgLog, stream: &StreamId) -> u64 {
    let version: i64 = sqlx::query_scalar("SELECT version FROM log.heads WHERE stream = $1")
        .bind(stream.as_str())
        .fetch_one(log.pool())
        .await
        .expect("it has a head");
    version.try_into().expect("a version counts up")
}

fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("40P01")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_to_the_same_streams_in_opposite_order_never_deadlock() {
    let database = Database::new().await;
    assert_eq!(deadlocks(&database.log().await, ROUNDS).await, 0);
}

/// Whether they do once this is put for that in the append function.
async fn deadlock_with(of: &str, by: &str) -> bool {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    let append: String = sqlx::query_scalar("SELECT pg_get_functiondef('log.append'::regproc)")
        .fetch_one(&mut admin)
        .await
        .expect("the function's text");
    let mutant = append.replace(of, by);
    assert_ne!(mutant, append, "there was an order to leave out");
    sqlx::raw_sql(AssertSqlSafe(mutant)).execute(&mut admin).await.expect("the mutant");
    database
        .run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 5', current_database()); END $$")
        .await;
    let log = database.log().await;
    for _ in 0..20 {
        if deadlocks(&log, 100).await > 0 {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_order_by_name_they_do() {
    let none = "no deadlock in 2,000 rounds: the test above could not fail";
    assert!(deadlock_with("ORDER BY s.stream COLLATE \"C\", s.written DESC", "").await, "{none}");
    let moved = "FROM written s ORDER BY s.stream COLLATE \"C\"";
    assert!(deadlock_with(moved, "FROM written s ORDER BY random()").await, "{none}");
}
