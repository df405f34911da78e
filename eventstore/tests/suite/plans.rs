//! The reader walks the index of the order from its cursor on, wherever the cursor stands and whether the plan was made for
//! its values or for any. A cursor that is only a filter would read the log from its beginning at every poll.

use crate::database::{Database, PROJECTOR};
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
