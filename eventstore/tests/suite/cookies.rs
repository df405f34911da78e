//! A session's next cookie comes with an answer, and an answer may be lost. The traps avoided: a former cookie that ends by the
//! clock alone, which signs out whoever was not answered, and one that never ends.

use crate::database::Database;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

const SESSION: Uuid = Uuid::from_u128(15);

/// Whether a cookie is anybody's, and whether it must be replaced.
async fn shown(database: &mut PgConnection, cookie: &str) -> Option<bool> {
    sqlx::query_scalar("SELECT stale FROM identity.session(sha256($1))")
        .bind(cookie.as_bytes())
        .fetch_optional(database)
        .await
        .expect("it answers")
}

/// Whether another one was made in a cookie's place.
async fn replaced(database: &mut PgConnection, cookie: &str, next: &str) -> bool {
    sqlx::query_scalar("SELECT identity.rotate_session($1, sha256($2), sha256($3))")
        .bind(SESSION)
        .bind(cookie.as_bytes())
        .bind(next.as_bytes())
        .fetch_one(database)
        .await
        .expect("it answers")
}

/// A session whose owner may do something else by now.
async fn begun(database: &mut PgConnection) {
    let begin = format!(
        "DELETE FROM identity.sessions;
         SELECT set_config('rhone.actor', '{}', false);
         SELECT identity.open_session('{SESSION}', sha256('first'), 'a browser', '127.0.0.1', 3600, 3600, NULL);
         UPDATE identity.sessions SET privileges = sha256('others')",
        Uuid::from_u128(1)
    );
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(database).await.expect("a session begins");
}

async fn half_a_minute_later(database: &mut PgConnection) {
    let later = "UPDATE identity.sessions SET former_until = former_until - interval '30 s'";
    sqlx::query(later).execute(database).await.expect("half a minute is over");
}

/// The answer with the next cookie is lost. What should be so at each step, and is not.
async fn wrong(database: &mut PgConnection) -> Vec<&'static str> {
    begun(database).await;
    let mut told = vec![
        ("it must be replaced", shown(database, "first").await == Some(true)),
        ("it is", replaced(database, "first", "lost").await),
        ("what was under way is answered", shown(database, "first").await.is_some()),
        ("and of many at once one is given the next", !replaced(database, "first", "at once").await),
    ];
    half_a_minute_later(database).await;
    told.extend([
        ("whoever was not answered is signed in", shown(database, "first").await.is_some()),
        ("must be given another one", shown(database, "first").await == Some(true)),
        ("and is", replaced(database, "first", "third").await),
        ("the one that nobody showed is over", shown(database, "lost").await.is_none()),
        ("the third is good", shown(database, "third").await == Some(false)),
        ("beside it the first counts for a moment", shown(database, "first").await == Some(false)),
    ]);
    half_a_minute_later(database).await;
    told.extend([
        ("the first is over once the third was shown", shown(database, "first").await.is_none()),
        ("and brings no other", !replaced(database, "first", "fourth").await),
        ("the third stays", shown(database, "third").await == Some(false)),
    ]);
    told.into_iter().filter(|(_, so)| !so).map(|(what, _)| what).collect()
}

/// The function, what is taken out of it, and what is wrong then.
const SINS: [(&str, &str, &str); 5] = [
    ("identity.session(bytea)", "s.unshown OR ", "whoever was not answered is signed in"),
    ("identity.session(bytea)", " AND s.hash <> p_hash", "the first is over once the third was shown"),
    (
        "identity.rotate_session(uuid,bytea,bytea)",
        " OR (s.former_hash = p_hash AND s.unshown AND s.former_until <= clock_timestamp())",
        "and is",
    ),
    (
        "identity.rotate_session(uuid,bytea,bytea)",
        " AND s.former_until <= clock_timestamp()",
        "and of many at once one is given the next",
    ),
    ("identity.rotate_session(uuid,bytea,bytea)", " AND s.unshown", "and brings no other"),
];

#[tokio::test]
async fn whoever_was_not_given_the_next_cookie_is_given_another_and_the_former_one_ends_all_the_same() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    assert_eq!(wrong(&mut admin).await, Vec::<&str>::new());
    for (function, sin, noticed) in SINS {
        let sound: String = sqlx::query_scalar("SELECT pg_get_functiondef($1::text::regprocedure)")
            .bind(function)
            .fetch_one(&mut admin)
            .await
            .expect("there is such a function");
        let broken = sound.replace(sin, "");
        assert_ne!(broken, sound, "{function}: {sin} is not in it");
        database.run(broken).await;
        let found = wrong(&mut admin).await;
        assert!(found.contains(&noticed), "{function} without {sin}: {found:?}");
        database.run(sound).await;
    }
}
