//! What the caller may do with a binding, of either noun. The trap avoided: a detaching that is offered while several allocations
//! share what would go.

use super::Noun;
use crate::{
    fault::Fault,
    graphql::{
        affordance::{Affordance, Caller},
        context::Ask as _,
    },
};
use async_graphql::{Context, SimpleObject};
use rhone_domain::{
    environment::Environment,
    ids::{BindingId, EnvironmentId, WorkspaceId},
    route_owner::RouteOwner,
};

/// What the caller may do with a binding now, each by the last word of its mutation's name.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct BindingAffordances {
    /// `providerBindingVerify` or `runtimeServiceBindingVerify`
    verify: Affordance,
    /// `providerBindingRotate` or `runtimeServiceBindingRotate`
    rotate: Affordance,
    /// `providerBindingDisable` or `runtimeServiceBindingDisable`
    disable: Affordance,
}

impl BindingAffordances {
    pub(crate) async fn of<N: Noun>(
        ctx: &Context<'_>,
        (workspace, environment, binding): (WorkspaceId, EnvironmentId, BindingId),
    ) -> Result<Self, Fault> {
        let caller = Caller::about(ctx, workspace, Some(environment)).await?;
        let lane = ctx.loaders().folded::<N::Lane>(environment).await?;
        let disable = match N::services(&lane) {
            None => caller.may(N::ASKS),
            Some(services) => {
                let settings = ctx.loaders().folded::<Environment>(environment).await?;
                let owner = ctx.loaders().folded::<RouteOwner>(environment).await?;
                caller.may_if(N::ASKS, || services.may_do_without(binding, &settings, &owner))
            }
        };
        Ok(Self { verify: caller.may(N::ASKS), rotate: caller.may(N::ASKS), disable })
    }
}
