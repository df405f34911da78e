//! Apps: what is hosted, whatever runs it at the moment.

use super::{
    affordance::Caller,
    app_source::{self, AppAffordances, AppSource},
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit},
    connection::{Pages, Rows},
    context::Ask as _,
    deployment::Deployment,
    environment::{Environment, EnvironmentKind},
    filters::{self, DeploymentFilterInput, ListOrder, OperationFilterInput},
    history::{AppReplay, MomentInput},
    id, listing,
    lists::OfKind,
    logs::{self, LogFilter, LogLines},
    operation::Operation,
    place::{claim_slug, name, noun, slug, some_of},
    project::Project,
    source_credential::{self, SourceCredential},
    timeline::{self, OperationLine, TimelineEntry, TimelineFilter, Wanted},
};
use crate::page;
use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    app,
    app_source::Source,
    authorization::Scope,
    claim,
    ids::{AppId, CorrelationId, EnvironmentId, ProjectId},
    project,
    text::{Name, Slug},
};
use rhone_projections::{timeline::Filter, whose::Whose};

noun! {
    /// A hosted application.
    App(AppId, app::Created, app::App)
}

impl App {
    /// What of a timeline is its own.
    fn told(&self) -> Filter {
        Filter { app: Some(self.created.id), ..Filter::default() }
    }
}

#[Object]
impl App {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Lines that its builds and allocations printed, in the order in which they were kept: from the beginning, or by `last` from the end. Diagnostic; lines are
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
            app: Some(self.created.id),
            ..logs::Filter::default()
        };
        Ok(logs::of(ctx, base, filter, Pages { first, after, last, before }).await?)
    }

    /// Unique in its project.
    async fn slug(&self) -> &str {
        self.created.slug.as_str()
    }

    async fn name(&self) -> &str {
        self.created.name.as_str()
    }

    async fn project(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Project>> {
        Ok(Project::find(ctx, self.created.project, None).await?)
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self, ctx: &Context<'_>) -> async_graphql::Result<i64> {
        let version = ctx.loaders().version::<app::App>(self.created.id).await?;
        Ok(i64::try_from(version.0).unwrap_or(i64::MAX).max(self.version))
    }

    /// Where it comes from; null of one that was created and never told. What a release was made of, its deployment says.
    #[graphql(complexity = "20 + child_complexity")]
    async fn source(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<AppSource>> {
        Ok(app_source::of_app(ctx, self.created.id).await?)
    }

    /// What the caller may do with its source now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<AppAffordances> {
        Ok(AppAffordances::of(ctx, &self.created).await?)
    }

    /// With what its sources are read where not everybody may, by host; never the secrets.
    #[graphql(complexity = "20 + 5 * child_complexity")]
    async fn source_credentials(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<SourceCredential>> {
        Ok(source_credential::of_app(ctx, self.created.id).await?)
    }

    /// What the caller may do in its project, and so with it: words of `authorizationTable`.
    #[graphql(complexity = 20)]
    async fn viewer_grants(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<&'static str>> {
        Ok(Caller::in_project(ctx, self.created.workspace, self.created.project).await?.grants())
    }

    /// Its environments; those of one kind, and the one with a slug, if given.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection and filters")]
    async fn environments(
        &self,
        ctx: &Context<'_>,
        kind: Option<EnvironmentKind>,
        slug: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Environment>> {
        let pages = Pages { first, after, last, before };
        let filter = OfKind(Environment::KIND, filters::with_slug(filters::of_kind(kind), slug)?);
        Ok(some_of(ctx, filter, self.created.id, (ListOrder::OldestFirst, pages), Environment::of).await?)
    }

    /// Its deployments, the newest first unless said otherwise.
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
        let (of, pages) = ((Whose::Apps, self.created.id.0), Pages { first, after, last, before });
        Ok(listing::deployments(ctx, of, filter, (order, pages)).await?)
    }

    /// Its operations, the newest first unless said otherwise; those of one environment if given.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection, filters and order")]
    async fn operations(
        &self,
        ctx: &Context<'_>,
        environment_id: Option<ID>,
        filter: Option<OperationFilterInput>,
        #[graphql(default)] order: ListOrder,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Operation>> {
        let environment = environment_id.map(|id| id::read::<EnvironmentId>("environmentId", &id)).transpose()?;
        let (of, pages) = ((Whose::Apps, self.created.id.0), Pages { first, after, last, before });
        Ok(listing::operations(ctx, of, environment, filter, (order, pages)).await?)
    }

    /// Every event that concerns it, in the log's order.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection and filters")]
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The same as in the filter.")] environment_id: Option<ID>,
        filter: Option<TimelineFilter>,
        #[graphql(desc = "Wait, for a short bounded time, until it has come this far.")] at_least_position: Option<
            String,
        >,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<TimelineEntry>> {
        let environment = environment_id.map(|id| id::read::<EnvironmentId>("environmentId", &id)).transpose()?;
        let wanted = Wanted { filter, at_least_position, pages: Pages { first, after, last, before } };
        Ok(timeline::lines(ctx, Filter { environment, ..self.told() }, wanted).await?)
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

    /// With all that belongs to it, as it was at a time or a position of the log: its streams, every command on the way there, and
    /// what differs from another moment.
    async fn replay(&self, ctx: &Context<'_>, at: Option<MomentInput>) -> async_graphql::Result<AppReplay> {
        Ok(AppReplay::of(ctx, self.created.id, at)?)
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AppCreateInput {
    project_id: ID,
    /// Unique in its project.
    slug: String,
    name: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of appCreate.
    AppCreatePayload { app: created App }
}

#[derive(Debug, Default)]
pub(crate) struct AppMutation;

#[Object]
impl AppMutation {
    /// Opens an app in a project.
    async fn app_create(&self, ctx: &Context<'_>, input: AppCreateInput) -> async_graphql::Result<AppCreatePayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let project = id::read("projectId", &input.project_id)?;
        let create = Create { project, slug: slug(&input.slug)?, name: name(&input.name)?, from: None };
        Ok(AppCreatePayload(change(ctx, manner, create).await?))
    }
}

/// An app as it begins: made here, or brought here from where its source is.
pub(super) struct Create {
    pub(super) project: ProjectId,
    pub(super) slug: Slug,
    pub(super) name: Name,
    pub(super) from: Option<Source>,
}

impl Change for Create {
    fn name(&self) -> &'static str {
        if self.from.is_some() { "appImport" } else { "appCreate" }
    }

    fn fingerprint(&self) -> String {
        let from = self.from.as_ref().map(|from| format!("\n{}\n{}", from.repository, from.reference));
        format!("{}\n{}\n{}{}", self.project, self.slug, self.name, from.unwrap_or_default())
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id: AppId = bench.new_id();
        let project = bench.load::<project::Project>(self.project).await?;
        let Some(of) = project.state.created.clone() else {
            return Err(id::not_found::<ProjectId>("projectId").into());
        };
        if !bench.belongs_to(of.workspace) {
            return Err(id::not_found::<ProjectId>("projectId").into());
        }
        let workspace = of.workspace;
        let mut unit = bench.unit(Writer::Api, workspace, CorrelationId(id.0));
        unit.about(Scope { project: Some(self.project), environment: None });
        permit(&unit, if self.from.is_some() { "app.import" } else { "app.create" }, &project.stream)?;
        claim_slug(bench, &mut unit, (claim::Kind::AppSlug, self.project.0), &self.slug, id.0).await?;
        let mut app = bench.fresh::<app::App>();
        let (project, slug, name) = (self.project, self.slug.clone(), self.name.clone());
        let created = app::Created { id, workspace, project, slug, name };
        let command = match self.from.clone() {
            Some(source) => app::Command::Import(app::Imported { created, source }),
            None => app::Command::Create(created),
        };
        decide(&mut unit, &mut app, command)?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}
