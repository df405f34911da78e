//! Where an environment is between sleeping and serving, of its route, its wake and what runs. The trap avoided: taking whatever is
//! ready for what serves; only what the owner owns counts.

use crate::{
    fault::Fault,
    graphql::{
        context::Ask as _,
        lists::{AllocationsOf, RunningIn},
        posture::WakeLifecycle,
    },
};
use async_graphql::Context;
use rhone_domain::{
    allocation::{Allocation, State},
    ids::EnvironmentId,
    operation::Work,
    wake::{self, Serving},
};
use rhone_projections::authority::allocations::Ended;

/// Where it is now.
pub(super) async fn of(ctx: &Context<'_>, id: EnvironmentId) -> Result<WakeLifecycle, Fault> {
    let loaders = ctx.loaders();
    let (owner, running, rows) = futures_util::try_join!(
        async { loaders.route_owners.load_one(id).await.map_err(Fault::internal) },
        async { loaders.lists.load_one(RunningIn(id.0)).await.map_err(Fault::internal) },
        async { loaders.lists.load_one(AllocationsOf(id.0, Ended::Excluded)).await.map_err(Fault::internal) },
    )?;
    let owner = owner.map(|(owner, _)| owner).unwrap_or_default();
    let wake = running.into_iter().flatten().find_map(|one| match one.requested.as_ref().map(|of| &of.work) {
        Some(Work::Wake(_)) => one.stage,
        _ => None,
    });
    let serves = |one: &Allocation| one.planned.as_ref().is_some_and(|planned| owner.owns(planned));
    let ready = rows.iter().flatten().any(|(one, _)| one.state == Some(State::Ready) && serves(one));
    let serving = if ready { Serving::Something } else { Serving::Nothing };
    Ok(wake::lifecycle(&owner, wake, serving, ctx.platform().clock.now()).into())
}
