//! Logs of builds: numbered on by whoever goes on, kept once, held to their bound, and rotated with their bytes.

use crate::world::{World, until};
use chrono::{DateTime, Utc};
use rhone_domain::{
    ids::{AllocationId, AppId, OperationId, WorkspaceId},
    logs::{LogLine, LogOwner, LogStream},
};
use rhone_projections::logs::{self, Kept, NewChunk};
use rhone_workers::{LogRetention, logs::Writer};
use std::{fs, path::Path, time::Duration};
use uuid::Uuid;

const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn build(number: u128) -> LogOwner {
    let id = Uuid::from_u128(number);
    LogOwner::build(WorkspaceId(Uuid::from_u128(1)), AppId(Uuid::from_u128(2)), OperationId(id))
}

fn writer(world: &World, owner: LogOwner) -> Writer {
    bounded(world, owner, u64::MAX)
}

fn bounded(world: &World, owner: LogOwner, most: u64) -> Writer {
    Writer::new(world.config.artifacts.logs(), world.config.pool.clone(), owner, most)
}

/// Everything of a build, in its order, with the numbers of its lines.
async fn read(world: &World, owner: LogOwner) -> Vec<String> {
    let (_, key) = owner.key().expect("it is owned");
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT first_line, digest FROM diagnostics.log_chunks WHERE owner = $1 ORDER BY pos")
            .bind(key)
            .fetch_all(&mut world.admin().await)
            .await
            .expect("rows");
    let mut told = Vec::new();
    for (first, digest) in rows {
        let digest = rhone_domain::digest::Digest(digest.try_into().expect("32 bytes"));
        let lines = world.config.artifacts.logs().get(key, digest).await.expect("read").expect("there");
        told.extend((first..).zip(lines).map(|(number, line)| format!("{number} {}", line.text)));
    }
    told
}

/// Files below a folder.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_a_build_are_kept_in_order_and_numbered_on_by_the_next_worker() {
    let world = World::new().await;
    let first = writer(&world, build(7));
    for text in ["first", "second"] {
        first.line(AT, LogStream::Stdout, text.into()).await;
    }
    first.flush().await.expect("kept");
    let second = writer(&world, build(7));
    second.line(AT, LogStream::Stderr, "third".into()).await;
    second.flush().await.expect("kept");
    // The first one was not dead after all: it goes on under other numbers.
    first.line(AT, LogStream::Stdout, "fourth".into()).await;
    first.flush().await.expect("kept after another try");
    // What nobody flushes is kept when time is up, or its writer is gone.
    second.line(AT, LogStream::Stdout, "fifth".into()).await;
    until("a line that waits is kept", async || read(&world, build(7)).await.len() == 5).await;
    first.line(AT, LogStream::Stdout, "sixth".into()).await;
    drop((first, second));
    let expected = ["0 first", "1 second", "2 third", "3 fourth", "4 fifth", "5 sixth"];
    until("the last line is kept", async || read(&world, build(7)).await == expected).await;
    world.end().await;
}

/// By whoever keeps its lines, and not by a sweep: none runs here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_prints_too_much_is_held_to_its_bound_while_it_runs_and_keeps_its_end() {
    let world = World::new().await;
    let printed = async |owner: LogOwner, most: u64| {
        let writer = bounded(&world, owner, most);
        for number in 0..2_000 {
            writer.line(AT, LogStream::Stdout, format!("of {number}")).await;
        }
        writer.flush().await.expect("kept");
        read(&world, owner).await
    };
    let kept = printed(build(4), 16_000).await;
    assert!(kept.len() * 70 < 16_000, "{} lines", kept.len());
    assert_eq!(kept.first().map(String::as_str), Some("0 of 0"));
    assert!(kept.last().is_some_and(|last| last.ends_with(" of 1999")), "its end says why it failed: {kept:?}");
    let dropped = kept
        .iter()
        .find_map(|line| line.split_once(" lines were dropped here")?.0.split_once(' ')?.1.parse::<usize>().ok());
    let all = dropped.map(|dropped| dropped + kept.len() - 2);
    assert_eq!(all, Some(2_000), "but for the two lines that say so: {kept:?}");
    // The sin: whatever comes is kept, and waits for a sweep.
    assert_eq!(printed(build(5), u64::MAX).await.len(), 2_000);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_is_kept_once_however_often_it_is_sent() {
    let world = World::new().await;
    let allocation = Some(AllocationId(Uuid::from_u128(9)));
    let owner = LogOwner { operation: None, allocation, ..build(0) };
    let chunk = |first_line, bytes: u8| NewChunk {
        owner,
        first_line,
        lines: 10,
        first_at: AT,
        last_at: AT,
        bytes: 100,
        digest: rhone_domain::digest::Digest([bytes; 32]),
    };
    let keep = async |chunk: NewChunk| logs::keep(&world.config.pool, &chunk).await.expect("the index answers");
    let both = tokio::join!(keep(chunk(0, 1)), keep(chunk(0, 1)));
    assert!(matches!(both, (Kept::Now, Kept::Before) | (Kept::Before, Kept::Now)), "{both:?}");
    assert_eq!(keep(chunk(0, 2)).await, Kept::Otherwise);
    assert_eq!(keep(chunk(5, 3)).await, Kept::Otherwise, "lines in the middle of a chunk were kept, too");
    assert_eq!(keep(chunk(10, 4)).await, Kept::Now);
    assert_eq!(world.numbers("SELECT first_line FROM diagnostics.log_chunks ORDER BY pos").await, [0, 10]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_and_what_is_too_much_goes_with_its_bytes_and_nothing_else() {
    let mut world = World::new().await;
    world.config.nats = None;
    let kept = writer(&world, build(1));
    let (much, old) = (writer(&world, build(2)), writer(&world, build(3)));
    for writer in [&kept, &old] {
        writer.line(AT, LogStream::Stdout, "a little".into()).await;
        writer.flush().await.expect("kept");
    }
    for number in 0..40 {
        // Nothing that gzip could make small.
        let noise: String = (0..4).map(|part| rhone_domain::digest::Digest::of(&[&[number, part]]).hex()).collect();
        much.line(AT, LogStream::Stdout, noise).await;
        much.flush().await.expect("kept");
    }
    let bytes = "SELECT sum(bytes)::bigint FROM diagnostics.log_chunks WHERE operation = '00000000-0000-0000-0000-000000000002'";
    let before = world.number(bytes).await;
    assert!(before > 6_000, "{before}");
    world.run("UPDATE diagnostics.log_chunks SET kept_at = now() - interval '2 days' WHERE operation = '00000000-0000-0000-0000-000000000003'").await;
    world.config.log_retention = LogRetention { age: Duration::from_hours(24), bytes: 4_000 };
    let worker = world.work();
    let count = "SELECT count(*) FROM diagnostics.log_chunks WHERE operation = '00000000-0000-0000-0000-000000000003'";
    until("what is old goes", async || world.number(count).await == 0).await;
    until("what is too much goes", async || world.number(bytes).await <= 4_000).await;
    assert!(world.number(bytes).await > 3_000, "and no more than that");
    let newest =
        "SELECT max(first_line) FROM diagnostics.log_chunks WHERE operation = '00000000-0000-0000-0000-000000000002'";
    assert_eq!(world.number(newest).await, 39, "the newest lines stay");
    let all = usize::try_from(world.number("SELECT count(*) FROM diagnostics.log_chunks").await).expect("a number");
    let lying = async || files(&world.folder().join("artifacts").join("logs")) == all;
    until("no bytes are left of what went", lying).await;
    assert_eq!(read(&world, build(1)).await, ["0 a little"]);
    worker.abort();
    world.end().await;
}

/// Bytes whose row is gone, or was never written, go once they have lain so long that nobody can be writing it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_without_a_row_go_unless_they_are_young_or_named() {
    let mut world = World::new().await;
    world.config.nats = None;
    world.config.log_retention = LogRetention { age: Duration::from_hours(24), bytes: 1 << 20 };
    let store = world.config.artifacts.logs();
    let lines = |text: &str| [LogLine { at: AT, stream: LogStream::Stdout, text: text.to_owned() }];
    let key = |number: u128| Uuid::from_u128(number);
    let named = writer(&world, build(1));
    named.line(AT, LogStream::Stdout, "named".into()).await;
    named.flush().await.expect("kept");
    let old = store.put(key(2), &lines("of nobody")).await.expect("put");
    let young = store.put(key(3), &lines("just put")).await.expect("put");
    // The same bytes as a chunk that is named, under another owner.
    let twin = store.put(key(4), &lines("named")).await.expect("put");
    let folder = world.folder().join("artifacts/logs");
    let long_ago = std::time::SystemTime::now() - Duration::from_hours(3);
    for path in all_files(&folder) {
        if !path.display().to_string().contains(&format!("{}-", key(3).simple())) {
            fs::File::open(path).expect("there").set_modified(long_ago).expect("dated");
        }
    }
    let worker = world.work();
    let gone = async || {
        let (old, twin) = (store.get(key(2), old.digest).await, store.get(key(4), twin.digest).await);
        old.expect("read").is_none() && twin.expect("read").is_none()
    };
    until("bytes without a row go", gone).await;
    assert!(store.get(key(3), young.digest).await.expect("read").is_some(), "its row may be on its way");
    assert_eq!(read(&world, build(1)).await, ["0 named"]);
    worker.abort();
    world.end().await;
}

fn all_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { all_files(&path) } else { vec![path] }).collect()
}
