//! Whose turn it is to be built: so many of a workspace at once, whoever claims; turns go round; what shall end is anybody's;
//! and a deploy never stands among the operations that a worker drives beside.

use crate::{database::Database, world::World};
use rhone_projections::authority::operations::{claim, claim_deploys};
use std::{collections::BTreeMap, time::Duration};

const SPAN: Duration = Duration::from_mins(1);

/// Puts operations there from rows of number, workspace, kind and minutes until the deadline; the first are the oldest.
macro_rules! operations {
    ($database:expr, $rows:literal) => {
        $database
            .run(concat!(
                "INSERT INTO authority.operations (operation, workspace, region, kind, stage, ended, version, deadline,
                     body, created_at)
                 SELECT lpad(n::text, 32, '0')::uuid, lpad(w::text, 32, '0')::uuid, gen_random_uuid(), kind,
                     CASE kind WHEN 'deploy' THEN 'queued' ELSE 'requested' END, false, 1,
                     clock_timestamp() + minutes * interval '1 minute', '{}',
                     clock_timestamp() - interval '1 hour' + n * interval '1 second'
                 FROM (",
                $rows,
                ") AS t (n, w, kind, minutes)"
            ))
            .await
    };
}

/// Claims, and says whose they are.
async fn turn(world: &World, owner: &str, most: i32, per_workspace: i32) -> Vec<u128> {
    let claimed = claim_deploys(&world.worker, owner, most, per_workspace, SPAN).await.expect("claims");
    claimed.iter().map(|(operation, _)| number(operation.0.simple().to_string())).collect()
}

/// An operation's number, whose digits its id is made of.
fn number(id: impl AsRef<str>) -> u128 {
    id.as_ref().parse().expect("decimal digits")
}

#[tokio::test]
async fn turns_go_round_the_workspaces_and_a_workspace_has_its_share_whoever_claims() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    // One workspace was first with three, another came later with two.
    operations!(
        database,
        "VALUES (1, 1, 'deploy', 60), (2, 1, 'deploy', 60), (3, 1, 'deploy', 60), (4, 2, 'deploy', 60),
            (5, 2, 'deploy', 60)"
    );
    assert_eq!(turn(&world, "a", 2, 2).await, [1, 4], "the first of each before the second of any");
    assert_eq!(turn(&world, "b", 9, 2).await, [2, 5], "each has two in hand, and no third");
    assert_eq!(turn(&world, "b", 9, 2).await, Vec::<u128>::new());
    database.run("UPDATE log.leases SET until = '-infinity' WHERE name LIKE '%' || lpad('1', 12, '0')").await;
    assert_eq!(turn(&world, "c", 9, 2).await, [1], "what lost its worker is adopted, and still no third begins");
}

/// A queue in order of arrival, in which whoever asks last is behind everybody.
const IN_ORDER_OF_ARRIVAL: &str = "DO $$ BEGIN EXECUTE replace(
    pg_get_functiondef('authority.claim_deploys(text,int,int,double precision)'::regprocedure),
    'ORDER BY t.turn, t.created_at', 'ORDER BY t.created_at'); END $$";

#[tokio::test]
async fn the_only_one_of_a_workspace_is_behind_one_of_each_other_however_many_they_queued() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    // Fifty each of two workspaces, and then one of a third.
    operations!(
        database,
        "SELECT n, n % 2, 'deploy', 60 FROM generate_series(1, 100) AS n UNION ALL VALUES (101, 2, 'deploy', 60)"
    );
    assert_eq!(turn(&world, "a", 3, 2).await, [1, 2, 101]);
    database.run("UPDATE log.leases SET until = '-infinity'").await;
    database.run(IN_ORDER_OF_ARRIVAL).await;
    assert_eq!(turn(&world, "b", 3, 2).await, [1, 2, 3], "the sin is caught above");
}

#[tokio::test]
async fn a_limit_holds_when_many_claim_in_the_same_instant() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    operations!(database, "SELECT n, n % 4, 'deploy', 60 FROM generate_series(10, 49) AS n");
    let claims = (0..8).map(|number| {
        let world = world.clone();
        tokio::spawn(async move { turn(&world, &format!("worker {number}"), 5, 3).await })
    });
    let mut claimed = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        claimed.extend(claim.await.expect("ran"));
    }
    let mut each: BTreeMap<u128, usize> = BTreeMap::new();
    for operation in &claimed {
        *each.entry(operation % 4).or_default() += 1;
    }
    assert_eq!(each, BTreeMap::from([(0, 3), (1, 3), (2, 3), (3, 3)]), "three of each, no more and no fewer");
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 12, "and none twice");
}

#[tokio::test]
async fn deploys_are_left_to_builders_unless_they_shall_end() {
    const CANCELLED: &str =
        r#"UPDATE authority.operations SET body = '{"cancel": "no"}' WHERE operation = lpad('4', 32, '0')::uuid"#;
    let database = Database::new().await;
    let world = World::of(&database).await;
    operations!(
        database,
        "VALUES (1, 1, 'deploy', 60), (2, 1, 'promotion', 60), (3, 1, 'deploy', -1), (4, 1, 'deploy', 60)"
    );
    database.run(CANCELLED).await;
    let claimed = claim(&world.worker, "a", 9, SPAN).await.expect("claims");
    let mut claimed: Vec<_> = claimed.iter().map(|(operation, _)| number(operation.0.simple().to_string())).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, [2, 3, 4], "the promotion, the one that is overdue, and the one that is cancelled");
    assert_eq!(turn(&world, "b", 9, 9).await, [1]);
}
