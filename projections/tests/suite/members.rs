//! Who belongs to a workspace: a change of one writes that one's row and nobody else's, who was removed leaves none and no
//! token, and the version to be asserted is the workspace's own. Trap: rows that carry what changes for all of them at once.

use crate::database::Database;
use rhone_domain::{
    authorization::Membership,
    ids::{ActorId, WorkspaceId},
    numbers::Version,
    workspace::{Role, Workspace},
};
use rhone_projections::{authority::members, session::Session};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xac));
const ADA: ActorId = ActorId(Uuid::from_u128(0xada));
const BOB: ActorId = ActorId(Uuid::from_u128(0xb0b));
const CAROL: ActorId = ActorId(Uuid::from_u128(0xca));

/// What stood before: all rows of a workspace were written anew with every change.
const ALL_ANEW: &str = include_str!("../../../migrations/20261128040500_tokens_end_with_membership.sql");

fn of(members: &[(ActorId, Role)]) -> Workspace {
    let members = members.iter().map(|(actor, role)| (*actor, Membership::of(*role))).collect();
    Workspace { id: Some(ACME), members, ..Workspace::default() }
}

/// The workspace is at this version, and these belong to it.
async fn write(admin: &mut PgConnection, version: u64, workspace: &Workspace) {
    let head = "INSERT INTO log.heads (stream, workspace, version) VALUES ('workspace:' || $1::uuid, $1, $2)
                ON CONFLICT (stream) DO UPDATE SET version = excluded.version";
    let head = sqlx::query(head).bind(ACME.0).bind(version.cast_signed());
    head.execute(&mut *admin).await.expect("a head");
    for row in members::rows(ACME, workspace, Version(version)) {
        let apply = sqlx::query("SELECT authority.apply_workspace($1::text::json)").bind(row.to_string());
        apply.execute(&mut *admin).await.expect("is applied");
    }
}

/// Each member's row, and by which transaction it was written.
async fn written(admin: &mut PgConnection) -> BTreeMap<Uuid, (String, String)> {
    let rows = "SELECT actor, role, xmin::text FROM authority.members WHERE workspace = $1";
    let rows: Vec<(Uuid, String, String)> = sqlx::query_as(rows).bind(ACME.0).fetch_all(admin).await.expect("the rows");
    rows.into_iter().map(|(actor, role, by)| (actor, (role, by))).collect()
}

/// Whose rows a change wrote, of a workspace of three in which one becomes something else.
async fn written_by_one_change(admin: &mut PgConnection) -> Vec<Uuid> {
    write(admin, 1, &of(&[(ADA, Role::Owner), (BOB, Role::Member), (CAROL, Role::Member)])).await;
    let before = written(admin).await;
    write(admin, 2, &of(&[(ADA, Role::Owner), (BOB, Role::Admin), (CAROL, Role::Member)])).await;
    let after = written(admin).await;
    assert_eq!(after[&BOB.0].0, "admin");
    after.into_iter().filter(|(actor, row)| before.get(actor) != Some(row)).map(|(actor, _)| actor).collect()
}

#[tokio::test]
async fn a_change_of_one_member_writes_no_other_row_and_each_is_at_the_version_of_the_workspace() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    assert_eq!(written_by_one_change(&mut admin).await, [BOB.0]);

    let api = database.role("rhone_api").await;
    for actor in [ADA, BOB] {
        let own = members::own(&Session::new(api.clone(), actor, None)).await.expect("what they are");
        assert_eq!(own[&ACME].version, Version(2), "of a row that was written with version 1, too");
    }

    sqlx::raw_sql(ALL_ANEW).execute(&mut admin).await.expect("the sin");
    assert_eq!(written_by_one_change(&mut admin).await.len(), 3, "rows that are written anew are noticed");
}

#[tokio::test]
async fn who_was_removed_leaves_no_row_and_no_token_of_that_workspace() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    write(&mut admin, 1, &of(&[(ADA, Role::Owner), (BOB, Role::Member)])).await;
    for actor in [ADA, BOB] {
        let token = "SELECT identity.issue(gen_random_uuid(), sha256($1::text::bytea), 'token', $1, $2, NULL, NULL, 'theirs', NULL)";
        sqlx::query(token).bind(actor.0).bind(ACME.0).execute(&mut admin).await.expect("a token");
    }
    write(&mut admin, 2, &of(&[(ADA, Role::Owner)])).await;
    assert_eq!(written(&mut admin).await.into_keys().collect::<Vec<_>>(), [ADA.0]);
    let ended = "SELECT actor FROM identity.tokens WHERE revoked_at IS NOT NULL";
    let ended: Vec<Uuid> = sqlx::query_scalar(ended).fetch_all(&mut admin).await.expect("the tokens");
    assert_eq!(ended, [BOB.0]);
}
