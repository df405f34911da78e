//! When a token was last shown, as the database has it written down: at most every half a minute to a minute. The trap avoided:
//! many that were shown in one second and are all due in one second again, so that every request of that second writes.

use crate::database::Database;

const TOKENS: i64 = 256;

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
    assert!((TOKENS / 4..=TOKENS * 3 / 4).contains(&due), "{due} of {TOKENS}");
    database.run(A_MINUTE_AGO).await;
    assert_eq!(database.number(DUE).await, TOKENS, "each is written within a minute");
    // The sin: the same time for all.
    database.run(WITHOUT_SPREAD).await;
    database.run(LATELY).await;
    assert_eq!(database.number(DUE).await, TOKENS, "it is caught above");
}
