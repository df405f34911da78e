//! Who may do what in which workspace, for whom support may act, and which invitations are open. Written inline from the workspace's
//! stream, what an append's events change and nothing else; each membership is read with the version of the workspace, to be
//! asserted by what it allows. Trap: a change of one member that costs as much as there are members.

use crate::{keyset::Keyset, session::Session};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::UnknownWord,
    aggregate::Aggregate as _,
    authorization::Membership,
    envelope::StreamId,
    ids::{ActorId, InvitationId, SupportId, WorkspaceId},
    numbers::Version,
    workspace::{Ended, Event, Invitation, Role, Workspace},
};
use rhone_eventstore::NewEvent;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What an event changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    Member(ActorId),
    Support(SupportId),
    Invitations,
}

/// What these events changed of a workspace, as it is after them.
pub fn rows(id: WorkspaceId, workspace: &Workspace, events: &[NewEvent], version: Version) -> Vec<Value> {
    let event =
        |event: &NewEvent| event.decode::<Event>().expect("a workspace's events can be read when they are appended");
    let changed: BTreeSet<Changed> = events.iter().flat_map(|new| changed(&event(new))).collect();
    changed.into_iter().filter_map(|changed| row(id, workspace, changed, version)).collect()
}

fn changed(event: &Event) -> Vec<Changed> {
    match event {
        Event::Created { owner: actor, .. }
        | Event::MemberAdded { actor, .. }
        | Event::MemberRoleChanged { actor, .. }
        | Event::MemberRemoved { actor }
        | Event::GrantsSet { actor, .. } => vec![Changed::Member(*actor)],
        Event::SupportGranted { access, .. } | Event::SupportEnded { access } => vec![Changed::Support(*access)],
        Event::MemberInvited { .. } | Event::InvitationRevoked { .. } => vec![Changed::Invitations],
        Event::InvitationAccepted { actor, .. } => vec![Changed::Member(*actor), Changed::Invitations],
    }
}

fn row(id: WorkspaceId, workspace: &Workspace, changed: Changed, version: Version) -> Option<Value> {
    let row = match changed {
        Changed::Member(actor) => json!({
            "table": "membership", "workspace": id, "actor": actor, "version": version,
            "membership": workspace.members.get(&actor),
        }),
        Changed::Support(access) => workspace.support.get(&access).map(|of| json!({
            "table": "support", "workspace": id, "access": access, "user": of.user, "reason": of.reason, "until": of.until,
            "ended": of.ended == Ended::Early,
        }))?,
        Changed::Invitations => json!({
            "table": "invitations", "workspace": id,
            "invitations": workspace.invitations.iter().map(invitation).collect::<Vec<_>>(),
        }),
    };
    Some(row)
}

fn invitation((id, of): (&InvitationId, &Invitation)) -> Value {
    json!({
        "invitation": id, "role": of.role, "secret": of.secret.hex(), "by": of.by, "since": of.since, "until": of.until
    })
}

/// A membership with the version of the workspace that says so.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub actor: ActorId,
    /// What they may do.
    pub membership: Membership,
    /// Which version of the workspace says so.
    pub version: Version,
}

/// What the session's actor is to each workspace that it may see: one statement, which says itself who asks.
pub async fn own(session: &Session) -> Result<BTreeMap<WorkspaceId, Member>, sqlx::Error> {
    const OWN: &str =
        "SELECT workspace, actor, role, projects, environments, version FROM authority.memberships($1, $2)";
    let rows = sqlx::query(OWN).bind(session.actor().0).bind(session.workspace().map(|id| id.0));
    let rows = rows.fetch_all(session.pool()).await?;
    rows.iter().map(|row| Ok((WorkspaceId(row.try_get("workspace")?), read(row)?))).collect()
}

/// The members of each of these workspaces, those of one role if given, in the order of their ids.
pub async fn pages(
    connection: &mut PgConnection,
    workspaces: &[Uuid],
    role: Option<Role>,
    keyset: &Keyset<Uuid>,
) -> Result<Vec<(Uuid, Member)>, sqlx::Error> {
    let (operator, order) = (keyset.towards.operator(), keyset.towards.order());
    // Said only where it is asked: a plan for both would go through all members.
    let of_role = if role.is_some() { "role = $4" } else { "$4::text IS NULL" };
    let query = format!(
        "WITH heads AS MATERIALIZED (SELECT workspace, version FROM log.heads WHERE stream = ANY($5))
         SELECT m.*, coalesce(h.version, m.changed) AS version
         FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL (
             SELECT workspace, actor, role, projects, environments, version AS changed FROM authority.members
             WHERE workspace = asked.id AND ($2::uuid IS NULL OR actor {operator} $2) AND {of_role}
             ORDER BY actor {order} LIMIT $3
         ) m LEFT JOIN heads h USING (workspace) ORDER BY m.actor {order}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(workspaces).bind(keyset.from).bind(keyset.most);
    // Put together here: row-level security lets no index be used by a name that is put together beside it.
    let streams = workspaces.iter().map(|id| StreamId::new(Workspace::CATEGORY, *id).to_string());
    let rows = rows.bind(role.map(Role::as_str)).bind(streams.collect::<Vec<_>>());
    rows.fetch_all(connection).await?.iter().map(|row| Ok((row.try_get("workspace")?, read(row)?))).collect()
}

fn read(row: &PgRow) -> Result<Member, sqlx::Error> {
    let role: String = row.try_get("role")?;
    let role = role.parse().map_err(|error: UnknownWord| sqlx::Error::Decode(Box::new(error)))?;
    let Json(projects) = row.try_get("projects")?;
    let Json(environments) = row.try_get("environments")?;
    let version: i64 = row.try_get("version")?;
    Ok(Member {
        actor: ActorId(row.try_get("actor")?),
        membership: Membership { role, projects, environments },
        version: Version(version.unsigned_abs()),
    })
}

/// A time of support.
#[derive(Clone, Debug)]
pub struct Access {
    /// Which.
    pub access: SupportId,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// For whom.
    pub user: ActorId,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether it was ended before.
    pub ended: bool,
}

/// The times of support in each of these workspaces, the newest first, at most 100.
pub async fn support(
    connection: &mut PgConnection,
    workspaces: &[WorkspaceId],
) -> Result<Vec<(WorkspaceId, Access)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.* FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL (
             SELECT workspace, access, on_behalf_of, reason, until, ended FROM authority.support
             WHERE workspace = asked.id ORDER BY access DESC LIMIT 100
         ) s ORDER BY s.access DESC",
    )
    .bind(workspaces.iter().map(|id| id.0).collect::<Vec<_>>());
    let of = |row: &PgRow| Ok((WorkspaceId(row.try_get("workspace")?), access_of(row)?));
    rows.fetch_all(connection).await?.iter().map(of).collect()
}

/// One time of support.
pub async fn access(connection: &mut PgConnection, id: SupportId) -> Result<Option<Access>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT workspace, access, on_behalf_of, reason, until, ended FROM authority.support WHERE access = $1",
    );
    row.bind(id.0).fetch_optional(connection).await?.as_ref().map(access_of).transpose()
}

fn access_of(row: &PgRow) -> Result<Access, sqlx::Error> {
    Ok(Access {
        access: SupportId(row.try_get("access")?),
        workspace: WorkspaceId(row.try_get("workspace")?),
        user: ActorId(row.try_get("on_behalf_of")?),
        reason: row.try_get("reason")?,
        until: row.try_get("until")?,
        ended: row.try_get("ended")?,
    })
}

/// The workspaces that the session's actor may see; what is the actor's own is none.
pub async fn workspaces(connection: &mut PgConnection) -> Result<Vec<WorkspaceId>, sqlx::Error> {
    const WORKSPACES: &str =
        "SELECT array_remove(authority.workspaces(), nullif(current_setting('rhone.actor', true), '')::uuid)";
    let ids: Vec<Uuid> = sqlx::query_scalar(WORKSPACES).fetch_one(connection).await?;
    Ok(ids.into_iter().map(WorkspaceId).collect())
}
