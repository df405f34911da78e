//! What who runs the platform may do with a region or a cell now, each by the name of its mutation; to everybody else the table of
//! `domain` shows none of it. The trap avoided: a button for places that is offered to a tenant.

use crate::{
    fault::Fault,
    graphql::affordance::{Affordance, Caller},
};
use async_graphql::{Context, SimpleObject};
use rhone_domain::{actor::Writer, authorization::Scope, ids::PLATFORM};

/// What the caller, who runs the platform, may do with a region now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RegionAffordances {
    /// `cellCreate`
    cell_create: Affordance,
    /// `edgeTokenCreate`
    edge_token_create: Affordance,
}

/// What the caller, who runs the platform, may do with a cell now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct CellAffordances {
    /// `hostCreate`
    host_create: Affordance,
}

impl RegionAffordances {
    pub(super) async fn of(ctx: &Context<'_>) -> Result<Self, Fault> {
        let caller = Caller::within(ctx, PLATFORM, Scope::default()).await?;
        Ok(Self {
            cell_create: caller.may_as(Writer::Platform, "cell.create"),
            edge_token_create: caller.may_as(Writer::Platform, "token.issue"),
        })
    }
}

impl CellAffordances {
    pub(super) async fn of(ctx: &Context<'_>) -> Result<Self, Fault> {
        let caller = Caller::within(ctx, PLATFORM, Scope::default()).await?;
        Ok(Self { host_create: caller.may_as(Writer::Platform, "host.create") })
    }
}
