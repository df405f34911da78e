//! Whether an environment may be put to sleep and a host be emptied, gate by gate, before the button is pressed and when it is:
//! by the same judgment as the operation's own steps, on what the database tells whoever asks. The trap avoided: a drain that is
//! asked for to learn whether there is room.

use super::{
    affordance::{Caller, Outlook, some_reason},
    context::Ask as _,
    host::drain_time,
    lists::{AllocationsOf, Lists, RunningIn},
    operation::Gate,
    refusal_code::RefusalCode,
};
use crate::fault::Fault;
use async_graphql::{Context, SimpleObject, dataloader::Loader};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    actor::Writer,
    allocation::Allocation,
    authorization::{Scope, Unauthorized},
    environment,
    gate::Judged,
    host::{self, Host},
    host_drain,
    ids::{EnvironmentId, HostId, PLATFORM},
    promotion::EDGE_LIVE,
    route_owner::RouteOwner,
    sleep::{self, SILENT, Use},
};
use rhone_projections::{
    authority::allocations::Ended,
    readiness::{self, Emptied, Used},
};
use std::{collections::HashMap, sync::Arc};

/// What an operation would come to if it were asked for now.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Readiness {
    /// Whether every gate is open, and the caller may ask for it.
    allowed: bool,
    /// The code that it would be refused with; null if it is allowed.
    code: Option<RefusalCode>,
    /// The grant that the caller lacks there, if so; then a gate `caller` is closed before all others.
    missing_grant: Option<&'static str>,
    gates: Vec<Gate>,
}

impl Readiness {
    fn of(may: &Result<(), Unauthorized>, judged: &[Judged]) -> Self {
        let Outlook { allowed, code, missing_grant, gates, .. } = Outlook::of(may, judged);
        Self { allowed, code, missing_grant, gates }
    }
}

/// Of the sleep of an environment, as if a person asked for it.
pub(crate) async fn of_sleep(ctx: &Context<'_>, of: &environment::Created) -> Result<Readiness, Fault> {
    let loaders = ctx.loaders();
    let (caller, owner, about) = futures_util::try_join!(
        Caller::in_environment(ctx, of),
        async { loaders.route_owners.load_one(of.id).await.map_err(Fault::internal) },
        About::of(ctx, of.id),
    )?;
    let owner = owner.map(|(owner, _)| owner).unwrap_or_default();
    let judged = about.sleep(&owner, ctx.platform().clock.now());
    Ok(Readiness::of(&caller.permit("operation.request_sleep"), &judged))
}

/// Of the drain of a host that may take so many seconds, as `hostDrain` takes them.
pub(crate) async fn of_drain(
    ctx: &Context<'_>,
    id: HostId,
    host: &Host,
    seconds: Option<i64>,
) -> Result<Readiness, Fault> {
    let time = drain_time(seconds)?;
    let caller = Caller::within(ctx, PLATFORM, Scope::default()).await?;
    let may = caller.permit_as(Writer::Platform, "operation.request_host_drain");
    Ok(Readiness::of(&may, &drain(ctx, id, host, time).await?))
}

/// What a sleep is judged by besides the route itself.
pub(crate) struct About {
    others: usize,
    allocations: Vec<Allocation>,
    used: Used,
}

impl About {
    /// Of an environment, as whoever asks is told; gathered over the request.
    pub(crate) async fn of(ctx: &Context<'_>, id: EnvironmentId) -> Result<Self, Fault> {
        let lists = &ctx.loaders().lists;
        let (running, rows, used) = futures_util::try_join!(
            async { lists.load_one(RunningIn(id.0)).await.map_err(Fault::internal) },
            async { lists.load_one(AllocationsOf(id.0, Ended::Excluded)).await.map_err(Fault::internal) },
            async { lists.load_one(UsedIn(id)).await.map_err(Fault::internal) },
        )?;
        Ok(Self {
            others: running.unwrap_or_default().len(),
            allocations: rows.into_iter().flatten().map(|(one, _)| one).collect(),
            used: used.unwrap_or_default(),
        })
    }

    /// The gates of a sleep that a person asks for now.
    pub(crate) fn sleep(&self, owner: &RouteOwner, now: DateTime<Utc>) -> Vec<Judged> {
        let (allocations, Used { edges, silent }) = (&self.allocations, &self.used);
        sleep::judge(&sleep::Facts {
            expected: owner.epoch,
            idle_seconds: None,
            usage: Use { now, owner, allocations, edges, silent: *silent },
            others: self.others,
        })
    }
}

/// The gates of a drain of a host, which may take so long, that is asked for now.
pub(crate) async fn drain(ctx: &Context<'_>, id: HostId, host: &Host, time: TimeDelta) -> Result<Vec<Judged>, Fault> {
    let found = ctx.loaders().lists.load_one(EmptiedBy(id)).await.map_err(Fault::internal)?;
    let Emptied { hosts, allocations, sessions } = found.unwrap_or_default();
    let cordon = host::Command::Cordon { reason: some_reason(), by: Some(host_drain::NOT_BEGUN) };
    let facts = host_drain::headroom::Facts {
        host: id,
        hosts: &hosts,
        allocations: &allocations,
        sessions: &sessions,
        seconds_left: u64::try_from(time.num_seconds()).unwrap_or_default(),
    };
    Ok(host_drain::judge(host, cordon, &facts))
}

/// What the edges say of an environment's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UsedIn(EnvironmentId);

impl Loader<UsedIn> for Lists {
    type Value = Used;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[UsedIn]) -> Result<HashMap<UsedIn, Used>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let within = (EDGE_LIVE.as_seconds_f64(), SILENT.as_seconds_f64());
        let found = readiness::used(&mut transaction, &of, within).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(of, used)| (UsedIn(of), used)).collect())
    }
}

/// What the drain of a host is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EmptiedBy(HostId);

impl Loader<EmptiedBy> for Lists {
    type Value = Emptied;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[EmptiedBy]) -> Result<HashMap<EmptiedBy, Emptied>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = readiness::emptied(&mut transaction, &of, EDGE_LIVE.as_seconds_f64()).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(of, emptied)| (EmptiedBy(of), emptied)).collect())
    }
}
