//! The open invitations of a workspace, as people see them: never the secret, nor what it is recognised by. Written with the
//! members (`members::rows`), so that a look after an acceptance finds no invitation that is used.

use crate::keyset::Keyset;
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::UnknownWord,
    digest::Digest,
    ids::{ActorId, InvitationId, WorkspaceId},
    workspace::Role,
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

/// An invitation that nobody has used or revoked.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// As what one comes in.
    pub role: Role,
    /// Who invited.
    pub by: ActorId,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Those of each of these workspaces, in the order in which they were made.
pub async fn pages(
    connection: &mut PgConnection,
    workspaces: &[Uuid],
    keyset: &Keyset<Uuid>,
) -> Result<Vec<Invitation>, sqlx::Error> {
    let (operator, order) = (keyset.towards.operator(), keyset.towards.order());
    let query = format!(
        "SELECT i.* FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL (
             SELECT invitation, workspace, role, invited_by, since, until FROM authority.invitations
             WHERE workspace = asked.id AND ($2::uuid IS NULL OR invitation {operator} $2)
             ORDER BY invitation {order} LIMIT $3
         ) i ORDER BY i.invitation {order}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(workspaces).bind(keyset.from).bind(keyset.most);
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// One of them.
pub async fn one(connection: &mut PgConnection, id: InvitationId) -> Result<Option<Invitation>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT invitation, workspace, role, invited_by, since, until FROM authority.invitations WHERE invitation = $1",
    );
    row.bind(id.0).fetch_optional(connection).await?.as_ref().map(read).transpose()
}

/// The workspace that the secret of this SHA-256 opens now, whoever asks; none if it opens none.
pub async fn opened(connection: &mut PgConnection, secret: Digest) -> Result<Option<WorkspaceId>, sqlx::Error> {
    let workspace: Option<Uuid> =
        sqlx::query_scalar("SELECT authority.opened($1)").bind(secret.0.to_vec()).fetch_one(connection).await?;
    Ok(workspace.map(WorkspaceId))
}

fn read(row: &PgRow) -> Result<Invitation, sqlx::Error> {
    let role: String = row.try_get("role")?;
    Ok(Invitation {
        id: InvitationId(row.try_get("invitation")?),
        workspace: WorkspaceId(row.try_get("workspace")?),
        role: role.parse().map_err(|error: UnknownWord| sqlx::Error::Decode(Box::new(error)))?,
        by: ActorId(row.try_get("invited_by")?),
        since: row.try_get("since")?,
        until: row.try_get("until")?,
    })
}
