//! A tail waits without asking all the time, is woken by the bell, and repeats itself until it is told to go on. Where time counts it
//! is told: it stands still while anybody has something to do.

use crate::{
    database::until,
    story::{append, clock, stream},
};
use rhone_domain::{envelope::StreamId, numbers::Version};
use rhone_eventstore::{
    Append, AppendError, Appended, Bell, Log, LogIncarnation, MemoryLog, Position, ReadError, Recorded, Tail, Wake as _,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// A log that counts how often it was read.
struct Counted(MemoryLog, AtomicU32);

impl Log for Counted {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.0.append(append).await
    }

    async fn read_stream(&self, stream: &StreamId, after: Version) -> Result<Vec<Recorded>, ReadError> {
        self.0.read_stream(stream, after).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.read_all(after, limit).await
    }

    async fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        self.0.incarnation().await
    }
}

fn counted() -> Arc<Counted> {
    Arc::new(Counted(MemoryLog::new(clock()), AtomicU32::new(0)))
}

#[tokio::test]
async fn the_same_comes_again_until_it_is_done_with() {
    let (log, bell) = (counted(), Bell::default());
    log.append(append(&stream(), 0, 2)).await.expect("appends");
    let mut tail = Tail::new(Arc::clone(&log), Position::START, 100, &bell);
    let batch = tail.next().await.expect("reads");
    assert_eq!(tail.next().await.expect("reads"), batch);
    tail.advance(batch[1].position);
    assert_eq!(tail.position(), batch[1].position);
    assert_eq!(tail.poll().await.expect("reads"), []);
}

#[tokio::test(start_paused = true)]
async fn a_ring_is_heard_long_before_the_next_look() {
    let (log, bell) = (counted(), Bell::default());
    let mut tail = Tail::new(Arc::clone(&log), Position::START, 100, &bell);
    let mut waited = Duration::ZERO;
    for _ in 0..4 {
        log.1.store(0, Ordering::SeqCst);
        let following = tokio::spawn(async move {
            let batch = tail.next().await.expect("reads");
            tail.advance(batch[0].position);
            (tail, Instant::now())
        });
        // After its fourth look it waits for a quarter of a second.
        until("it waits", async || log.1.load(Ordering::SeqCst) >= 4).await;
        let rung = Instant::now();
        log.append(append(&stream(), 0, 1)).await.expect("appends");
        bell.appended(Position::START, &[]);
        let (back, heard) = following.await.expect("ends");
        waited += heard - rung;
        tail = back;
    }
    assert!(waited < Duration::from_millis(500), "four rings took {waited:?}; without them it would be a second");
}

#[tokio::test(start_paused = true)]
async fn a_ring_during_the_look_is_not_lost() {
    let bell = Bell::default();
    let log = Arc::new(RungWhileRead(MemoryLog::new(clock()), bell.clone(), AtomicU32::new(0)));
    let mut tail = Tail::new(log, Position::START, 100, &bell);
    let begun = Instant::now();
    assert_eq!(tail.next().await.expect("reads").len(), 1);
    // 50 + 100 + 200 ms for the looks before the ring; without it, 250 more.
    assert!(begun.elapsed() < Duration::from_millis(590), "{:?}: it waited for its next look", begun.elapsed());
}

/// A log that gets its first event, and a ring, just after its fourth look found it empty.
struct RungWhileRead(MemoryLog, Bell, AtomicU32);

impl Log for RungWhileRead {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.0.append(append).await
    }

    async fn read_stream(&self, stream: &StreamId, after: Version) -> Result<Vec<Recorded>, ReadError> {
        self.0.read_stream(stream, after).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        let found = self.0.read_all(after, limit).await;
        if self.2.fetch_add(1, Ordering::SeqCst) == 3 {
            self.0.append(append(&stream(), 0, 1)).await.expect("appends");
            self.1.ring();
        }
        found
    }

    async fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        self.0.incarnation().await
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_ring_it_looks_a_few_times_a_second() {
    let (log, bell) = (counted(), Bell::default());
    let mut tail = Tail::new(Arc::clone(&log), Position::START, 100, &bell);
    assert!(timeout(Duration::from_secs(2), tail.next()).await.is_err(), "there is nothing");
    let looks = log.1.load(Ordering::SeqCst);
    assert!((2..=11).contains(&looks), "{looks} looks in 2 s");
    log.append(append(&stream(), 0, 1)).await.expect("appends");
    let found = timeout(Duration::from_secs(5), tail.next()).await;
    assert_eq!(found.expect("a lost ring costs no event").expect("reads").len(), 1);
}
