//! One request, one effect: twins at the same moment, and a retry after an answer that was lost on the way.

use crate::{
    database::Database,
    story::{append, request, stream},
};
use rhone_domain::{envelope::StreamId, numbers::Version};
use rhone_eventstore::{Append, AppendError, Appended, Log as _, PgLog, postgres};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

fn asking(stream: &StreamId, asked: &str, answer: u64) -> Append {
    Append { idempotency: Some(request("key", asked, json!(answer))), ..append(stream, 0, 1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twins_at_the_same_moment_exactly_one_acts_and_all_get_its_answer() {
    let database = Database::new().await;
    let log = database.log().await;
    for _ in 0..10 {
        let mut twins = JoinSet::new();
        // Each would write a stream of its own: only the key keeps them apart.
        let key = clock_key();
        for n in 0..12_u64 {
            let log = log.clone();
            let mut append = asking(&stream(), "add", n);
            append.idempotency.as_mut().expect("it has one").key.clone_from(&key);
            twins.spawn(async move { (n, log.append(append).await.expect("is answered")) });
        }
        let answers = twins.join_all().await;
        let acted = answers.iter().filter(|(_, answer)| matches!(answer, Appended::Done { .. })).collect::<Vec<_>>();
        let [(winner, Appended::Done { position })] = acted[..] else { panic!("{acted:?} acted") };
        for (_, answer) in answers.iter().filter(|(n, _)| n != winner) {
            assert_eq!(*answer, Appended::Replayed { answer: json!(winner), position: *position });
        }
    }
    assert_eq!(database.number("SELECT count(*) FROM log.events").await, 10);
}

fn clock_key() -> String {
    crate::story::clock().new_id::<uuid::Uuid>().to_string()
}

/// A client hears nothing and asks again, each time for a resource under an id of its own. The sin: it asks without its key.
#[tokio::test]
async fn trap_retrying_mutation_requests_and_creating_duplicate_resources() {
    let database = Database::new().await;
    let log = database.log().await;
    let retries = async |key: Option<String>| {
        let before = database.number("SELECT count(*) FROM log.heads").await;
        for _ in 0..3 {
            let mut asked = asking(&stream(), "create", 1);
            match (&key, &mut asked.idempotency) {
                (Some(key), Some(idempotency)) => idempotency.key.clone_from(key),
                (None, idempotency) => *idempotency = None,
                (Some(_), None) => unreachable!("it asks with a key"),
            }
            log.append(asked).await.expect("is answered");
        }
        database.number("SELECT count(*) FROM log.heads").await - before
    };
    assert_eq!(retries(Some(clock_key())).await, 1, "one request, one resource");
    let without_a_key = None;
    assert_eq!(retries(without_a_key).await, 3, "the sin is caught: every retry makes another one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_different_requests_under_one_key_one_acts_and_the_others_are_refused() {
    let database = Database::new().await;
    let log = database.log().await;
    let mut rivals = JoinSet::new();
    for n in 0..8_u64 {
        let log = log.clone();
        rivals.spawn(async move { log.append(asking(&stream(), &format!("add {n}"), n)).await });
    }
    let answers = rivals.join_all().await;
    let acted = answers.iter().filter(|answer| matches!(answer, Ok(Appended::Done { .. }))).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(AppendError::KeyReused { .. }))).count();
    assert_eq!((acted, refused), (1, 7));
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_unknown_and_its_retry_has_no_second_effect() {
    let database = Database::new().await;
    let wire = Wire::to(&database.role_url(crate::database::WORKER)).await;
    let behind = PgLog::new(postgres::connect(&wire.url, "tests", 1).await.expect("connects through the wire"));
    behind.append(append(&stream(), 0, 1)).await.expect("the statement is known to the connection");

    // A connection that is given back is first asked whether it still lives; that answer must not be the one that is cut.
    crate::database::until("the connection is idle", async || behind.pool().num_idle() == 1).await;
    let tally = stream();
    wire.cut_at_next_answer.store(true, Ordering::SeqCst);
    let lost = behind.append(asking(&tally, "add", 1)).await;
    assert!(matches!(lost, Err(AppendError::Unknown(_))), "{lost:?}");

    let log = database.log().await;
    assert_eq!(log.read_stream(&tally, Version(0)).await.expect("reads").len(), 1, "it did happen");
    let retry = log.append(asking(&tally, "add", 1)).await.expect("is answered");
    assert!(matches!(&retry, Appended::Replayed { answer, position: Some(_) } if *answer == json!(1)), "{retry:?}");
    assert_eq!(log.read_stream(&tally, Version(0)).await.expect("reads").len(), 1, "and only once");
}

#[tokio::test]
async fn an_append_whose_server_process_was_ended_is_unknown_and_its_retry_acts() {
    let database = Database::new().await;
    database
        .run(
            "CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON log.events DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION public.hold()",
        )
        .await;
    let log = database.log().await;
    let tally = stream();
    let held = tokio::spawn({
        let (log, append) = (log.clone(), asking(&tally, "add", 1));
        async move { log.append(append).await }
    });
    crate::database::until("it is held at its commit and ended", async || {
        database
            .number(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event = 'PgSleep'",
            )
            .await
            == 1
    })
    .await;
    let ended = held.await.expect("it is answered");
    assert!(matches!(ended, Err(AppendError::Unknown(_))), "{ended:?}");
    database.run("DROP TRIGGER hold ON log.events").await;
    assert!(matches!(log.append(asking(&tally, "add", 1)).await, Ok(Appended::Done { .. })));
}

/// A wire to the server that is cut just when an answer is about to pass.
struct Wire {
    url: String,
    cut_at_next_answer: Arc<AtomicBool>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let (before, rest) = url.rsplit_once('@').expect("a URL names its user");
        let (server, path) = rest.split_once('/').expect("a URL names its database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("its address");
        let cut = Arc::new(AtomicBool::new(false));
        let wire = Self { url: format!("{before}@{here}/{path}"), cut_at_next_answer: Arc::clone(&cut) };
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server listens");
                tokio::spawn(carry(client, server, Arc::clone(&cut)));
            }
        });
        wire
    }
}

async fn carry(client: TcpStream, server: TcpStream, cut: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut answer = vec![0; 65_536];
    while let Ok(length @ 1..) = from_server.read(&mut answer).await {
        if cut.swap(false, Ordering::SeqCst) || to_client.write_all(&answer[..length]).await.is_err() {
            break;
        }
    }
    questions.abort();
}
