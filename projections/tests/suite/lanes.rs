//! Which lanes have news: whatever was committed since the last answer, however long ago it was written, and while others still
//! write. Trap: what is younger than the youngest that was seen, which never tells of what was written before and committed after.

use crate::database::Database;
use rhone_domain::ids::{EnvironmentId, HostId};
use rhone_projections::authority::lanes::{self, Seen};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

const ALL: [&str; 4] = ["route_owner", "environment", "allocation", "operation"];

/// An allocation (10) of lane 3 on host 5, which is ready, an operation (20) on lane 4; 3 and 6 have an owner, 7 has none.
const ROWS: &str = "
    INSERT INTO authority.allocations
        (allocation, workspace, app, environment, deployment, region, cell, host, state, ended, generation, version, body)
    SELECT id(10), id(0), id(0), id(3), id(8), id(0), id(0), id(5), 'ready', false, 0, 1, '{}';
    INSERT INTO authority.operations
        (operation, workspace, app, environment, deployment, region, kind, stage, ended, version, deadline, body)
    SELECT id(20), id(0), id(0), id(4), id(0), id(0), 'promotion', 'requested', false, 1, now(), '{}';
    INSERT INTO authority.route_owners
        (environment, workspace, app, region, cell, deployment, epoch, revision, version, body)
    SELECT id(lane), id(0), id(0), id(0), id(0), id(owner), 1, 1, 1, '{}'
    FROM (VALUES (3, 8), (6, 8), (7, NULL)) AS t (lane, owner)";

async fn world() -> (Database, sqlx::PgPool) {
    let database = Database::new().await;
    database
        .run("CREATE FUNCTION id(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$")
        .await;
    database.run(ROWS).await;
    let worker = database.role("rhone_worker").await;
    (database, worker)
}

/// The next event of a stream.
async fn write(connection: &mut PgConnection, category: &str, n: u32) {
    let event = format!(
        "INSERT INTO log.events (era, stream, version, event_id, event_type, schema_version, workspace, actor, actor_kind,
             writer, correlation, occurred_at, payload, hash)
         SELECT 1, '{category}:' || id({n}), coalesce(max(e.version), 0) + 1, gen_random_uuid(), 'any.thing', 1, id(0),
                id(0), 'user', 'api', id(0), now(), '{{}}', decode(repeat('00', 32), 'hex')
         FROM log.events e WHERE e.stream = '{category}:' || id({n})"
    );
    sqlx::raw_sql(AssertSqlSafe(event)).execute(connection).await.expect("the administrator may write anything");
}

async fn news(worker: &sqlx::PgPool, seen: &mut Seen) -> Vec<u128> {
    let mut connection = worker.acquire().await.expect("connects");
    let (found, now) = lanes::changed(&mut connection, seen, &ALL).await.expect("asks");
    *seen = now;
    let mut found = found.into_iter().map(|lane| digits(lane.0)).collect::<Vec<_>>();
    found.sort_unstable();
    found
}

/// The number that an id of these tests was made from.
fn digits(id: Uuid) -> u128 {
    id.simple().to_string().parse().expect("decimal digits")
}

#[tokio::test]
async fn what_commits_late_is_news_and_waits_for_nobody() {
    let (database, worker) = world().await;
    let mut seen = lanes::seen(&mut worker.acquire().await.expect("connects")).await.expect("asks");
    let (mut slow, mut quick) = (database.admin().await, database.admin().await);
    let mut late = slow.begin().await.expect("begins");
    write(&mut late, "route_owner", 1).await;
    write(&mut quick, "environment", 2).await;
    // The sin goes on from the youngest event that it saw.
    let youngest = "SELECT max(tx)::text FROM log.events";
    let youngest: String = sqlx::query_scalar(youngest).fetch_one(&mut quick).await.expect("there is one");
    assert_eq!(news(&worker, &mut seen).await, [2], "an open transaction keeps nobody waiting");
    late.commit().await.expect("commits");
    let sin = "SELECT count(*) FROM log.events WHERE tx > $1::text::xid8";
    let sin: i64 = sqlx::query_scalar(sin).bind(youngest).fetch_one(&mut quick).await.expect("counts");
    assert_eq!(sin, 0, "the sin would never hear of the first");
    assert_eq!(news(&worker, &mut seen).await, [1]);
    assert_eq!(news(&worker, &mut seen).await, [0_u128; 0], "and everything is news once");
}

#[tokio::test]
async fn an_event_is_news_of_the_lane_that_it_is_about() {
    let (database, worker) = world().await;
    let mut seen = lanes::seen(&mut worker.acquire().await.expect("connects")).await.expect("asks");
    let mut admin = database.admin().await;
    for (category, n) in [("allocation", 10), ("operation", 20), ("environment", 6), ("route_owner", 6), ("app", 9)] {
        write(&mut admin, category, n).await;
    }
    assert_eq!(news(&worker, &mut seen).await, [3, 4, 6]);
    let mut connection = worker.acquire().await.expect("connects");
    let (found, _) = lanes::changed(&mut connection, &seen, &["environment"]).await.expect("asks");
    assert_eq!(found, [], "it was asked for before");
}

#[tokio::test]
async fn a_log_that_was_restored_lives_another_life_of_which_no_event_tells() {
    let (database, worker) = world().await;
    let mut connection = worker.acquire().await.expect("connects");
    let before = lanes::seen(&mut connection).await.expect("asks");
    let (_, same) = lanes::changed(&mut connection, &before, &ALL).await.expect("asks");
    assert!(same.is_of_the_life_of(&before));
    database.run("SELECT log.reseal('restored from a dump', id(9))").await;
    let (found, now) = lanes::changed(&mut connection, &before, &ALL).await.expect("asks");
    assert_eq!(found, [], "the sin goes on with what events tell");
    assert!(!now.is_of_the_life_of(&before), "every lane is to be looked at");
}

#[tokio::test]
async fn all_lanes_are_those_with_an_owner_or_an_allocation_and_whole_is_what_is_ready() {
    let (_database, worker) = world().await;
    let mut connection = worker.acquire().await.expect("connects");
    let mut all = lanes::all(&mut connection).await.expect("asks");
    all.sort_unstable();
    let all = all.into_iter().map(|(lane, whole)| (digits(lane.0), whole)).collect::<Vec<_>>();
    assert_eq!(all, [(3, true), (6, false)]);
    let host = |n: u128| HostId(Uuid::parse_str(&format!("{n:032}")).expect("an id"));
    let on = lanes::on_hosts(&mut connection, &[host(5), host(9)]).await.expect("asks");
    assert_eq!(on.into_iter().map(|EnvironmentId(lane)| digits(lane)).collect::<Vec<_>>(), [3]);
}
