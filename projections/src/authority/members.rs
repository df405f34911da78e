//! Who belongs to which workspace, as row-level security sees it. Written inline from the workspace's stream.

use rhone_domain::{
    ids::{ActorId, WorkspaceId},
    workspace::Workspace,
};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// A row per member.
pub fn rows(id: WorkspaceId, workspace: &Workspace) -> Vec<Value> {
    let row = |(actor, role): (&ActorId, &rhone_domain::workspace::Role)| json!({ "table": "member", "workspace": id, "actor": actor, "role": role });
    workspace.members.iter().map(row).collect()
}

/// The role of an actor in a workspace; none when it is not a member.
pub async fn role(
    connection: &mut PgConnection,
    actor: ActorId,
    workspace: WorkspaceId,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query("SELECT role FROM authority.members WHERE actor = $1 AND workspace = $2")
        .bind(actor.0)
        .bind(workspace.0)
        .fetch_optional(connection)
        .await?
        .map(|row| row.try_get("role"))
        .transpose()
}

/// The workspaces that the session's actor may see.
pub async fn workspaces(connection: &mut PgConnection) -> Result<Vec<WorkspaceId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT authority.workspaces()").fetch_one(connection).await?;
    Ok(ids.into_iter().map(WorkspaceId).collect())
}
