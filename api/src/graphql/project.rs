//! Projects: groupings of apps within a workspace.

use super::{
    affordance::{Affordance, Caller},
    app::App,
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit},
    connection::{Pages, Rows},
    deployment::Deployment,
    filters::{self, DeploymentFilterInput, ListOrder, OperationFilterInput},
    id, listing,
    lists::OfKind,
    operation::Operation,
    place::{claim_slug, name, noun, slug, some_of},
    timeline::{self, OperationLine, TimelineEntry, TimelineFilter, Wanted},
    workspace::Workspace,
};
use crate::page;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    claim,
    envelope::StreamId,
    ids::{CorrelationId, ProjectId, WorkspaceId},
    project,
    text::{Name, Slug},
};
use rhone_projections::{timeline::Filter, whose::Whose};

noun! {
    /// A grouping of apps.
    Project(ProjectId, project::Created, project::Project)
}

impl Project {
    /// What of a timeline is its own.
    fn told(&self) -> Filter {
        Filter { project: Some(self.created.id), ..Filter::default() }
    }
}

#[Object]
impl Project {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Unique in its workspace.
    async fn slug(&self) -> &str {
        self.created.slug.as_str()
    }

    async fn name(&self) -> &str {
        self.created.name.as_str()
    }

    async fn workspace(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Workspace>> {
        Ok(Workspace::find(ctx, self.created.workspace, None).await?)
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }

    /// What the caller may do in it: words of `authorizationTable`.
    #[graphql(complexity = 20)]
    async fn viewer_grants(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<&'static str>> {
        Ok(Caller::in_project(ctx, self.created.workspace, self.created.id).await?.grants())
    }

    /// What the caller may do in it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<ProjectAffordances> {
        let caller = Caller::in_project(ctx, self.created.workspace, self.created.id).await?;
        Ok(ProjectAffordances { app_create: caller.may("app.create"), app_import: caller.may("app.import") })
    }

    /// Its apps; those whose name or slug holds a text, whatever its case, and the one with a slug, if given.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection, filter and order")]
    async fn apps(
        &self,
        ctx: &Context<'_>,
        named: Option<String>,
        slug: Option<String>,
        #[graphql(default_with = "ListOrder::OldestFirst")] order: ListOrder,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<App>> {
        let pages = Pages { first, after, last, before };
        let filter = OfKind(App::KIND, filters::with_slug(filters::named("named", named)?, slug)?);
        Ok(some_of(ctx, filter, self.created.id, (order, pages), App::of).await?)
    }

    /// The operations of all of its apps, the newest first unless said otherwise.
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
        let (of, pages) = ((Whose::Projects, self.created.id.0), Pages { first, after, last, before });
        Ok(listing::operations(ctx, of, None, filter, (order, pages)).await?)
    }

    /// The deployments of all of its apps, the newest first unless said otherwise.
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
        let (of, pages) = ((Whose::Projects, self.created.id.0), Pages { first, after, last, before });
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
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct ProjectCreateInput {
    workspace_id: ID,
    /// Unique in its workspace.
    slug: String,
    name: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

/// What the caller may do in a project now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ProjectAffordances {
    /// `appCreate`
    app_create: Affordance,
    /// `appImport`
    app_import: Affordance,
}

payload! {
    /// The answer of projectCreate.
    ProjectCreatePayload { project: created Project }
}

#[derive(Debug, Default)]
pub(crate) struct ProjectMutation;

#[Object]
impl ProjectMutation {
    /// Opens a project in a workspace.
    async fn project_create(
        &self,
        ctx: &Context<'_>,
        input: ProjectCreateInput,
    ) -> async_graphql::Result<ProjectCreatePayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let workspace = id::read::<WorkspaceId>("workspaceId", &input.workspace_id)?;
        let create = Create { workspace, slug: slug(&input.slug)?, name: name(&input.name)? };
        Ok(ProjectCreatePayload(change(ctx, manner, create).await?))
    }
}

struct Create {
    workspace: WorkspaceId,
    slug: Slug,
    name: Name,
}

impl Change for Create {
    fn name(&self) -> &'static str {
        "projectCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}\n{}", self.workspace, self.slug, self.name)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (id, workspace): (ProjectId, _) = (bench.new_id(), self.workspace);
        if !bench.belongs_to(workspace) {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let mut unit = bench.unit(Writer::Api, workspace, CorrelationId(id.0));
        permit(&unit, "project.create", &StreamId::new(Workspace::KIND, workspace))?;
        claim_slug(bench, &mut unit, (claim::Kind::ProjectSlug, workspace.0), &self.slug, id.0).await?;
        let mut project = bench.fresh::<project::Project>();
        let created = project::Created { id, workspace, slug: self.slug.clone(), name: self.name.clone() };
        decide(&mut unit, &mut project, project::Command::Create(created))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}
