//! Opening an environment, and its route, without an owner, in the same append.

use super::{Environment, EnvironmentKind};
use crate::{
    fault::Fault,
    graphql::{
        change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit, stream},
        id,
        place::{claim_slug, slug},
    },
};
use async_graphql::{Context, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate as _,
    app,
    authorization::Scope,
    cell, claim,
    envelope::StreamId,
    environment,
    environment::DrainPolicy,
    ids::{AppId, CellId, CorrelationId, EnvironmentId, RegionId},
    route_owner,
    text::Slug,
};
use rhone_eventstore::Loads as _;

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentCreateInput {
    app_id: ID,
    /// Unique in its app.
    slug: String,
    kind: EnvironmentKind,
    /// Where its allocations run.
    region_id: ID,
    /// Where in the region.
    cell_id: ID,
    /// How long open sockets of a former owner live on; 30 unless said otherwise.
    drain_seconds: Option<i64>,
    /// How long a former owner's allocations are kept for a rollback; 300 unless said otherwise.
    standby_seconds: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentCreate.
    EnvironmentCreatePayload { environment: created Environment }
}

#[derive(Debug, Default)]
pub(crate) struct EnvironmentMutation;

#[Object]
impl EnvironmentMutation {
    /// Opens an environment of an app, and its route.
    async fn environment_create(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentCreateInput,
    ) -> async_graphql::Result<EnvironmentCreatePayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let usual = DrainPolicy::default();
        let create = Create {
            app: id::read("appId", &input.app_id)?,
            slug: slug(&input.slug)?,
            kind: input.kind.into(),
            region: id::read("regionId", &input.region_id)?,
            cell: id::read("cellId", &input.cell_id)?,
            drain: DrainPolicy {
                drain_seconds: natural("drainSeconds", input.drain_seconds)?.unwrap_or(usual.drain_seconds),
                standby_seconds: natural("standbySeconds", input.standby_seconds)?.unwrap_or(usual.standby_seconds),
            },
        };
        Ok(EnvironmentCreatePayload(change(ctx, manner, create).await?))
    }
}

#[derive(Debug)]
struct Create {
    app: AppId,
    slug: Slug,
    kind: environment::Kind,
    region: RegionId,
    cell: CellId,
    drain: DrainPolicy,
}

impl Change for Create {
    fn name(&self) -> &'static str {
        "environmentCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id: EnvironmentId = bench.new_id();
        bench.gather(&[stream::<app::App>(self.app), stream::<cell::Cell>(self.cell)]).await?;
        let Some(app) = bench.load::<app::App>(self.app).await?.state.created else {
            return Err(id::not_found::<AppId>("appId").into());
        };
        if !bench.belongs_to(app.workspace) {
            return Err(id::not_found::<AppId>("appId").into());
        }
        let cell = bench.load::<cell::Cell>(self.cell).await?.state.created;
        if cell.is_none_or(|cell| cell.region != self.region) {
            return Err(Fault::bad_input("cellId", "must be a cell of the region in regionId").into());
        }
        let (workspace, region, cell) = (app.workspace, self.region, self.cell);
        let mut unit = bench.unit(Writer::Api, workspace, CorrelationId(id.0));
        unit.place(Some(region), Some(cell));
        unit.about(Scope { project: Some(app.project), environment: None });
        let no = |no: No| no.concerning(self.app, None);
        permit(&unit, "environment.create", &StreamId::new(app::App::CATEGORY, self.app)).map_err(no)?;
        claim_slug(bench, &mut unit, (claim::Kind::EnvironmentSlug, self.app.0), &self.slug, id.0).await?;
        let mut environment = bench.fresh::<environment::Environment>();
        let created = environment::Created {
            id,
            workspace,
            project: app.project,
            app: self.app,
            slug: self.slug.clone(),
            kind: self.kind,
            region,
            cell,
            drain: self.drain,
        };
        decide(&mut unit, &mut environment, environment::Command::Create(created))?;
        let mut owner = bench.fresh::<route_owner::RouteOwner>();
        let opened = route_owner::Opened { environment: id, workspace, app: self.app, region, cell };
        decide(&mut unit, &mut owner, route_owner::Command::Open(opened))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}
