//! The promise of the order: whoever follows the log misses nothing and sees nothing twice, while many write. The mutant
//! is the obvious reader, `pos > last`; it loses events on the same run.

use crate::{
    database::{Database, PROJECTOR},
    story::{append, stream},
};
use rhone_domain::ids::EventId;
use rhone_eventstore::{Append, Bell, Log as _, PgLog, Position, Recorded, Tail};
use sqlx::PgPool;
use std::{collections::HashSet, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use uuid::Uuid;

const WRITERS: usize = 10;
const APPENDS: usize = 120;

/// Holds some transactions open between their events and their commit, as a slow disk or a slow client would.
const HOLDS: &str = "
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF random() < 0.5 THEN PERFORM pg_sleep(random() * 0.01); END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON log.events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.hold();
    GRANT USAGE ON SCHEMA public TO PUBLIC";

async fn writer(log: PgLog, number: usize) -> Vec<EventId> {
    let mut written = Vec::new();
    for round in 0..APPENDS {
        let events = (number + round) % 3 + 1;
        let mut both = append(&stream(), 0, events as u64);
        if round % 4 == 0 {
            both.writes.extend(append(&stream(), 0, 1).writes);
        }
        written.extend(ids(&both));
        log.append(both).await.expect("appends");
    }
    written
}

fn ids(append: &Append) -> Vec<EventId> {
    append.writes.iter().flat_map(|write| &write.events).map(|event| event.envelope.event_id).collect()
}

/// Follows the log until all is written and all of it was seen.
async fn reader(log: PgLog, mut written: watch::Receiver<Option<usize>>) -> Vec<Recorded> {
    let mut tail = Tail::new(log, Position::START, 7, &Bell::default());
    let mut seen = Vec::new();
    loop {
        if written.borrow_and_update().is_some_and(|count| seen.len() >= count) {
            // Whatever is doubled would come now.
            seen.extend(tail.poll().await.expect("reads"));
            return seen;
        }
        if let Ok(batch) = timeout(Duration::from_millis(300), tail.next()).await {
            let batch = batch.expect("reads");
            tail.advance(batch.last().expect("a batch is never empty").position);
            seen.extend(batch);
        }
    }
}

/// The mutant.
async fn reader_of_pos(pool: PgPool, written: watch::Receiver<Option<usize>>) -> Vec<EventId> {
    let mut last = 0_i64;
    let mut seen = Vec::new();
    loop {
        let over = written.borrow().is_some();
        let batch: Vec<(i64, Uuid)> =
            sqlx::query_as("SELECT pos, event_id FROM log.events WHERE pos > $1 ORDER BY pos LIMIT 100")
                .bind(last)
                .fetch_all(&pool)
                .await
                .expect("reads");
        match batch.last() {
            Some((pos, _)) => last = *pos,
            None if over => return seen,
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        seen.extend(batch.into_iter().map(|(_, id)| EventId(id)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_missed_or_doubled_while_many_write_and_the_pos_reader_misses_some() {
    let database = Database::new().await;
    database.run(HOLDS).await;
    let (tell, written) = watch::channel(None);
    let projector = database.role(PROJECTOR, 4).await;
    let reading = tokio::spawn(reader(PgLog::new(projector.clone()), written.clone()));
    let mutant = tokio::spawn(reader_of_pos(projector, written));

    let log = database.log().await;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(writer(log.clone(), number));
    }
    let committed = writers.join_all().await.into_iter().flatten().collect::<HashSet<_>>();
    tell.send_replace(Some(committed.len()));

    let patience = Duration::from_mins(1);
    let seen = timeout(patience, reading).await.expect("the reader sees everything in the end").expect("reads");
    assert!(seen.is_sorted_by(|a, b| a.position < b.position), "each after the one before");
    let distinct = seen.iter().map(|event| event.envelope.event_id).collect::<HashSet<_>>();
    assert_eq!(distinct.len(), seen.len(), "none doubled");
    assert_eq!(distinct, committed, "none missed");
    assert!(
        seen.windows(2).any(|pair| pair[0].position.pos > pair[1].position.pos),
        "the run had inversions to survive"
    );

    let mutant = mutant.await.expect("reads").into_iter().collect::<HashSet<_>>();
    let missed = committed.difference(&mutant).count();
    assert!(missed > 0, "the mutant must miss some, or this test could not fail");
    println!("{} events; `pos > last` missed {missed}", committed.len());
}

#[tokio::test]
async fn an_event_behind_an_open_transaction_is_held_back_and_the_watermark_names_the_holder() {
    let database = Database::new().await;
    let log = database.log().await;
    // Only an uncommitted write holds readers back, and it may be in any database of the cluster.
    let mut holder = database.admin().await;
    sqlx::raw_sql("SET application_name = 'a long index build'; BEGIN; SELECT pg_current_xact_id()")
        .execute(&mut holder)
        .await
        .expect("a transaction with a number");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.expect("its process");
    let tally = stream();
    log.append(append(&tally, 0, 1)).await.expect("appends");
    assert_eq!(log.read_all(Position::START, 10).await.expect("reads"), []);
    assert_eq!(log.read_stream(&tally, rhone_domain::numbers::Version(0)).await.expect("reads").len(), 1);

    let projector = database.role(PROJECTOR, 1).await;
    crate::database::until("it is the oldest", async || {
        let watermark = rhone_eventstore::boot::watermark(&projector).await.expect("measures");
        let named = watermark.holder.is_some_and(|holder| holder.contains("a long index build"));
        watermark.pid == Some(pid) && watermark.lag_seconds > 0.0 && named
    })
    .await;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.expect("ends");
    crate::database::until("it is read", async || log.read_all(Position::START, 10).await.expect("reads").len() == 1)
        .await;
}
