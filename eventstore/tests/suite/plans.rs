//! The reader walks the index of the order from its cursor on, wherever the cursor stands and whether the plan was made for
//! its values or for any. A cursor that is only a filter would read the log from its beginning at every poll. An append goes
//! through no table, nor does what reads that which is judged, although a connection keeps the plans that it made while there was
//! next to nothing to go through. Nor is a plan compiled because it seems dear.

use crate::{
    database::{API, Database, PROJECTOR, WORKER},
    story::{append, stream},
};
use rhone_domain::numbers::Version;
use rhone_eventstore::{Append, Log as _, PgLog};
use serde_json::json;
use sqlx::AssertSqlSafe;

const EVENTS: u32 = 40_000;

const FILL: &str = "
    INSERT INTO log.events (era, tx, stream, version, event_id, event_type, schema_version, workspace, actor, actor_kind,
        writer, correlation, occurred_at, payload, hash)
    SELECT 0, (n / 2 + 1)::text::xid8, 'tally:' || gen_random_uuid(), 1, gen_random_uuid(), 'tally.added', 2,
           md5((n % 50)::text)::uuid, gen_random_uuid(), 'user', 'api', gen_random_uuid(), now(), '{\"by\":1}', sha256('x')
    FROM generate_series(1, 40000) AS n;
    ANALYZE log.events";

#[tokio::test]
async fn the_reader_uses_the_index_of_the_order_at_any_depth() {
    let database = Database::new().await;
    database.run(FILL).await;
    let pool = database.role(PROJECTOR, 1).await;
    let mut reader = pool.acquire().await.expect("connects");
    sqlx::raw_sql("PREPARE next_batch AS SELECT * FROM log.read_all($1, $2, $3, $4)")
        .execute(&mut *reader)
        .await
        .expect("prepares");
    for mode in ["force_generic_plan", "force_custom_plan"] {
        for tx in [0, EVENTS / 4, EVENTS / 2 - 3, EVENTS] {
            let set = format!("SET plan_cache_mode = {mode}");
            sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *reader).await.expect("is set");
            let explain = format!(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF)
                 EXECUTE next_batch(0, '{tx}', 0, 500)"
            );
            let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
                .persistent(false)
                .fetch_all(&mut *reader)
                .await
                .expect("a plan");
            let plan = lines.join("\n");
            let cursor = plan.matches("Index Cond: ((ROW(era, tx, pos) > ROW(").count();
            assert_eq!(cursor, 1, "{mode} from {tx}: the cursor is where the index begins\n{plan}");
            assert!(plan.contains("using events_order on events e"), "{mode} from {tx}\n{plan}");
            assert!(!plan.contains("Seq Scan on events"), "{mode} from {tx}\n{plan}");
            assert!(!plan.contains("Rows Removed by Filter"), "{mode} from {tx}: rows were read in vain\n{plan}");
        }
    }
}

const WALKS: &str = "
    SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE schemaname IN ('log', 'authority', 'identity')";

/// How often this log's one connection went through a table meanwhile, by plans of next to nothing.
async fn walks(database: &Database, log: &PgLog, meanwhile: impl AsyncFnOnce()) -> i64 {
    database.run("ANALYZE").await;
    let before = database.number(WALKS).await;
    meanwhile().await;
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(log.pool()).await.expect("it tells what it did");
    database.number(WALKS).await - before
}

async fn walks_of_appends(database: &Database, role: &str) -> i64 {
    let log = PgLog::new(database.role(role, 1).await);
    let (one, other) = (stream(), stream());
    log.append(append(&other, 0, 1)).await.expect("appends");
    let appends = async || {
        for n in 0..10 {
            let (region, key) = (one.id().to_string(), format!("key:{n}"));
            let row = json!({ "table": "feed", "region": region, "key": key, "content": "{}", "final": n % 2 == 0 });
            let asserts = vec![(other.clone(), Version(1))];
            log.append(Append { asserts, inline: vec![row], ..append(&one, n, 1) }).await.expect("appends");
        }
    };
    walks(database, &log, appends).await
}

#[tokio::test]
async fn an_append_goes_through_no_table() {
    let database = Database::new().await;
    for role in [WORKER, API] {
        assert_eq!(walks_of_appends(&database, role).await, 0, "{role}");
    }
    // The sin: the plan that is cheapest while there is little.
    database.run("ALTER FUNCTION log.append RESET enable_seqscan").await;
    assert!(walks_of_appends(&database, WORKER).await >= 10, "it is caught above");
}

/// How often this statement's function goes through a table in ten calls.
async fn walks_of(database: &Database, log: &PgLog, asked: &'static str) -> i64 {
    let asking = async || {
        for _ in 0..10 {
            sqlx::query(asked).execute(log.pool()).await.expect("is answered");
        }
    };
    walks(database, log, asking).await
}

#[tokio::test]
async fn what_is_judged_is_read_through_no_table() {
    let database = Database::new().await;
    let log = PgLog::new(database.role(API, 1).await);
    log.append(append(&stream(), 0, 1)).await.expect("appends");
    for (function, asked) in [
        ("log.read_stream", "SELECT FROM log.read_stream(gen_random_uuid(), NULL, 'tally:1', 0)"),
        ("log.read_streams", "SELECT FROM log.read_streams(gen_random_uuid(), NULL, '{tally:1}')"),
        ("log.read_claim", "SELECT FROM log.read_claim(gen_random_uuid(), NULL, gen_random_uuid())"),
        ("authority.memberships", "SELECT FROM authority.memberships(gen_random_uuid(), NULL)"),
    ] {
        assert_eq!(walks_of(&database, &log, asked).await, 0, "{function}");
        database.run(format!("ALTER FUNCTION {function} RESET enable_seqscan")).await;
        assert!(walks_of(&database, &log, asked).await >= 10, "{function}: the sin is not caught");
    }
}

/// No index helps here. It is cheap: from PostgreSQL 18 on a plan that goes through a table against our wish seems no dearer.
const DEAR: &str = "EXPLAIN SELECT count(*) FROM pg_catalog.pg_description WHERE description = 'x'";

#[tokio::test]
async fn a_plan_that_seems_dear_is_not_compiled() {
    let database = Database::new().await;
    for role in [API, WORKER, PROJECTOR] {
        let pool = database.role(role, 1).await;
        let plan = async || {
            sqlx::raw_sql("SET jit_above_cost = 0").execute(&pool).await.expect("is set");
            sqlx::query_scalar::<_, String>(DEAR).persistent(false).fetch_all(&pool).await.expect("a plan").join("\n")
        };
        let ours = plan().await;
        assert!(ours.contains("Seq Scan") && !ours.contains("JIT"), "{role}: {ours}");
        // The sin: as PostgreSQL comes. It is built without a compiler here and there.
        if sqlx::query_scalar("SELECT pg_jit_available()").fetch_one(&pool).await.expect("an answer") {
            sqlx::raw_sql("SET jit = on").execute(&pool).await.expect("is set");
            let sin = plan().await;
            assert!(sin.contains("JIT"), "{role}: it is caught above: {sin}");
        }
    }
}
