//! Causes across correlations: a deploy that asks for a promotion, whose allocation's runner reports under a correlation of its
//! own, as all of them did once. And who is behind each step of it, and what they are called.

use crate::database::Database;
use rhone_projections::{origins, people, timeline};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

const ALICE: Uuid = Uuid::from_u128(0xa);
const BOB: Uuid = Uuid::from_u128(0xb);
const DEPLOY: Uuid = Uuid::from_u128(1);
const PROMOTION: Uuid = Uuid::from_u128(2);
const ALLOCATION: Uuid = Uuid::from_u128(3);

/// Number, stream, version, type, kind of actor, actor, correlation, cause: in both the log and the timeline.
const EVENTS: &str = "
    CREATE TEMPORARY TABLE told AS
    SELECT n, noun || ':' || lpad(id, 32, '0')::uuid AS stream, version, type, kind, lpad(actor, 32, '0')::uuid AS actor,
        lpad(correlation, 32, '0')::uuid AS correlation, lpad(cause, 32, '0')::uuid AS cause
    FROM (VALUES
        (11, 'operation', '1', 1, 'operation.requested', 'user', 'a', '1', NULL),
        (12, 'operation', '1', 2, 'operation.stage_entered', 'worker', 'e', '1', '11'),
        (13, 'operation', '2', 1, 'operation.requested', 'worker', 'e', '1', '12'),
        (14, 'operation', '2', 2, 'operation.stage_entered', 'worker', 'e', '2', '13'),
        (15, 'allocation', '3', 1, 'allocation.planned', 'worker', 'e', '2', '14'),
        (16, 'allocation', '3', 2, 'allocation.failed', 'runner', 'f', '3', '15'),
        (17, 'operation', '2', 3, 'operation.failed', 'worker', 'e', '2', '14'),
        (18, 'operation', '9', 1, 'operation.requested', 'token', 'b', '9', NULL),
        (19, 'allocation', '5', 1, 'allocation.planned', 'worker', 'e', '5', NULL),
        (20, 'operation', '2', 4, 'operation.late_report_recorded', 'worker', 'e', '2', '17')
    ) AS t (n, noun, id, version, type, kind, actor, correlation, cause);
    INSERT INTO log.events (era, stream, version, event_id, event_type, schema_version, workspace, actor, actor_kind, writer,
        correlation, causation, occurred_at, recorded_at, payload, hash)
    SELECT 1, stream, version, lpad(n::text, 32, '0')::uuid, type, 1, gen_random_uuid(), actor, kind, 'system', correlation,
        cause, now(), 'epoch'::timestamptz + n * interval '1 second', '{}', sha256('') FROM told;
    INSERT INTO timeline.entries (era, tx, pos, workspace, event, stream, version, event_type, schema_version, actor, actor_kind,
        writer, correlation, causation, summary, payload, occurred_at, recorded_at)
    SELECT 1, '5', n, gen_random_uuid(), lpad(n::text, 32, '0')::uuid, stream, version, type, 1, actor, kind, 'system', correlation,
        cause, type, '{}', now(), now() FROM told;";

async fn told(connection: &mut PgConnection, correlation: Uuid, most: usize) -> Vec<u64> {
    let entries = timeline::of_cause(connection, correlation, most).await.expect("asks");
    entries.iter().map(|entry| entry.position.pos).collect()
}

fn event(n: u32) -> Uuid {
    Uuid::try_parse(&format!("{n:032}")).expect("digits")
}

#[tokio::test]
async fn causes_are_followed_up_to_the_person_and_down_into_what_was_begun() {
    let database = Database::new().await;
    database.run(EVENTS).await;
    let mut connection = database.admin().await;
    let all = [11, 12, 13, 14, 15, 16, 17, 20];
    assert_eq!(told(&mut connection, PROMOTION, 100).await, all, "of the promotion");
    assert_eq!(told(&mut connection, DEPLOY, 100).await, all, "of the deploy");
    assert_eq!(told(&mut connection, ALLOCATION, 100).await, [11, 12, 13, 14, 15, 16], "of the runner's report");
    assert_eq!(told(&mut connection, Uuid::from_u128(9), 100).await, [18]);
    assert_eq!(told(&mut connection, Uuid::from_u128(77), 100).await, Vec::<u64>::new());
    assert!(told(&mut connection, PROMOTION, 2).await.len() > 2, "it says that there is more");
}

#[tokio::test]
async fn the_nearest_person_up_the_causes_is_behind_it_and_nobody_where_there_is_none() {
    let database = Database::new().await;
    database.run(EVENTS).await;
    let mut connection = database.admin().await;
    let asked = [12, 16, 17, 18, 19].map(event);
    let found = origins::of_events(&mut connection, &asked).await.expect("asks");
    let who = |n: u32| found.get(&event(n)).map(|origin| (origin.actor, origin.kind.as_str()));
    assert_eq!([who(12), who(16), who(17)], [Some((ALICE, "user")); 3]);
    assert_eq!((who(18), who(19)), (Some((BOB, "token")), None));

    let stream = |noun: &str, id: u128| format!("{noun}:{}", Uuid::from_u128(id));
    let asked = [stream("operation", 2), stream("operation", 9), stream("allocation", 5), stream("operation", 77)];
    let found = origins::of_streams(&mut connection, &asked).await.expect("asks");
    let began = |stream: &String| {
        let one = found.get(stream)?;
        let moved = one.moved_at.map(|at| at.timestamp());
        Some((one.origin.as_ref().map(|origin| origin.actor), one.at.timestamp(), moved))
    };
    assert_eq!(began(&asked[0]), Some((Some(ALICE), 13, Some(17))), "what came too late is no end");
    assert_eq!(began(&asked[1]), Some((Some(BOB), 18, None)));
    assert_eq!(began(&asked[2]), Some((None, 19, None)));
    assert_eq!(began(&asked[3]), None);
}

#[tokio::test]
async fn an_actor_is_called_by_the_login_or_else_by_the_first_token_and_no_more_once_forgotten() {
    let database = Database::new().await;
    database
        .run(
            "INSERT INTO identity.users (actor, provider, subject, login)
             VALUES (lpad('a', 32, '0')::uuid, 'github', '7', 'alice');
             INSERT INTO identity.tokens (token, hash, kind, actor, name)
             SELECT lpad(n, 32, '0')::uuid, sha256(n::bytea), 'token', lpad(actor, 32, '0')::uuid, name
             FROM (VALUES ('2', 'b', 'later'), ('1', 'b', 'ci'), ('3', 'a', 'laptop')) AS t (n, actor, name)",
        )
        .await;
    let mut connection = database.admin().await;
    let asked = [ALICE, BOB, Uuid::from_u128(0xc), ALICE];
    let names = people::names(&mut connection, &asked).await.expect("asks");
    assert_eq!(names, HashMap::from([(ALICE, "alice".to_owned()), (BOB, "ci".to_owned())]));
    database.run("DELETE FROM identity.users; DELETE FROM identity.tokens").await;
    assert!(people::names(&mut connection, &asked).await.expect("asks").is_empty());
}
