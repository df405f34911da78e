//! One tenant's events do not exist for another, even if the program forgot to ask. The mutant is a role that bypasses
//! row-level security: it sees what the API's role must not.

use crate::{
    database::{API, Database},
    story::{ACME, ALICE, BOB, GLOBEX, append, event_in, stream, told_in},
};
use rhone_domain::{
    claim::{self, Claim, Kind},
    envelope::StreamId,
    ids::{ActorId, WorkspaceId},
    numbers::Version,
};
use rhone_eventstore::{Append, AppendError, Log as _, PgLog, Position, StreamWrite};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

async fn two_tenants() -> (Database, StreamId, StreamId, StreamId) {
    let database = Database::new().await;
    let log = database.log().await;
    let (acmes, globexes, claim) = (stream(), stream(), name(Kind::ProjectSlug, "shop"));
    log.append(append(&acmes, 0, 2)).await.expect("appends");
    let tally =
        StreamWrite { stream: globexes.clone(), expected: Version(0), events: vec![event_in(GLOBEX, &globexes, 1)] };
    let writes = vec![tally, claimed(GLOBEX, Kind::ProjectSlug, "shop", 0)];
    log.append(Append { writes, ..Append::new(GLOBEX) }).await.expect("appends");
    database
        .run(format!(
            "INSERT INTO authority.members (actor, workspace, role)
             VALUES ('{ALICE}', '{ACME}', 'owner'), ('{BOB}', '{ACME}', 'owner'), ('{BOB}', '{GLOBEX}', 'owner')"
        ))
        .await;
    (database, acmes, globexes, claim)
}

/// Names within a workspace are Globex's here.
fn scope(kind: Kind) -> Uuid {
    if matches!(kind, Kind::ProjectSlug) { GLOBEX.0 } else { Uuid::nil() }
}

fn name(kind: Kind, value: &str) -> StreamId {
    StreamId::new("claim", claim::id(kind, scope(kind), value))
}

const HOLDER: Uuid = Uuid::from_u128(7);

fn said_of(workspace: WorkspaceId, (stream, expected): (StreamId, u64), said: &claim::Event) -> StreamWrite {
    let events = vec![told_in(workspace, &stream, expected + 1, said)];
    StreamWrite { stream, expected: Version(expected), events }
}

fn claimed(workspace: WorkspaceId, kind: Kind, value: &str, expected: u64) -> StreamWrite {
    let said = claim::Event::Claimed { kind, value: value.to_owned(), holder: HOLDER };
    said_of(workspace, (name(kind, value), expected), &said)
}

/// How much of a stream is seen: alone, and no other when it is read among others.
async fn seen(log: &PgLog, stream: &StreamId) -> usize {
    let alone = log.read_stream(stream, Version(0)).await.expect("reads");
    let others = [StreamId::new("tally", Uuid::nil()), stream.clone()];
    let among = log.read_streams(&others).await.expect("reads").remove(stream).unwrap_or_default();
    assert_eq!(among, alone, "{stream}: among others");
    alone.len()
}

#[tokio::test]
async fn an_actor_reads_the_streams_of_its_workspaces_and_no_other() {
    let (database, acmes, globexes, claim) = two_tenants().await;
    let pool = database.role(API, 1).await;
    let alice = PgLog::acting(pool.clone(), ALICE);
    let bob = PgLog::acting(pool.clone(), BOB);
    let nobody = PgLog::acting(pool.clone(), ActorId(Uuid::nil()));
    let unnamed = PgLog::new(pool.clone());
    for _ in 0..2 {
        assert_eq!([seen(&alice, &acmes).await, seen(&alice, &globexes).await, seen(&alice, &claim).await], [2, 0, 0]);
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
    assert_eq!(global, [], "no tenant's name is anybody's to read");
}

#[tokio::test]
async fn a_name_is_known_to_be_taken_and_by_whom_only_to_its_own_tenant() {
    let (database, ..) = two_tenants().await;
    let log = database.log().await;
    let globals = [(Kind::WorkspaceSlug, "globex"), (Kind::Hostname, "globex.example.com")];
    let writes = globals.map(|(kind, value)| claimed(GLOBEX, kind, value, 0)).to_vec();
    log.append(Append { writes, ..Append::new(GLOBEX) }).await.expect("appends");
    let pool = database.role(API, 1).await;
    let (alice, bob) = (PgLog::acting(pool.clone(), ALICE), PgLog::acting(pool.clone(), BOB));
    let known = async |log: &PgLog, stream: &StreamId| {
        let claim = log.claim(stream.id()).await.expect("reads");
        (claim.version.0, claim.state.holder)
    };
    let unsaid = Claim::of_somebody_else().holder;
    for (kind, value) in globals {
        let stream = name(kind, value);
        assert_eq!(seen(&alice, &stream).await, 0);
        assert_eq!(known(&alice, &stream).await, (1, unsaid), "{value}: taken, and that is all");
        assert_eq!(known(&bob, &stream).await, (1, Some(HOLDER)), "{value}: his own");
        assert_eq!(known(&bob.clone().within(ACME), &stream).await, (1, unsaid), "{value}: through a narrower token");
        assert_eq!(known(&PgLog::new(pool.clone()), &stream).await, (1, unsaid), "{value}: without an actor");
    }
    let project = name(Kind::ProjectSlug, "shop");
    assert_eq!(known(&alice, &project).await, (0, None), "within another's workspace not even that it is taken");
    assert_eq!(known(&bob, &project).await, (1, Some(HOLDER)));
    assert_eq!(known(&alice, &stream()).await, (0, None));
}

#[tokio::test]
async fn a_name_that_passed_on_is_judged_whole_and_seen_in_parts() {
    let (database, ..) = two_tenants().await;
    let (log, host) = (database.log().await, name(Kind::Hostname, "passed.example.com"));
    let releases = said_of(GLOBEX, (host.clone(), 1), &claim::Event::Released { holder: HOLDER });
    for write in [claimed(GLOBEX, Kind::Hostname, "passed.example.com", 0), releases] {
        log.append(Append { writes: vec![write], ..Append::new(GLOBEX) }).await.expect("appends");
    }
    let alice = PgLog::acting(database.role(API, 1).await, ALICE);
    let free = alice.claim(host.id()).await.expect("reads");
    assert_eq!((free.version, free.state.holder), (Version(2), None), "free again, at the version to go on from");
    let takes = claimed(ACME, Kind::Hostname, "passed.example.com", free.version.0);
    alice.append(Append { writes: vec![takes], ..Append::new(ACME) }).await.expect("appends");
    let own = alice.claim(host.id()).await.expect("reads");
    assert_eq!((own.version, own.state.holder), (Version(3), Some(HOLDER)));
    assert_eq!(seen(&alice, &host).await, 1, "her own event, and none of who had it before");
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

const GLOBEX_EVENTS: &str = "SELECT count(*) FROM log.events WHERE workspace = '00000000-0000-0000-0000-00000000610b'";
const GLOBEX_HEADS: &str = "SELECT count(*) FROM log.heads WHERE workspace = '00000000-0000-0000-0000-00000000610b'";
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
    assert_eq!(forgetful(&mut admin, GLOBEX_EVENTS).await, 2);
    assert_eq!(forgetful(&mut admin, GLOBEX_HEADS).await, 2);
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

fn in_tenant(tenant: WorkspaceId, stream: &StreamId) -> Append {
    let events = vec![event_in(tenant, stream, 1)];
    let writes = vec![StreamWrite { stream: stream.clone(), expected: Version(0), events }];
    Append { writes, ..Append::new(tenant) }
}

/// What concerns no workspace stands in a tenant whose id is the person's.
#[tokio::test]
async fn what_is_a_persons_own_is_written_and_read_by_that_person_alone() {
    let (database, ..) = two_tenants().await;
    // Bob has shown a token once; that is what makes an id a person's.
    let shown = format!(
        "SELECT identity.issue(gen_random_uuid(), sha256('bob'), 'user', '{BOB}', NULL, NULL, NULL, 'b', NULL)"
    );
    database.run(shown).await;
    let pool = database.role(API, 1).await;
    let (own, bobs) = (stream(), stream());
    let alice = PgLog::acting(pool.clone(), ALICE);
    alice.append(in_tenant(WorkspaceId(ALICE.0), &own)).await.expect("in her own she may");
    let refused = alice.append(in_tenant(WorkspaceId(BOB.0), &bobs)).await;
    assert!(matches!(&refused, Err(AppendError::Refused { code, .. }) if code == "RH007"), "{refused:?}");
    assert_eq!(seen(&alice, &own).await, 1);
    assert_eq!(seen(&alice.clone().within(ACME), &own).await, 0, "a token of one workspace sees nothing beyond it");
    assert_eq!(seen(&PgLog::acting(pool.clone(), BOB), &own).await, 0);
    assert_eq!(seen(&PgLog::new(pool), &own).await, 0, "the one connection remembers nobody");
    // The mutant: a rule that takes every tenant without members for one that is about to be opened.
    let definition = "SELECT pg_get_functiondef('authority.may_write(name, uuid, uuid)'::regprocedure)";
    let mut admin = database.admin().await;
    let whole: String = sqlx::query_scalar(definition).fetch_one(&mut admin).await.expect("it can be read");
    let broken = whole.replace("AND NOT identity.is_person(p_workspace)", "");
    assert_ne!(whole, broken, "nothing was broken");
    database.run(broken).await;
    alice.append(in_tenant(WorkspaceId(BOB.0), &bobs)).await.expect("the mutant lets her write into what is Bob's");
}
