//! Who belongs to a workspace, as the append leaves it: what changed is written and adds up to the whole, nothing else is written,
//! and whoever asks what somebody is reads the head of that workspace and no other. Trap: rows of what was not changed, whose
//! writing and reading costs as much as there are members or streams.

use crate::{
    database::Database,
    world::{ACME, ALICE, World},
};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    authorization::Grant,
    digest::Digest,
    envelope::StreamId,
    ids::{ActorId, EnvironmentId, InvitationId, ProjectId, SupportId},
    numbers::Version,
    text::{Name, Reason, Slug},
    workspace::{Command, Ended, Invitation, Reach, Role, Workspace},
};
use rhone_eventstore::{Inline, NewEvent};
use rhone_projections::{
    authority::members,
    inline::AuthorityRows,
    keyset::{Keyset, Towards},
    session::Session,
};
use serde_json::{Value, json};
use sqlx::{PgPool, types::Json};
use std::any::Any;
use uuid::Uuid;

const BOB: ActorId = ActorId(Uuid::from_u128(0xB0B));
const CAROL: ActorId = ActorId(Uuid::from_u128(0xCA201));
const DAVE: ActorId = ActorId(Uuid::from_u128(0xDA7E));
const SUPPORT: SupportId = SupportId(Uuid::from_u128(0x5));

/// All that is kept of a workspace but the version of each row.
const KEPT: &str = "
    SELECT json_build_object(
        'members', coalesce((SELECT json_agg(json_build_object('actor', actor, 'role', role, 'projects', projects,
            'environments', environments) ORDER BY actor) FROM authority.members WHERE workspace = $1), '[]'),
        'support', coalesce((SELECT json_agg(json_build_object('access', access, 'user', on_behalf_of, 'reason', reason,
            'until', extract(epoch FROM until)::bigint, 'ended', ended) ORDER BY access)
            FROM authority.support WHERE workspace = $1), '[]'),
        'invitations', coalesce((SELECT json_agg(json_build_object('invitation', invitation, 'role', role,
            'secret', encode(secret, 'hex'), 'by', invited_by, 'since', extract(epoch FROM since)::bigint,
            'until', extract(epoch FROM until)::bigint) ORDER BY invitation)
            FROM authority.invitations WHERE workspace = $1), '[]'))";

async fn kept(database: &Database) -> Value {
    let mut admin = database.admin().await;
    let Json(kept) = sqlx::query_scalar(KEPT).bind(ACME.0).fetch_one(&mut admin).await.expect("the rows");
    kept
}

/// The same, as the log tells it.
fn told(workspace: &Workspace) -> Value {
    let members = workspace.members.iter().map(|(actor, of)| {
        json!({ "actor": actor, "role": of.role, "projects": of.projects, "environments": of.environments })
    });
    let support = workspace.support.iter().map(|(access, of)| {
        let until = of.until.timestamp();
        json!({ "access": access, "user": of.user, "reason": of.reason, "until": until, "ended": of.ended == Ended::Early })
    });
    let invitations = workspace.invitations.iter().map(|(id, of)| {
        json!({ "invitation": id, "role": of.role, "secret": of.secret.hex(), "by": of.by, "since": of.since.timestamp(),
            "until": of.until.timestamp() })
    });
    json!({
        "members": members.collect::<Vec<_>>(),
        "support": support.collect::<Vec<_>>(),
        "invitations": invitations.collect::<Vec<_>>(),
    })
}

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
}

fn create() -> Command {
    let (slug, name) = (Slug::parse("slug", "acme"), Name::parse("name", "Acme"));
    let (slug, name) = (slug.expect("a slug"), name.expect("a name"));
    Command::Create { id: ACME, slug, name, contact_email: None, owner: ALICE }
}

fn add(actor: ActorId) -> Command {
    Command::AddMember { actor, role: Role::Member, by: ALICE }
}

fn remove(actor: ActorId) -> Command {
    Command::RemoveMember { actor, by: ALICE }
}

fn grants(actor: ActorId, reach: Reach) -> Command {
    Command::SetGrants { actor, reach, grants: [Grant::VariablesRead].into(), by: ALICE }
}

fn invitation(n: u128) -> InvitationId {
    InvitationId(Uuid::from_u128(n))
}

fn secret(n: u128) -> Digest {
    Digest::of(&[&n.to_be_bytes()])
}

fn invite(n: u128, since: i64, until: i64) -> Command {
    let (since, until) = (at(since), at(until));
    let new = Invitation { role: Role::Member, secret: secret(n), by: ALICE, since, until };
    Command::Invite { invitation: invitation(n), new }
}

/// Appends that change all that there is, some of them the same thing more than once.
fn life() -> Vec<Vec<Command>> {
    let because = Reason::parse("reason", "the cart is empty").expect("a reason");
    let support = Command::GrantSupport { access: SUPPORT, user: BOB, reason: because, at: at(0), until: at(1) };
    let role = Command::SetRole { actor: BOB, role: Role::Admin, by: ALICE };
    let in_project = grants(CAROL, Reach::Project(ProjectId(Uuid::from_u128(0x9))));
    let in_environment = grants(BOB, Reach::Environment(EnvironmentId(Uuid::from_u128(0xE))));
    let accept = Command::AcceptInvitation { secret: secret(4), actor: DAVE, at: at(4) };
    vec![
        vec![create(), add(BOB)],
        vec![add(CAROL)],
        vec![role, in_project],
        vec![in_environment, support],
        vec![Command::EndSupport { access: SUPPORT, by: BOB }],
        vec![invite(1, 0, 1), invite(2, 0, 9)],
        // The first is over by now, and forgotten.
        vec![invite(3, 2, 9), invite(4, 3, 9)],
        vec![Command::RevokeInvitation { invitation: invitation(2), by: ALICE }],
        vec![accept],
        vec![remove(BOB), add(BOB)],
        vec![remove(CAROL), remove(BOB)],
    ]
}

/// After how many appends of a life what is kept is not what the log tells.
async fn differences(inline: impl Inline) -> usize {
    let database = Database::new().await;
    let world = World::with(&database, inline).await;
    let mut workspace = world.load::<Workspace>(ACME).await;
    let mut differing = 0;
    for commands in life() {
        world.write(&mut workspace, commands).await;
        differing += usize::from(kept(&database).await != told(&workspace.state));
    }
    differing
}

/// The sin: what the last event alone changes.
struct LastAlone;

impl Inline for LastAlone {
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
        AuthorityRows.rows(stream, state, &events[events.len() - 1..])
    }
}

#[tokio::test]
async fn what_appends_change_adds_up_to_the_whole() {
    assert_eq!(differences(AuthorityRows).await, 0);
    assert!(differences(LastAlone).await > 0, "it is caught above");
}

/// A workspace with forty members besides its owner.
async fn forty(world: &World) -> rhone_eventstore::Loaded<Workspace> {
    let mut workspace = world.load::<Workspace>(ACME).await;
    let members = (100..140).map(|n| add(ActorId(Uuid::from_u128(n))));
    world.write(&mut workspace, [create()].into_iter().chain(members)).await;
    workspace
}

/// How many rows of members a change writes.
async fn written(database: &Database, change: impl AsyncFnOnce()) -> i64 {
    database
        .run("DROP TABLE IF EXISTS before; CREATE TABLE before AS SELECT actor, xmin AS by FROM authority.members")
        .await;
    change().await;
    database
        .number("SELECT count(*) FROM authority.members m JOIN before USING (actor) WHERE m.xmin <> before.by")
        .await
}

#[tokio::test]
async fn a_change_of_one_member_writes_no_other_row() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let mut workspace = forty(&world).await;
    let one = Command::SetRole { actor: ActorId(Uuid::from_u128(100)), role: Role::Admin, by: ALICE };
    assert_eq!(
        written(&database, async || {
            world.write(&mut workspace, [one]).await;
        })
        .await,
        1
    );
    // The sin: as the version before wrote it, all of them.
    let whole = "SELECT authority.apply_workspace(json_build_object('workspace', m.workspace, 'version', 9, 'support', '[]'::json,
                     'invitations', '[]'::json, 'members', json_agg(json_build_object('actor', m.actor, 'role', m.role,
                     'projects', m.projects, 'environments', m.environments)))) FROM authority.members m GROUP BY m.workspace";
    assert_eq!(written(&database, async || database.run(whole).await).await, 41, "it is caught above");
}

/// How many heads this role's one connection reads meanwhile.
async fn heads(database: &Database, pool: &PgPool, meanwhile: impl AsyncFnOnce()) -> i64 {
    const READ: &str = "SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables
                        WHERE schemaname = 'log' AND relname = 'heads'";
    let before = database.number(READ).await;
    meanwhile().await;
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await.expect("it tells what it did");
    database.number(READ).await - before
}

#[tokio::test]
async fn who_asks_what_somebody_is_reads_the_head_of_that_workspace_alone() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let workspace = forty(&world).await;
    database
        .run(
            "INSERT INTO log.heads (stream, workspace, version)
              SELECT 'tally:' || gen_random_uuid(), gen_random_uuid(), 1 FROM generate_series(1, 5000); ANALYZE",
        )
        .await;
    let pool = database.connections("rhone_api", 1).await;
    let session = Session::new(pool.clone(), ALICE, None);
    let own = async || {
        let own = members::own(&session).await.expect("asks");
        assert_eq!(own[&ACME].version, workspace.version, "that of the workspace, not of its row's last change");
    };
    let read = heads(&database, &pool, own).await;
    assert!((1..10).contains(&read), "{read} heads for one membership");
    let page = async || {
        let (mut transaction, first) =
            (session.begin().await.expect("begins"), Keyset { from: None, towards: Towards::Newer, most: 20 });
        let page = members::pages(&mut transaction, &[ACME.0], None, &first).await.expect("asks");
        assert_eq!(page.len(), 20);
        assert!(page.iter().all(|(_, member)| member.version == workspace.version));
    };
    let read = heads(&database, &pool, page).await;
    assert!((1..100).contains(&read), "{read} heads for a page of twenty");
    // The sin: a join, as it is planned where row-level security judges every head there is.
    let joined = async || {
        let mut transaction = session.begin().await.expect("begins");
        sqlx::raw_sql("SET LOCAL enable_nestloop = off").execute(&mut *transaction).await.expect("is set");
        let asked =
            "SELECT h.version FROM authority.members m JOIN log.heads h ON h.stream = 'workspace:' || m.workspace::text
                     WHERE m.actor = $1";
        let version: i64 =
            sqlx::query_scalar(asked).bind(ALICE.0).fetch_one(&mut *transaction).await.expect("a version");
        assert_eq!(Version(version.unsigned_abs()), workspace.version);
    };
    assert!(heads(&database, &pool, joined).await > 5_000, "it is caught above");
}
