//! When a token was last shown and a session last used, as the database has it written down: at most every half a minute to a
//! minute. The trap avoided: many that were shown in one second and are all due in one second again, so that every request of
//! that second writes.

use crate::database::Database;

/// As many as the statements make.
const MANY: i64 = 256;

const ISSUED: &str = "
    SELECT identity.issue(gen_random_uuid(), sha256(n::text::bytea), 'user', gen_random_uuid(), NULL, NULL, NULL, 'shown', NULL)
    FROM generate_series(1, 256) AS n";

const LATELY: &str = "UPDATE identity.tokens SET last_used_at = clock_timestamp() - interval '45 seconds'";

const A_MINUTE_AGO: &str = "UPDATE identity.tokens SET last_used_at = clock_timestamp() - interval '1 minute'";

const DUE: &str = "SELECT count(*) FROM identity.tokens t, identity.authenticate(t.hash) a WHERE a.use_is_due";

const WITHOUT_SPREAD: &str = "DO $$ BEGIN EXECUTE replace(
    pg_get_functiondef('identity.authenticate(bytea)'::regprocedure), ' * (1 + get_byte(t.hash, 31) / 256.0)', '');
    END $$";

#[tokio::test]
async fn tokens_that_were_shown_in_one_second_are_not_due_in_one_again() {
    let database = Database::new().await;
    database.run(ISSUED).await;
    database.run(LATELY).await;
    let due = database.number(DUE).await;
    assert!((MANY / 4..=MANY * 3 / 4).contains(&due), "{due} of {MANY}");
    database.run(A_MINUTE_AGO).await;
    assert_eq!(database.number(DUE).await, MANY, "each is written within a minute");
    // The sin: the same time for all.
    database.run(WITHOUT_SPREAD).await;
    database.run(LATELY).await;
    assert_eq!(database.number(DUE).await, MANY, "it is caught above");
}

const OPENED: &str = "
    INSERT INTO identity.sessions (session, actor, hash, privileges, idle, expires_at, agent, address)
    SELECT gen_random_uuid(), gen_random_uuid(), sha256(n::text::bytea), '', interval '1 day',
           clock_timestamp() + interval '1 day', 'a browser', '127.0.0.1'
    FROM generate_series(1, 256) AS n";

const USED_LATELY: &str = "UPDATE identity.sessions SET used_at = clock_timestamp() - interval '45 seconds'";

const USED_A_MINUTE_AGO: &str = "UPDATE identity.sessions SET used_at = clock_timestamp() - interval '1 minute'";

/// Everybody comes.
const USED: &str = "SELECT count(*) FROM identity.sessions s, identity.session(s.hash) AS held";

const WRITTEN: &str =
    "SELECT count(*) FROM identity.sessions WHERE used_at > clock_timestamp() - interval '30 seconds'";

const SESSIONS_WITHOUT_SPREAD: &str = "DO $$ BEGIN EXECUTE replace(
    pg_get_functiondef('identity.session(bytea)'::regprocedure), ' * (1 + get_byte(held.hash, 31) / 256.0)', '');
    END $$";

/// How many are written when all that were used then are used again.
async fn written(database: &Database, used: &str) -> i64 {
    database.run(used).await;
    assert_eq!(database.number(USED).await, MANY, "each is known");
    database.number(WRITTEN).await
}

#[tokio::test]
async fn sessions_that_were_used_in_one_second_are_not_written_in_one_again() {
    let database = Database::new().await;
    database.run(OPENED).await;
    let due = written(&database, USED_LATELY).await;
    assert!((MANY / 4..=MANY * 3 / 4).contains(&due), "{due} of {MANY}");
    assert_eq!(written(&database, USED_A_MINUTE_AGO).await, MANY, "each is written within a minute");
    // The sin: the same time for all.
    database.run(SESSIONS_WITHOUT_SPREAD).await;
    assert_eq!(written(&database, USED_LATELY).await, MANY, "it is caught above");
}
