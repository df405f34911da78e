//! What the API is told of sleeps and drains before anybody asks for one: of an environment what edges say of it and of nothing
//! else, to those who belong there; of a host all that its drain goes by, to who runs the platform. Trap: an edge's whole report,
//! which counts every tenant's sessions.

use crate::database::Database;
use rhone_domain::{
    allocation::Allocation,
    edge_status::EdgeStatus,
    ids::{ActorId, AllocationId, EnvironmentId, HostId, PLATFORM},
};
use rhone_projections::{
    readiness::{Emptied, Used, emptied, used},
    session::Session,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

const ADA: ActorId = ActorId(Uuid::from_u128(0xada));
const STRANGER: ActorId = ActorId(Uuid::from_u128(0x57a));
const OPERATOR: ActorId = ActorId(Uuid::from_u128(0x09e));
const ACME: Uuid = Uuid::from_u128(0xac);
const HERE: EnvironmentId = EnvironmentId(Uuid::from_u128(0x1));
const ELSEWHERE: EnvironmentId = EnvironmentId(Uuid::from_u128(0x2));
const REGION: Uuid = Uuid::from_u128(0x3);
const CELL: Uuid = Uuid::from_u128(0x4);
const HOST: HostId = HostId(Uuid::from_u128(0x5));
const OWN: AllocationId = AllocationId(Uuid::from_u128(0x11));
const ENDED: AllocationId = AllocationId(Uuid::from_u128(0x12));
const OTHERS: AllocationId = AllocationId(Uuid::from_u128(0x13));

/// An edge that counts something on each of them, and saw somebody answer.
fn report() -> EdgeStatus {
    let all = [(OWN, 3), (ENDED, 4), (OTHERS, 5)];
    let session = |(allocation, open): &(AllocationId, u64)| json!({ "allocation": allocation, "open": open });
    let at = "2026-01-01T00:00:00Z";
    let used =
        |(allocation, open): &(AllocationId, u64)| json!({ "allocation": allocation, "open": open, "used_at": at });
    let observed = json!({ "environment": ELSEWHERE, "epoch": 1, "deployment": Uuid::nil(), "allocation": OTHERS,
        "digest": null, "status": 200, "at": at });
    let body = json!({ "edge": Uuid::from_u128(0xed), "boot": Uuid::nil(), "region": REGION, "incarnation": null,
        "applied": 1, "digest": format!("sha256:{}", "ab".repeat(32)), "mode": "synced", "public_url": "http://127.0.0.1:1",
        "sessions": all.iter().map(session).collect::<Vec<_>>(), "lost_sessions": 0, "quarantined": [ELSEWHERE],
        "observations": [observed], "at": at, "activity": all.iter().map(used).collect::<Vec<_>>(),
        "activity_since": at, "closed": [{ "allocation": OTHERS, "deadline": at, "sockets": 6, "at": at }] });
    serde_json::from_value(body).expect("it is a report")
}

/// A tenant's environment beside another's, on one host; one edge that reports, and one that is silent.
async fn lived(database: &Database) -> PgPool {
    let (mut admin, report) = (database.admin().await, json!(report()));
    for (actor, workspace) in [(ADA, ACME), (OPERATOR, PLATFORM.0)] {
        let member = "INSERT INTO authority.members (actor, workspace, role, version) VALUES ($1, $2, 'owner', 1)";
        sqlx::query(member).bind(actor.0).bind(workspace).execute(&mut admin).await.expect("a member");
    }
    for (environment, workspace) in [(HERE, ACME), (ELSEWHERE, Uuid::from_u128(0xbad))] {
        let route = "INSERT INTO authority.route_owners (environment, workspace, app, region, cell, epoch, revision, version, body)
                     VALUES ($1, $2, $1, $3, $4, 1, 1, 1, '{}')";
        let route = sqlx::query(route).bind(environment.0).bind(workspace).bind(REGION).bind(CELL);
        route.execute(&mut admin).await.expect("a route");
    }
    for (id, environment, ended) in [(OWN, HERE, false), (ENDED, HERE, true), (OTHERS, ELSEWHERE, false)] {
        let allocation = "INSERT INTO authority.allocations (allocation, workspace, app, environment, deployment, region, cell, host,
                              state, ended, generation, version, body)
                          VALUES ($1, $2, $2, $2, $1, $3, $4, $5, 'ready', $6, 1, 1, $7)";
        let allocation = sqlx::query(allocation).bind(id.0).bind(environment.0).bind(REGION).bind(CELL).bind(HOST.0);
        let allocation = allocation.bind(ended).bind(json!(Allocation::default()));
        allocation.execute(&mut admin).await.expect("an allocation");
    }
    for (edge, seconds) in [(1, 1.0), (2, 60.0), (3, 6_000.0)] {
        let said = "INSERT INTO status.edges (edge, region, body, reported_at)
                    VALUES ($1, $2, $3, clock_timestamp() - make_interval(secs => $4))";
        let said = sqlx::query(said).bind(Uuid::from_u128(edge)).bind(REGION).bind(&report).bind(seconds);
        said.execute(&mut admin).await.expect("a report");
    }
    let host = "WITH host AS (INSERT INTO authority.hosts (host, region, cell, state, capacity, version, body)
                              VALUES ($1, $2, $3, 'cordoned', 8, 1, '{}'))
                INSERT INTO status.hosts (host, seen_at) VALUES ($1, clock_timestamp())";
    sqlx::query(host).bind(HOST.0).bind(REGION).bind(CELL).execute(&mut admin).await.expect("a host");
    database.role("rhone_api").await
}

async fn used_here(pool: &PgPool, by: ActorId) -> Vec<(EnvironmentId, Used)> {
    let mut transaction = Session::new(pool.clone(), by, None).begin().await.expect("begins");
    used(&mut transaction, &[HERE, ELSEWHERE], (15.0, 600.0)).await.expect("asks")
}

async fn emptied_here(pool: &PgPool, by: ActorId) -> Vec<(HostId, Emptied)> {
    let mut transaction = Session::new(pool.clone(), by, None).begin().await.expect("begins");
    emptied(&mut transaction, &[HOST], 15.0).await.expect("asks")
}

#[tokio::test]
async fn of_an_environment_its_own_are_told_what_edges_say_of_it_and_of_nothing_else() {
    let database = Database::new().await;
    let pool = lived(&database).await;
    for by in [STRANGER, OPERATOR] {
        assert!(used_here(&pool, by).await.is_empty(), "they do not belong there");
    }
    let found = used_here(&pool, ADA).await;
    let [(of, told)] = &found[..] else { panic!("the one that is theirs: {found:?}") };
    assert_eq!(*of, HERE);
    assert_eq!(told.silent, 1, "the third was silent for too long to count");
    let [edge] = &told.edges[..] else { panic!("the one that reports: {told:?}") };
    let sessions: Vec<_> = edge.sessions.iter().map(|one| (one.allocation, one.open)).collect();
    let activity: Vec<_> = edge.activity.iter().map(|one| (one.allocation, one.open)).collect();
    assert_eq!((sessions, activity), (vec![(OWN, 3)], vec![(OWN, 3)]));
    assert_eq!(edge.activity_since, report().activity_since, "as the edge says it");
    assert!(edge.observations.is_empty() && edge.quarantined.is_empty() && edge.closed.is_empty(), "{edge:?}");
    // The sin: what the edge says is passed on as it is.
    assert_eq!(
        (report().sessions.len(), report().observations.len(), report().closed.len()),
        (3, 1, 1),
        "it would be caught above"
    );
}

#[tokio::test]
async fn of_a_host_who_runs_the_platform_is_told_all_that_its_drain_goes_by() {
    let database = Database::new().await;
    let pool = lived(&database).await;
    for by in [STRANGER, ADA] {
        assert!(emptied_here(&pool, by).await.is_empty(), "they do not run the platform");
    }
    let found = emptied_here(&pool, OPERATOR).await;
    let [(of, told)] = &found[..] else { panic!("the host: {found:?}") };
    assert_eq!(*of, HOST);
    let [standing] = &told.hosts[..] else { panic!("the only one of its cell: {told:?}") };
    assert_eq!((standing.host, standing.capacity, standing.held, standing.heard), (HOST, 8, 2, true));
    assert_eq!(standing.state, rhone_domain::host::State::Cordoned);
    assert_eq!(told.allocations.len(), 2, "what has ended is not there");
    let sessions: Vec<_> = told.sessions.iter().map(|one| (one.allocation, one.open)).collect();
    assert_eq!(sessions, [(OWN, 3), (OTHERS, 5)], "of the one edge that reports, on what runs there");
}
