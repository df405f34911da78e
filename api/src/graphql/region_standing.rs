//! Where the regions of an environment stand, each with what the caller may do with it now. The trap avoided: a button that
//! disables the region in which the traffic is; whether it is there is asked of the route, as the mutation does.

use super::{
    affordance::{Affordance, Caller, some_reason},
    context::Ask as _,
    id,
    lists::RunningIn,
    region_enablement::{DataTopology, settings},
};
use crate::fault::Fault;
use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    environment::{self, Command, Seen},
    ids::{EnvironmentId, RegionId},
    route_owner::RouteOwner,
};

/// Where a region stands for an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "environment::Standing")]
pub(crate) enum RegionStandingWord {
    /// Somebody asks for it.
    Requested,
    /// A host of its cell is awaited.
    Provisioning,
    /// Its services are looked at.
    BindingServices,
    /// The owner's exact bytes are brought there.
    ReplicatingArtifacts,
    /// The traffic may be moved there.
    Eligible,
    /// It was eligible, and is not to be used.
    Disabled,
}

/// A region, and where it stands for an environment.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct RegionStanding {
    region_id: ID,
    cell_id: ID,
    standing: RegionStandingWord,
    data_topology: Option<DataTopology>,
    /// The operation that enables it, or did.
    operation_id: ID,
    /// Why it is not to be used, if it is disabled.
    disabled_reason: Option<String>,
    /// Since when, if it is known.
    disabled_at: Option<DateTime<Utc>>,
    #[graphql(skip)]
    environment: EnvironmentId,
    #[graphql(skip)]
    region: RegionId,
}

/// What the caller may do with a region of an environment now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RegionStandingAffordances {
    /// `environmentRegionDisable`
    disable: Affordance,
}

#[ComplexObject]
impl RegionStanding {
    /// What the caller may do with it now, and why not if not; `regionReadiness` says whether it can be enabled.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<RegionStandingAffordances> {
        let loaders = ctx.loaders();
        let (settings, owner) = futures_util::try_join!(settings(ctx, self.environment), async {
            loaders.route_owners.load_one(self.environment).await.map_err(Fault::internal)
        })?;
        let created = settings.created.as_ref().ok_or_else(|| id::not_found::<EnvironmentId>("id"))?;
        let caller = Caller::in_environment(ctx, created).await?;
        let serving = owner.and_then(|(owner, _)| serving(&owner));
        let (reason, at) = (some_reason(), ctx.platform().clock.now());
        let disable = Command::DisableRegion { region: self.region, serving, reason, at };
        Ok(RegionStandingAffordances { disable: caller.may_tell(&settings, disable) })
    }
}

/// The region in which an environment's traffic is; none while nothing owns it.
pub(super) fn serving(owner: &RouteOwner) -> Option<RegionId> {
    owner.owner.as_ref().and(owner.place()).map(|place| place.region)
}

/// Every region that was asked for, and where it stands.
pub(crate) async fn standings(ctx: &Context<'_>, id: EnvironmentId) -> Result<Vec<RegionStanding>, Fault> {
    let running = ctx.loaders().lists.load_one(RunningIn(id.0)).await.map_err(Fault::internal)?.unwrap_or_default();
    let all = settings(ctx, id).await?.standings(&running);
    Ok(all.into_iter().map(|(region, seen)| RegionStanding::of(id, region, &seen)).collect())
}

impl RegionStanding {
    fn of(environment: EnvironmentId, region: RegionId, seen: &Seen) -> Self {
        let withdrawn = seen.withdrawn.as_ref();
        Self {
            region_id: id::show(region),
            cell_id: id::show(seen.cell),
            standing: seen.standing.into(),
            data_topology: seen.topology.map(Into::into),
            operation_id: id::show(seen.by),
            disabled_reason: withdrawn.map(|withdrawn| withdrawn.reason.to_string()),
            disabled_at: withdrawn.and_then(|withdrawn| withdrawn.since),
            environment,
            region,
        }
    }
}
