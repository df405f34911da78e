//! A region's feed that grows by many entries at once is the feed that would have grown entry by entry. Trap: an order, a link
//! of the chain or a last word that depends on how many come together.

use crate::database::Database;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The same story for every region: `c` is known; then `a` is told of and ends, `b` is told of twice, `c` ends, and `d` ends and
/// begins again.
const STORY: &str = "
    CREATE FUNCTION id(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
    CREATE FUNCTION entry(n int, word text, told text, ends boolean) RETURNS json LANGUAGE sql AS $$
        SELECT json_build_object('table', 'feed', 'region', id(n), 'key', word, 'content', told, 'final', ends)
    $$;
    CREATE FUNCTION entries(n int) RETURNS json LANGUAGE sql AS $$
        SELECT json_agg(entry(n, e.word, e.told, e.ends) ORDER BY e.nth)
        FROM (VALUES (1, 'b', 'one', false), (2, 'a', 'two', false), (3, 'b', 'three', false), (4, 'c', 'four', true),
                     (5, 'a', 'five', true), (6, 'd', 'six', true), (7, 'd', 'seven', false))
             AS e (nth, word, told, ends)
    $$;
    CREATE FUNCTION at_once(n int) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM authority.apply(json_build_array(entry(n, 'c', 'zero', false)), 1);
        PERFORM authority.apply(entries(n), 1);
    END $$;
    CREATE FUNCTION one_by_one(n int) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        one json;
    BEGIN
        PERFORM authority.apply(json_build_array(entry(n, 'c', 'zero', false)), 1);
        FOR one IN SELECT e.value FROM json_array_elements(entries(n)) WITH ORDINALITY AS e (value, nth)
                   ORDER BY (e.value->>'key') COLLATE \"C\", e.nth LOOP
            PERFORM authority.apply(json_build_array(one), 1);
        END LOOP;
    END $$;";

/// All of a region's feed but which region it is of.
const TOLD: &str = "SELECT concat_ws(E'\\n',
    (SELECT string_agg(concat_ws(' ', f.seq, f.prev, f.digest, f.key, f.content), E'\\n' ORDER BY f.seq)
     FROM authority.feed f WHERE f.region = id($1)),
    (SELECT string_agg(concat_ws(' ', l.seq, l.key, l.content), E'\\n' ORDER BY l.key)
     FROM authority.feed_latest l WHERE l.region = id($1)),
    (SELECT concat_ws(' ', h.seq, h.digest) FROM authority.feeds h WHERE h.region = id($1)))";

/// What does not follow on what is before it.
const BROKEN: &str = "SELECT count(*) FROM (
        SELECT f.prev, f.digest, f.content,
               lag(f.digest, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY f.seq) AS known
        FROM authority.feed f WHERE f.region = id(1)) AS link
    WHERE link.prev <> link.known OR link.digest <> sha256(link.known || convert_to(link.content, 'UTF8'))";

const LAST_WORDS: &str = "SELECT string_agg(concat_ws(' ', l.seq, l.key, l.content), ', ' ORDER BY l.key)
    FROM authority.feed_latest l WHERE l.region = id(1)";

/// What is taken out of the function, and what stands there instead.
const SINS: [(&str, &str); 3] = [
    ("last := sha256(last ||", "last := sha256(head.digest ||"),
    ("n.key, n.nth DESC", "n.key, n.nth"),
    ("IF p_finals[i] THEN", "IF false THEN"),
];

async fn told(connection: &mut PgConnection, region: i32) -> String {
    sqlx::query_scalar(TOLD).bind(region).fetch_one(connection).await.expect("a feed")
}

#[tokio::test]
async fn a_feed_that_grows_at_once_is_the_feed_that_grew_entry_by_entry() {
    let database = Database::new().await;
    database.run(STORY).await;
    database.run("SELECT at_once(1); SELECT one_by_one(2);").await;
    let mut admin = database.admin().await;
    let slowly = told(&mut admin, 2).await;
    assert_eq!(told(&mut admin, 1).await, slowly);
    assert_eq!(database.number(BROKEN).await, 0, "{slowly}");
    let words: String = sqlx::query_scalar(LAST_WORDS).fetch_one(&mut admin).await.expect("last words");
    assert_eq!(words, "5 b three, 8 d seven", "{slowly}");
    for (from, to) in SINS {
        let mut transaction = admin.begin().await.expect("begins");
        let sound = "SELECT pg_get_functiondef('authority.feed_extend(uuid,text[],text[],boolean[])'::regprocedure)";
        let sound: String = sqlx::query_scalar(sound).fetch_one(&mut *transaction).await.expect("there is one");
        let broken = sound.replace(from, to);
        assert_ne!(broken, sound, "{from} is not in it");
        let sin = format!("{broken}; SELECT at_once(3);");
        sqlx::raw_sql(AssertSqlSafe(sin)).execute(&mut *transaction).await.expect("it is SQL");
        assert_ne!(told(&mut transaction, 3).await, slowly, "{from} becomes {to}, and nobody sees it");
        transaction.rollback().await.expect("nothing stays");
    }
}
