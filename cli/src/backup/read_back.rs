//! What is read back of a restored database: every route has the epoch and the owner that its stream folds to, and none is below
//! its floor. The trap avoided: comparing what was written with what was to be written; each route is folded again from its
//! events.

use anyhow::{Context as _, Result, bail, ensure};
use rhone_domain::{
    aggregate::Aggregate as _,
    envelope::StreamId,
    ids::{DeploymentId, EnvironmentId},
    numbers::{Epoch, Version},
    route_owner::RouteOwner,
};
use rhone_eventstore::dispatcher::fold;
use rhone_projections::folded;
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use std::collections::BTreeMap;

/// How many streams are folded at a time.
const AT_ONCE: usize = 500;

/// A row of `authority.route_owners`, and what it should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) epoch: Epoch,
    pub(super) deployment: Option<DeploymentId>,
    version: Version,
}

impl Route {
    /// Of a stream; none before it was opened.
    fn folded(owner: &RouteOwner, version: Version) -> Option<Self> {
        let route = owner.route()?;
        let deployment = route.owner.map(|owner| owner.deployment);
        Some(Self { epoch: route.epoch, deployment, version })
    }

    fn read(row: &PgRow) -> Result<(EnvironmentId, Self)> {
        let number = |name: &str| anyhow::Ok(u64::try_from(row.try_get::<i64, _>(name)?)?);
        let Json::<RouteOwner>(body) = row.try_get("body")?;
        let deployment = row.try_get::<Option<_>, _>("deployment")?.map(DeploymentId);
        let (epoch, version) = (Epoch(number("epoch")?), Version(number("version")?));
        let (environment, route) = (EnvironmentId(row.try_get("environment")?), Self { epoch, deployment, version });
        // What programs before this one did not write yet may be missing in a body, and comes with the route's next event.
        let said = Self::folded(&body, version);
        ensure!(
            said == Some(route.clone()),
            "the route of {environment} is not what its stream folds to: its row says two things"
        );
        Ok((environment, route))
    }
}

/// Every route, each compared with its stream.
pub(super) async fn routes(admin: &mut PgConnection) -> Result<BTreeMap<EnvironmentId, Route>> {
    let rows = "SELECT environment, epoch, deployment, version, body FROM authority.route_owners";
    let rows = sqlx::query(rows).fetch_all(&mut *admin).await.context("reading the routes")?;
    let mut rows: BTreeMap<_, _> = rows.iter().map(Route::read).collect::<Result<_>>()?;
    let names = "SELECT stream FROM log.heads WHERE split_part(stream, ':', 1) = $1 ORDER BY stream";
    let names = sqlx::query_scalar(names).bind(RouteOwner::CATEGORY).fetch_all(&mut *admin).await;
    let names: Vec<String> = names.context("reading which routes there are")?;
    let mut routes = BTreeMap::new();
    for names in names.chunks(AT_ONCE) {
        let streams: Vec<StreamId> = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let events = folded::streams(admin, &streams).await?;
        for stream in streams {
            let environment = EnvironmentId(stream.id());
            let folded = fold(stream.clone(), events.get(&stream).into_iter().flatten())?;
            let folded = Route::folded(&folded.state, folded.version);
            ensure!(
                rows.remove(&environment) == folded,
                "the route of {environment} is not what its stream folds to: {stream}"
            );
            routes.extend(folded.map(|route| (environment, route)));
        }
    }
    if let Some(environment) = rows.keys().next() {
        bail!("the route of {environment} has no stream");
    }
    Ok(routes)
}

/// No route is below what edges may have served: its epoch of the backup, and so much more where somebody owns the traffic.
pub(super) fn none_is_below_its_floor(
    routes: &BTreeMap<EnvironmentId, Route>,
    backup: &BTreeMap<EnvironmentId, Epoch>,
    raised_by: u64,
) -> Result<()> {
    for (environment, Epoch(epoch)) in backup {
        let route = routes.get(environment).with_context(|| format!("the route of {environment} is missing"))?;
        let floor = if route.deployment.is_some() { epoch.saturating_add(raised_by) } else { *epoch };
        let at = route.epoch.0;
        ensure!(at >= floor, "the route of {environment} is at epoch {at}, below its floor {floor}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Floors.
    use super::*;
    use uuid::Uuid;

    const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(1));

    fn at(epoch: u64, deployment: Option<DeploymentId>) -> BTreeMap<EnvironmentId, Route> {
        BTreeMap::from([(PRODUCTION, Route { epoch: Epoch(epoch), deployment, version: Version(1) })])
    }

    #[test]
    fn a_route_below_what_edges_may_have_served_is_named() {
        let owned = Some(DeploymentId(Uuid::from_u128(2)));
        let backup = BTreeMap::from([(PRODUCTION, Epoch(7))]);
        for (routes, sound) in [
            (at(1_007, owned), true),
            (at(1_008, owned), true),
            (at(1_006, owned), false),
            (at(7, owned), false),
            (at(7, None), true),
            (at(6, None), false),
            (BTreeMap::new(), false),
        ] {
            let told = none_is_below_its_floor(&routes, &backup, 1_000);
            assert_eq!(told.is_ok(), sound, "{routes:?}");
            assert!(sound || told.expect_err("it is below").to_string().contains(&PRODUCTION.to_string()));
        }
    }
}
