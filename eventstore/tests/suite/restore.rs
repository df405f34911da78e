//! A dump restored on a fresh cluster: its transactions are numbered ahead of the cluster, so it would read as empty. It is
//! refused until it is resealed; then its history is read as before and goes on after it. A log that somebody only appends to
//! while it is looked at is not refused; the mutant is the look in several snapshots.

use crate::{
    database::{Database, allow_roles},
    story::{append, stream},
};
use rhone_eventstore::{
    Cursor, CursorError, Log as _, LogIncarnation, Position,
    boot::{self, BootError},
};
use rhone_migrations::ROLES;
use rhone_providers::servers::Postgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::process::{Command, Output};

/// A dump, as text.
pub(crate) fn dump(url: &str) -> Vec<u8> {
    told(Command::new("pg_dump").args(["--dbname", url]).output()).stdout
}

/// Runs a dump in an empty database.
pub(crate) fn restore(dump: &[u8], url: &str) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), dump).expect("is written");
    let arguments = ["-XqAt", "-v", "ON_ERROR_STOP=1", "--dbname", url, "-f"];
    told(Command::new("psql").args(arguments).arg(file.path()).output());
}

fn told(output: std::io::Result<Output>) -> Output {
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Uses many transaction numbers up, as a life of some length does.
const AGE: &str = "DO $$ BEGIN FOR n IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$";

#[tokio::test]
async fn a_restored_log_is_refused_until_resealed_and_then_goes_on_where_it_was() {
    let original = Database::new().await;
    original.run(AGE).await;
    let log = original.log().await;
    for events in 1..=3 {
        log.append(append(&stream(), 0, events)).await.expect("appends");
    }
    let history = crate::conformance::everything(&log, 6).await;
    boot::check(log.pool()).await.expect("the original opens");
    let position = history.last().expect("there is some").position;
    let cursor = Cursor { incarnation: log.incarnation().await.expect("is known"), position };

    let folder = tempfile::tempdir().expect("a folder");
    let fresh = Postgres::start_for_test(folder.path()).await.expect("a fresh cluster");
    let restored = restored_on(&fresh, &original).await;
    let log = restored.log().await;
    assert_eq!(log.read_all(Position::START, 100).await.expect("reads"), [], "the trap: it reads as empty");
    let refused = boot::check(log.pool()).await;
    assert!(matches!(&refused, Err(BootError::Sealed { message }) if message.contains("reseal")), "{refused:?}");

    let era = boot::reseal(&restored.admin_pool().await, "restored from the dump of today", crate::story::ALICE).await;
    assert_eq!(era.expect("reseals"), 2);
    boot::check(log.pool()).await.expect("it opens");
    assert_eq!(log.read_all(Position::START, 100).await.expect("reads"), history, "in the order it had");
    log.append(append(&stream(), 0, 1)).await.expect("appends");
    let all = crate::conformance::everything(&log, 7).await;
    assert_eq!(all[..6], history);
    assert!(all[6].position > position && all[6].position.tx < position.tx, "{} after {position}", all[6].position);
    assert_eq!(log.read_all(position, 100).await.expect("reads"), all[6..], "a checkpoint goes on from before");
    let audited = "SELECT count(*) FROM log.eras WHERE era = 2 AND reason = 'restored from the dump of today'
                   AND actor = '00000000-0000-0000-0000-0000000a11ce'";
    assert_eq!(restored.number(audited).await, 1);

    let ours = log.incarnation().await.expect("is known");
    assert_ne!(ours.system, cursor.incarnation.system);
    let read: Cursor = cursor.to_string().parse().expect("a cursor");
    assert_eq!(read.continue_in(ours), Err(CursorError::Resync { theirs: cursor.incarnation, ours }));
    log.pool().close().await;
    fresh.stop().await;
}

async fn restored_on(fresh: &Postgres, original: &Database) -> Database {
    let mut admin = PgConnection::connect(&fresh.url("postgres")).await.expect("the administrator connects");
    sqlx::raw_sql(ROLES).execute(&mut admin).await.expect("the roles");
    // The administrator of the original owns the record of its migrations.
    let owner: String =
        sqlx::query_scalar("SELECT current_user").fetch_one(&mut original.admin().await).await.expect("a name");
    let make = format!("DO $$ BEGIN CREATE ROLE {owner}; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut admin).await.expect("the original's administrator");
    allow_roles(&mut admin).await;
    sqlx::raw_sql("CREATE DATABASE restored").execute(&mut admin).await.expect("a database");
    admin.close().await.expect("closes");
    let restored = Database::on(fresh, "restored");
    restore(&dump(&original.url()), &restored.url());
    restored.close().await;
    restored
}

/// How many wait for a lock on the events of this database.
macro_rules! waiting_for {
    ($mode:literal) => {
        concat!(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             WHERE d.datname = current_database() AND l.relation = 'log.events'::regclass AND NOT l.granted
               AND l.mode = '",
            $mode,
            "'"
        )
    };
}

#[tokio::test]
async fn an_open_append_keeps_a_reseal_waiting_and_none_begins_meanwhile() {
    let database = Database::new().await;
    let mut open = database.admin().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE log.events IN ROW EXCLUSIVE MODE")
        .execute(&mut open)
        .await
        .expect("an append's lock");
    let pool = database.admin_pool().await;
    let reseal = tokio::spawn(async move { boot::reseal(&pool, "while one is open", crate::story::ALICE).await });
    crate::database::until("it waits", async || database.number(waiting_for!("ExclusiveLock")).await == 1).await;
    let log = database.log().await;
    let late = tokio::spawn({
        let log = log.clone();
        async move { log.append(append(&stream(), 0, 1)).await }
    });
    crate::database::until("the append waits behind it", async || {
        database.number(waiting_for!("RowExclusiveLock")).await == 1
    })
    .await;
    sqlx::raw_sql("COMMIT").execute(&mut open).await.expect("ends");
    assert_eq!(reseal.await.expect("ends").expect("reseals"), 2);
    late.await.expect("ends").expect("appends");
    let events = crate::conformance::everything(&log, 1).await;
    assert_eq!(events[0].position.era, 2, "whoever came after it belongs to the new era");
    let incarnation: LogIncarnation = log.incarnation().await.expect("is known");
    assert_eq!(incarnation.era, 2);
}

/// Those who wait where the check pauses.
const PAUSED: &str = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted";

/// What the check says when somebody appends after it has read the cluster's number, and before it reads the last event.
async fn checked_while_one_appends(database: &Database) -> Result<(), BootError> {
    let log = database.log().await;
    log.append(append(&stream(), 0, 1)).await.expect("appends");
    let mut admin = database.admin().await;
    let check: String = sqlx::query_scalar("SELECT pg_get_functiondef('log.check_boot'::regproc)")
        .fetch_one(&mut admin)
        .await
        .expect("the function's text");
    // What it declares is read before it begins.
    let pausing = check.replace("BEGIN\n", "BEGIN\n    PERFORM pg_advisory_xact_lock_shared(1);\n");
    assert_ne!(pausing, check, "there was a place to pause");
    sqlx::raw_sql(AssertSqlSafe(pausing)).execute(&mut admin).await.expect("it pauses");
    sqlx::raw_sql("SELECT pg_advisory_lock(1)").execute(&mut admin).await.expect("the lock it pauses at");
    let pool = log.pool().clone();
    let checking = tokio::spawn(async move { boot::check(&pool).await });
    crate::database::until("it has paused", async || database.number(PAUSED).await == 1).await;
    log.append(append(&stream(), 0, 1)).await.expect("appends");
    sqlx::raw_sql("SELECT pg_advisory_unlock(1)").execute(&mut admin).await.expect("it goes on");
    checking.await.expect("ends")
}

#[tokio::test]
async fn a_log_that_somebody_appends_to_while_it_is_checked_opens() {
    let database = Database::new().await;
    checked_while_one_appends(&database).await.expect("it opens");
    // The sin: each of its statements sees what is there by then.
    let database = Database::new().await;
    database.run("ALTER FUNCTION log.check_boot() VOLATILE").await;
    let refused = checked_while_one_appends(&database).await;
    assert!(matches!(&refused, Err(BootError::Sealed { .. })), "it is caught above: {refused:?}");
}
