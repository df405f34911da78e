//! One tenant's events do not exist for another, even if the program forgot to ask. The mutant is a role that bypasses
//! row-level security: it sees what the API's role must not.

use crate::{
    database::{API, Database},
    story::{ACME, ALICE, BOB, GLOBEX, append, event_in, stream},
};
use rhone_domain::{envelope::StreamId, ids::ActorId, numbers::Version};
use rhone_eventstore::{Append, AppendError, Log as _, PgLog, Position, StreamWrite};
use sqlx::{Connection as _, PgConnection};

async fn two_tenants() -> (Database, StreamId, StreamId, StreamId) {
    let database = Database::new().await;
    let log = database.log().await;
    let (acmes, globexes) = (stream(), stream());
    let claim = StreamId::new("claim", globexes.id());
    log.append(append(&acmes, 0, 2)).await.expect("appends");
    let write = |stream: &StreamId| StreamWrite {
        stream: stream.clone(),
        expected: Version(0),
        events: vec![event_in(GLOBEX, stream, 1)],
    };
    let writes = vec![write(&globexes), write(&claim)];
    log.append(Append { writes, ..Append::new(GLOBEX) }).await.expect("appends");
    database
        .run(format!(
            "INSERT INTO authority.members (actor, workspace, role)
             VALUES ('{ALICE}', '{ACME}', 'owner'), ('{BOB}', '{ACME}', 'owner'), ('{BOB}', '{GLOBEX}', 'owner')"
        ))
        .await;
    (database, acmes, globexes, claim)
}

async fn seen(log: &PgLog, stream: &StreamId) -> usize {
    log.read_stream(stream, Version(0)).await.expect("reads").len()
}

#[tokio::test]
async fn an_actor_reads_the_streams_of_its_workspaces_and_no_other() {
    let (database, acmes, globexes, claim) = two_tenants().await;
    let pool = database.role(API, 1).await;
    let alice = PgLog::acting(pool.clone(), ALICE);
    let bob = PgLog::acting(pool.clone(), BOB);
    let nobody = PgLog::acting(pool.clone(), ActorId(uuid::Uuid::nil()));
    let unnamed = PgLog::new(pool.clone());
    for _ in 0..2 {
        assert_eq!([seen(&alice, &acmes).await, seen(&alice, &globexes).await, seen(&alice, &claim).await], [2, 0, 1]);
        assert_eq!([seen(&bob, &acmes).await, seen(&bob, &globexes).await, seen(&bob, &claim).await], [2, 1, 1]);
        assert_eq!([seen(&nobody, &acmes).await, seen(&nobody, &globexes).await], [0, 0]);
        // The one connection remembers nobody.
        assert_eq!([seen(&unnamed, &acmes).await, seen(&unnamed, &globexes).await], [0, 0]);
        let narrowed = bob.clone().within(ACME);
        assert_eq!([seen(&narrowed, &acmes).await, seen(&narrowed, &globexes).await], [2, 0]);
        let narrowed = alice.clone().within(GLOBEX);
        assert_eq!([seen(&narrowed, &acmes).await, seen(&narrowed, &globexes).await], [0, 0]);
    }
    let global = unnamed.read_all(Position::START, 100).await.expect("reads");
    assert!(global.iter().all(|event| event.envelope.stream == claim), "{global:?}");
}

/// A query that forgot its tenant, as Alice.
async fn forgetful(connection: &mut PgConnection, sql: &'static str) -> i64 {
    let mut transaction = connection.begin().await.expect("begins");
    sqlx::query("SELECT set_config('rhone.actor', $1, true)")
        .bind(ALICE.to_string())
        .execute(&mut *transaction)
        .await
        .expect("is set");
    sqlx::query_scalar(sql).fetch_one(&mut *transaction).await.expect("a number")
}

const GLOBEX_EVENTS: &str = "SELECT count(*) FROM log.events WHERE workspace = '00000000-0000-0000-0000-00000000610b'
                             AND stream LIKE 'tally:%'";
const GLOBEX_HEADS: &str = "SELECT count(*) FROM log.heads WHERE workspace = '00000000-0000-0000-0000-00000000610b'
                            AND stream LIKE 'tally:%'";
const OWN_EVENTS: &str = "SELECT count(*) FROM log.events WHERE stream LIKE 'tally:%'";

#[tokio::test]
async fn a_query_that_forgot_its_tenant_finds_nothing_of_another_but_a_role_that_bypasses_would() {
    let (database, ..) = two_tenants().await;
    let pool = database.role(API, 1).await;
    let mut api = pool.acquire().await.expect("connects");
    assert_eq!(forgetful(&mut api, GLOBEX_EVENTS).await, 0);
    assert_eq!(forgetful(&mut api, GLOBEX_HEADS).await, 0);
    assert_eq!(forgetful(&mut api, OWN_EVENTS).await, 2);

    let mutant = format!("mutant_{}", database.name());
    database.run(format!("CREATE ROLE {mutant} BYPASSRLS IN ROLE rhone_api")).await;
    let mut admin = database.admin().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET ROLE {mutant}"))).execute(&mut admin).await.expect("is it");
    assert_eq!(forgetful(&mut admin, GLOBEX_EVENTS).await, 1);
    assert_eq!(forgetful(&mut admin, GLOBEX_HEADS).await, 1);
    assert_eq!(forgetful(&mut admin, OWN_EVENTS).await, 3);
    database.run(format!("DROP ROLE {mutant}")).await;
}

#[tokio::test]
async fn an_actor_cannot_append_in_a_workspace_it_does_not_belong_to() {
    let (database, ..) = two_tenants().await;
    let api = PgLog::new(database.role(API, 1).await);
    let new = stream();
    let intrusion = Append {
        writes: vec![StreamWrite {
            stream: new.clone(),
            expected: Version(0),
            events: vec![event_in(GLOBEX, &new, 1)],
        }],
        ..Append::new(GLOBEX)
    };
    let refused = api.append(intrusion.clone()).await;
    assert!(matches!(&refused, Err(AppendError::Refused { code, .. }) if code == "RH007"), "{refused:?}");
    api.append(append(&stream(), 0, 1)).await.expect("in her own she may");
    database.log().await.append(intrusion).await.expect("the control plane's own roles may");
}
