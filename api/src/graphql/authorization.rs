//! Who may do what, for reading: the table itself, and what the caller may do in one place. Shown so that a button can be
//! grey before it is pressed; what counts is judged again with the command.

use super::{
    affordance::Caller,
    context::{Ask as _, belongs_to},
    id,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, SimpleObject};
use rhone_domain::{
    authorization::{Grant, Need, Row, Scope, TABLE, grants_of},
    environment::Environment,
    ids::{EnvironmentId, ProjectId, WorkspaceId},
    workspace::Role,
};

/// A row of the table: a command, who may issue it, and what a caller needs for it.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct AuthorizationRow {
    /// `noun.verb`.
    command: &'static str,
    /// In which capacities it may be issued.
    writers: Vec<&'static str>,
    /// The grants of which a caller needs one: the second is production's. Empty when none is needed or none would do.
    grants: Vec<&'static str>,
    /// Whether no caller may issue it, whatever the grants: the platform's own programs do.
    own: bool,
    /// How far the grant must reach: workspace, project, environment or platform.
    level: &'static str,
    /// The roles that have it, in all of the workspace.
    roles: Vec<&'static str>,
}

impl From<&Row> for AuthorizationRow {
    fn from(row: &Row) -> Self {
        let (grants, own) = match row.need {
            Need::Nobody => (vec![], true),
            Need::Nothing | Need::Own | Need::Beside => (vec![], false),
            Need::One(grant) => (vec![grant], false),
            Need::Promote => (vec![Grant::PromotePreview, Grant::PromoteProduction], false),
        };
        let has = |role: &&Role| !own && grants.iter().all(|grant| grants_of(**role).contains(grant));
        Self {
            command: row.command,
            writers: row.writers.iter().map(|writer| writer.as_str()).collect(),
            roles: Role::ALL.iter().filter(has).map(|role| role.as_str()).collect(),
            grants: grants.iter().map(|grant| grant.as_str()).collect(),
            own,
            level: row.level.as_str(),
        }
    }
}

/// The table.
pub(crate) fn table() -> Vec<AuthorizationRow> {
    TABLE.iter().map(AuthorizationRow::from).collect()
}

/// What the caller may do in a workspace, in a project, or in an environment.
pub(crate) async fn grants(
    ctx: &Context<'_>,
    workspace: &ID,
    project: Option<&ID>,
    environment: Option<&ID>,
) -> Result<Vec<&'static str>, Fault> {
    let workspace = id::read::<WorkspaceId>("workspaceId", workspace)?;
    if !belongs_to(ctx, workspace).await? {
        return Err(id::not_found::<WorkspaceId>("workspaceId"));
    }
    let mut scope =
        Scope { project: project.map(|id| id::read::<ProjectId>("projectId", id)).transpose()?, environment: None };
    if let Some(environment) = environment {
        let id = id::read::<EnvironmentId>("environmentId", environment)?;
        let loaded = ctx.loaders().folded::<Environment>(id).await?;
        let created = loaded.created.filter(|created| created.workspace == workspace);
        let created = created.ok_or_else(|| id::not_found::<EnvironmentId>("environmentId"))?;
        scope = Scope { project: Some(created.project), environment: Some((id, created.kind)) };
    }
    Ok(Caller::within(ctx, workspace, scope).await?.grants())
}
