//! Operations and deployments of any place: a workspace, a project, an app or an environment, under the same filters and orders
//! and by the same cursors. Gathered over the request: such a list within a list costs no statement of its own.

use super::{
    connection::{Pages, Rows},
    context::Ask as _,
    deployment::Deployment,
    filters::{DeploymentFilterInput, ListOrder, OperationFilterInput},
    lists::{DeploymentsPage, OperationsPage},
    operation::Operation,
};
use crate::fault::Fault;
use async_graphql::Context;
use rhone_domain::ids::EnvironmentId;
use rhone_projections::whose::Whose;
use uuid::Uuid;

/// Which place.
pub(crate) type Of = (Whose, Uuid);

/// Its operations; those of one environment if given.
pub(crate) async fn operations(
    ctx: &Context<'_>,
    (whose, of): Of,
    environment: Option<EnvironmentId>,
    filter: Option<OperationFilterInput>,
    (order, pages): (ListOrder, Pages),
) -> Result<Rows<Operation>, Fault> {
    let filter = (whose, filter.unwrap_or_default().read(environment));
    let wanted = pages.ordered::<Uuid>(order)?;
    let key = OperationsPage { of, filter, keyset: wanted.keyset };
    let rows = ctx.loaders().lists.load_one(key).await.map_err(Fault::internal)?.unwrap_or_default();
    Ok(wanted.connection(rows.into_iter().filter_map(Operation::keyed).collect()))
}

/// Its deployments.
pub(crate) async fn deployments(
    ctx: &Context<'_>,
    (whose, of): Of,
    filter: Option<DeploymentFilterInput>,
    (order, pages): (ListOrder, Pages),
) -> Result<Rows<Deployment>, Fault> {
    let filter = (whose, filter.unwrap_or_default().read()?);
    let wanted = pages.ordered::<Uuid>(order)?;
    let key = DeploymentsPage { of, filter, keyset: wanted.keyset };
    let rows = ctx.loaders().lists.load_one(key).await.map_err(Fault::internal)?.unwrap_or_default();
    Ok(wanted.connection(rows.into_iter().map(|row| (row.id.to_string(), Deployment(row))).collect()))
}
