//! Environments: traffic and policy lanes of an app.

mod affordances;
mod create;
mod drain_policy;
mod kind;
mod lifecycle;

pub(crate) use affordances::EnvironmentAffordances;
pub(crate) use create::EnvironmentMutation;
pub(crate) use drain_policy::DrainPolicyMutation;
pub(crate) use kind::EnvironmentKind;

use super::{
    affordance::Caller,
    allocation::{Allocation, AllocationState},
    app::App,
    change::natural,
    connection::{Pages, Rows},
    context::Ask,
    deployment::Deployment,
    failover::{self, FailoverPlan},
    filters::{DeploymentFilterInput, ListOrder, OperationFilterInput},
    gates::RouteChangePlan,
    history::{self, EnvironmentChange, EnvironmentField, Why},
    id, listing,
    lists::AllocationsOf,
    logs::{self, LogFilter, LogLines},
    migration::{self, RecordedMigration},
    operation::Operation,
    place::{Cell, Region, noun},
    posture::WakeLifecycle,
    provider_binding::{self, ProviderBinding},
    readiness::{self, Readiness},
    region_enablement::{self, DataTopology, EnabledRegion, RegionReadiness},
    region_standing::{self, RegionStanding},
    route_owner::RouteOwner,
    runtime_service_binding::{self, RuntimeServiceBinding},
    scale::{self, ScalePlan},
    scale_readiness::{self, ScaleReadiness},
    time::Time,
    timeline::{self, OperationLine, TimelineEntry, TimelineFilter, Wanted},
    variables::{self, Variable, VariableDifference, VariableSet},
};
use crate::{fault::Fault, page};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use rhone_domain::{
    allocation::State,
    environment,
    ids::{DeploymentId, EnvironmentId},
    migrations::Migrations,
    operation::Kind,
    region_enablement::Enablement,
};
use rhone_projections::{authority::allocations::Ended, timeline::Filter, whose::Whose};

noun! {
    /// A traffic and policy lane of an app; also the key of its route.
    Environment(EnvironmentId, environment::Created, environment::Environment)
}

impl Environment {
    /// What of a timeline is its own.
    fn told(&self) -> Filter {
        Filter { environment: Some(self.created.id), ..Filter::default() }
    }
}

#[Object]
impl Environment {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Lines that its allocations printed, in the order in which they were kept: from the beginning, or by `last` from the end. Diagnostic; lines are
    /// rotated away.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn logs(
        &self,
        ctx: &Context<'_>,
        filter: Option<LogFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<LogLines> {
        let base = logs::Filter {
            workspace: Some(self.created.workspace),
            environment: Some(self.created.id),
            ..logs::Filter::default()
        };
        Ok(logs::of(ctx, base, filter, Pages { first, after, last, before }).await?)
    }

    /// Unique in its app.
    async fn slug(&self) -> &str {
        self.created.slug.as_str()
    }

    async fn kind(&self) -> EnvironmentKind {
        self.created.kind.into()
    }

    async fn app(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<App>> {
        Ok(App::find(ctx, self.created.app, None).await?)
    }

    async fn region(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Region>> {
        Ok(Region::find(ctx, self.created.region, None).await?)
    }

    async fn cell(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Cell>> {
        Ok(Cell::find(ctx, self.created.cell, None).await?)
    }

    /// How long open sockets of a former owner live on.
    async fn drain_seconds(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        let state = ctx.loaders().folded::<environment::Environment>(self.created.id).await?;
        Ok(state.drain().drain_seconds)
    }

    /// How long a former owner's allocations are kept for a rollback.
    async fn standby_seconds(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        let state = ctx.loaders().folded::<environment::Environment>(self.created.id).await?;
        Ok(state.drain().standby_seconds)
    }

    /// After how long without any use it goes to sleep by itself; 0: never.
    async fn sleep_after_seconds(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        let state = ctx.loaders().folded::<environment::Environment>(self.created.id).await?;
        Ok(state.sleep.sleep_after_seconds)
    }

    /// Where it is between sleeping and serving.
    #[graphql(complexity = 100)]
    async fn lifecycle(&self, ctx: &Context<'_>) -> async_graphql::Result<WakeLifecycle> {
        Ok(lifecycle::of(ctx, self.created.id).await?)
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// How many allocations of its owner it wants.
    #[graphql(complexity = 20)]
    async fn replicas(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        let state = ctx.loaders().folded::<environment::Environment>(self.created.id).await?;
        Ok(state.replicas.0.into())
    }

    /// Whether it could be scaled to this number now, gate by gate.
    #[graphql(complexity = "50 + child_complexity")]
    async fn scale_plan(&self, ctx: &Context<'_>, replicas: i64) -> async_graphql::Result<ScalePlan> {
        Ok(scale::plan(ctx, self.created.id, replicas).await?)
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }

    /// What the caller may do in it: words of `authorizationTable`.
    #[graphql(complexity = 20)]
    async fn viewer_grants(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<&'static str>> {
        Ok(Caller::in_environment(ctx, &self.created).await?.grants())
    }

    /// What the caller may do with it now; promotion, rollback, scale, sleep, failover and region each have a plan of their own.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<EnvironmentAffordances> {
        Ok(EnvironmentAffordances::of(ctx, &self.created).await?)
    }

    /// Who owns its traffic. Never stale: it is written together with the change itself.
    async fn route_owner(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<RouteOwner>> {
        Ok(RouteOwner::find(ctx, self.created.id, None).await?)
    }

    /// How many others must approve a promotion to it.
    async fn approvals_required(&self, ctx: &Context<'_>) -> async_graphql::Result<u8> {
        let state = ctx.loaders().folded::<environment::Environment>(self.created.id).await?;
        Ok(state.policy.approvals_required)
    }

    /// What a promotion of this deployment to it would come to now, gate by gate.
    #[graphql(complexity = "50 + child_complexity")]
    async fn promotion(&self, ctx: &Context<'_>, deployment_id: ID) -> async_graphql::Result<Option<RouteChangePlan>> {
        let deployment = id::read::<DeploymentId>("deploymentId", &deployment_id)?;
        Ok(RouteChangePlan::of(ctx, self.created.id, deployment, Kind::Promotion).await?)
    }

    /// What a failover to this region would come to now, gate by gate, and what its sessions would get.
    #[graphql(complexity = "50 + child_complexity")]
    async fn failover(&self, ctx: &Context<'_>, region_id: ID) -> async_graphql::Result<FailoverPlan> {
        Ok(failover::plan(ctx, self.created.id, id::read("regionId", &region_id)?).await?)
    }

    /// What a rollback to every earlier owner would come to now, the latest first; at most 50.
    #[graphql(complexity = "100 + 10 * child_complexity")]
    async fn rollback_plan(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<RouteChangePlan>> {
        Ok(RouteChangePlan::back(ctx, self.created.id).await?)
    }

    /// What ran against its database, in order.
    #[graphql(complexity = "20 + 5 * child_complexity")]
    async fn migrations(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<RecordedMigration>> {
        Ok(migration::of(ctx, self.created.id).await?)
    }

    /// The version of what ran: what `migrationRecord` and `migrationRestore` may expect; 0 as long as nothing did.
    async fn migrations_version(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        Ok(ctx.loaders().version::<Migrations>(self.created.id).await?.0)
    }

    /// Its outside resources; only what is VERIFIED counts.
    #[graphql(complexity = "50 + 10 * child_complexity")]
    async fn provider_bindings(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<ProviderBinding>> {
        Ok(provider_binding::of_environment(ctx, self.created.id).await?)
    }

    /// Its runtime services; only what is VERIFIED counts.
    #[graphql(complexity = "50 + 10 * child_complexity")]
    async fn runtime_service_bindings(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<RuntimeServiceBinding>> {
        Ok(runtime_service_binding::of_environment(ctx, self.created.id).await?)
    }

    /// Whether so many allocations of what owns it could serve it, and exactly what is missing.
    #[graphql(complexity = "50 + child_complexity")]
    async fn scale_readiness(&self, ctx: &Context<'_>, replicas: i64) -> async_graphql::Result<ScaleReadiness> {
        let replicas = natural("replicas", Some(replicas))?.unwrap_or_default();
        Ok(scale_readiness::of_environment(ctx, self.created.id, replicas).await?)
    }

    /// What `environmentSleep` would come to now, gate by gate.
    #[graphql(complexity = "100 + child_complexity")]
    async fn sleep_readiness(&self, ctx: &Context<'_>) -> async_graphql::Result<Readiness> {
        Ok(readiness::of_sleep(ctx, &self.created).await?)
    }

    /// The regions in which its traffic and data may ever be; none: anywhere.
    #[graphql(complexity = 20)]
    async fn residency(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<ID>> {
        let settings = region_enablement::settings(ctx, self.created.id).await?;
        Ok(settings.residency.0.iter().map(|region| id::show(*region)).collect())
    }

    /// The regions that its traffic may be moved to, besides its home region.
    #[graphql(complexity = "20 + 5 * child_complexity")]
    async fn regions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<EnabledRegion>> {
        let settings = region_enablement::settings(ctx, self.created.id).await?;
        Ok(settings.regions.values().map(Into::into).collect())
    }

    /// Every region that was asked for, and where it stands: on its way, eligible, or disabled since. One whose enablement failed is
    /// where it was before.
    #[graphql(complexity = "70 + 5 * child_complexity")]
    async fn region_standings(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<RegionStanding>> {
        Ok(region_standing::standings(ctx, self.created.id).await?)
    }

    /// Whether a region is fit for it now, gate by gate.
    #[graphql(complexity = "50 + child_complexity")]
    async fn region_readiness(
        &self,
        ctx: &Context<'_>,
        region_id: ID,
        cell_id: ID,
        data_topology: Option<DataTopology>,
    ) -> async_graphql::Result<RegionReadiness> {
        let (app, environment) = (self.created.app, self.created.id);
        let (region, cell) = (id::read("regionId", &region_id)?, id::read("cellId", &cell_id)?);
        let topology = data_topology.map(Into::into);
        Ok(region_enablement::readiness(ctx, Enablement { app, environment, region, cell, topology }).await?)
    }

    /// Its allocations, the newest first; those that have ended only on request, or if that is the state asked for.
    #[graphql(complexity = "100 + 25 * child_complexity")]
    async fn allocations(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] ended: bool,
        state: Option<AllocationState>,
    ) -> async_graphql::Result<Vec<Allocation>> {
        let over = matches!(state, Some(AllocationState::Stopped | AllocationState::Failed));
        let ended = if ended || over { Ended::Included } else { Ended::Excluded };
        let key = AllocationsOf(self.created.id.0, ended);
        let rows = ctx.loaders().lists.load_one(key).await.map_err(Fault::internal)?.unwrap_or_default();
        let wanted = state.map(State::from);
        let rows = rows.into_iter().filter(|(one, _)| wanted.is_none() || one.state == wanted);
        Ok(rows.filter_map(Allocation::of).collect())
    }

    /// Its variables in a set; in the newest one when none is named. What runs has its deployment's own set.
    #[graphql(complexity = "100 + 25 * child_complexity")]
    async fn variables(&self, ctx: &Context<'_>, set: Option<i64>) -> async_graphql::Result<Vec<Variable>> {
        Ok(variables::variables(ctx, &self.created, natural("set", set)?).await?)
    }

    /// Its newest 100 sets of variables, the newest first.
    #[graphql(complexity = "100 + 25 * child_complexity")]
    async fn variable_sets(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<VariableSet>> {
        Ok(variables::sets(ctx, self.created.id).await?)
    }

    /// What a deployment's own set has otherwise than the newest one: a rollback to it brings its own back.
    #[graphql(complexity = "100 + child_complexity")]
    async fn variable_difference(
        &self,
        ctx: &Context<'_>,
        deployment_id: ID,
    ) -> async_graphql::Result<VariableDifference> {
        Ok(variables::difference(ctx, self.created.id, &deployment_id).await?)
    }

    /// Its operations, the newest first unless said otherwise.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection, filter and order")]
    async fn operations(
        &self,
        ctx: &Context<'_>,
        filter: Option<OperationFilterInput>,
        #[graphql(default)] order: ListOrder,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Operation>> {
        let (of, pages) = ((Whose::Environments, self.created.id.0), Pages { first, after, last, before });
        Ok(listing::operations(ctx, of, None, filter, (order, pages)).await?)
    }

    /// Deployments that an operation here was about, the newest first unless said otherwise.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection, filter and order")]
    async fn deployments(
        &self,
        ctx: &Context<'_>,
        filter: Option<DeploymentFilterInput>,
        #[graphql(default)] order: ListOrder,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Deployment>> {
        let (of, pages) = ((Whose::Environments, self.created.id.0), Pages { first, after, last, before });
        Ok(listing::deployments(ctx, of, filter, (order, pages)).await?)
    }

    /// Every event that concerns it, in the log's order.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection and filters")]
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        filter: Option<TimelineFilter>,
        #[graphql(desc = "Wait, for a short bounded time, until it has come this far.")] at_least_position: Option<
            String,
        >,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<TimelineEntry>> {
        let wanted = Wanted { filter, at_least_position, pages: Pages { first, after, last, before } };
        Ok(timeline::lines(ctx, self.told(), wanted).await?)
    }

    /// The same, operation by operation; the filter is about how each one began.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection and filters")]
    async fn operation_timeline(
        &self,
        ctx: &Context<'_>,
        filter: Option<TimelineFilter>,
        at_least_position: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<OperationLine>> {
        let wanted = Wanted { filter, at_least_position, pages: Pages { first, after, last, before } };
        Ok(timeline::operations(ctx, self.told(), wanted).await?)
    }

    /// What changed in it after one time, up to and with another, field by field.
    #[graphql(complexity = "100 + 10 * child_complexity")]
    async fn changes(&self, ctx: &Context<'_>, from: Time, to: Time) -> async_graphql::Result<Vec<EnvironmentChange>> {
        Ok(history::changes(ctx, self.created.id, (from.read("from")?, to.read("to")?)).await?)
    }

    /// Why a field is what it is; one of several by its key, such as a variable, a hostname or a digest.
    #[graphql(complexity = "100 + child_complexity")]
    async fn why(&self, ctx: &Context<'_>, field: EnvironmentField, key: Option<String>) -> async_graphql::Result<Why> {
        Ok(history::of_environment(ctx, self.created.id, field, key).await?)
    }
}
