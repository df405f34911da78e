//! Workspaces: the tenants. Whoever creates one becomes its owner; who does not belong to it cannot tell that it exists.

mod create;

pub(crate) use create::WorkspaceMutation;

use super::{
    affordance::{Affordance, Caller},
    artifact::Artifact,
    connection::{Pages, Rows},
    context::Ask,
    deployment::Deployment,
    filters::{self, DeploymentFilterInput, ListOrder, OperationFilterInput},
    id,
    invitation::Invitation,
    listing,
    lists::{InvitationsPage, Invited, Members, MembersPage, OfKind, SupportOf},
    loaders::CatalogueKey,
    member::{Member, MemberRole},
    operation::Operation,
    place::{page_of, some_of},
    project::Project,
    support::SupportAccess,
    timeline::{self, OperationLine, TimelineEntry, TimelineFilter, Wanted},
};
use crate::{fault::Fault, page};
use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    authorization::Scope,
    ids::WorkspaceId,
    personal::Sealed,
    text::{Name, Slug},
    workspace,
};
use rhone_eventstore::Position;
use rhone_projections::{catalogue, catalogue::Catalogue, projection, timeline::Filter, whose::Whose};
use uuid::Uuid;

/// A tenant.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    id: WorkspaceId,
    slug: Slug,
    name: Name,
    contact: Option<Sealed>,
    version: i64,
    created_at: DateTime<Utc>,
}

impl Workspace {
    pub(crate) const KIND: &'static str = workspace::Workspace::CATEGORY;

    pub(crate) fn of(entry: &catalogue::Entry) -> Result<Self, Fault> {
        #[derive(serde::Deserialize)]
        struct Created {
            id: WorkspaceId,
            slug: Slug,
            name: Name,
            contact_email: Option<Sealed>,
        }
        let created: Created = entry.created().map_err(Fault::internal)?;
        Ok(Self {
            id: created.id,
            slug: created.slug,
            name: created.name,
            contact: created.contact_email,
            version: entry.version,
            created_at: entry.created_at,
        })
    }

    pub(crate) async fn find(
        ctx: &Context<'_>,
        id: WorkspaceId,
        position: Option<Position>,
    ) -> Result<Option<Self>, Fault> {
        if !super::context::wait_for(ctx, projection::key::<Catalogue>(), position).await? {
            return Ok(None);
        }
        let row = ctx.loaders().catalogue.load_one(CatalogueKey(Self::KIND, id.0)).await.map_err(Fault::internal)?;
        row.as_ref().map(Self::of).transpose()
    }

    /// The one that was just created, from the log itself.
    pub(crate) async fn created(ctx: &Context<'_>, id: WorkspaceId) -> Result<Option<Self>, Fault> {
        let entry = catalogue::in_log(ctx.session(), Self::KIND, id.0).await.map_err(Fault::internal)?;
        entry.as_ref().map(Self::of).transpose()
    }
}

impl Workspace {
    /// What of a timeline is its own.
    fn told(&self) -> Filter {
        Filter { workspace: Some(self.id), ..Filter::default() }
    }
}

#[Object]
impl Workspace {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.id)
    }

    /// Globally unique.
    async fn slug(&self) -> &str {
        self.slug.as_str()
    }

    async fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whom to write to; null when there is none, or once it has been erased.
    async fn contact_email(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        let Some(sealed) = &self.contact else { return Ok(None) };
        Ok(ctx.loaders().opened(sealed).await?)
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }

    /// What the caller may do in all of it: words of `authorizationTable`.
    #[graphql(complexity = 20)]
    async fn viewer_grants(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<&'static str>> {
        Ok(Caller::within(ctx, self.id, Scope::default()).await?.grants())
    }

    /// What the caller may do in it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<WorkspaceAffordances> {
        let caller = Caller::within(ctx, self.id, Scope::default()).await?;
        Ok(WorkspaceAffordances {
            project_create: caller.may("project.create"),
            artifact_register: caller.may_as(Writer::Pipeline, "artifact.create"),
            member_add: caller.may("workspace.add_member"),
            member_invite: caller.may("workspace.invite"),
            support_access_grant: caller.may("workspace.grant_support"),
        })
    }

    /// Its projects; those whose name or slug holds a text, whatever its case, and the one with a slug, if given.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection, filter and order")]
    async fn projects(
        &self,
        ctx: &Context<'_>,
        named: Option<String>,
        slug: Option<String>,
        #[graphql(default_with = "ListOrder::OldestFirst")] order: ListOrder,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Project>> {
        let pages = Pages { first, after, last, before };
        let filter = OfKind(Project::KIND, filters::with_slug(filters::named("named", named)?, slug)?);
        Ok(some_of(ctx, filter, self.id, (order, pages), Project::of).await?)
    }

    /// The artifacts that were registered in it, in the order of their ids, which are made of their bytes and tell no time; which
    /// deployments are made of one is told by `deployments(filter: { artifactDigest })`.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Artifact>> {
        let pages = Pages { first, after, last, before };
        Ok(page_of(ctx, Artifact::KIND, self.id, pages, Artifact::of).await?)
    }

    /// Who belongs to it; those of one role if given. Never stale: it is written together with the change itself.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        role: Option<MemberRole>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Member>> {
        let wanted = Pages { first, after, last, before }.wanted::<Uuid>()?;
        let key = MembersPage { of: self.id.0, filter: Members(role.map(Into::into)), keyset: wanted.keyset };
        let rows = ctx.loaders().lists.load_one(key).await.map_err(Fault::internal)?.unwrap_or_default();
        let rows = rows.into_iter().map(|member| (member.actor.to_string(), Member::of(self.id, member)));
        Ok(wanted.connection(rows.collect()))
    }

    /// Who may still come in: the invitations that nobody has used or revoked, in the order in which they were made; the
    /// secrets are never shown. Never stale.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Invitation>> {
        let wanted = Pages { first, after, last, before }.wanted::<Uuid>()?;
        let key = InvitationsPage { of: self.id.0, filter: Invited, keyset: wanted.keyset };
        let rows = ctx.loaders().lists.load_one(key).await.map_err(Fault::internal)?.unwrap_or_default();
        let rows = rows.into_iter().map(|row| (row.id.0.to_string(), Invitation::from(row)));
        Ok(wanted.connection(rows.collect()))
    }

    /// When support may act, or might, for whom and why; the newest first, at most 100.
    #[graphql(complexity = "100 + 10 * child_complexity")]
    async fn support(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<SupportAccess>> {
        let rows = ctx.loaders().lists.load_one(SupportOf(self.id)).await.map_err(Fault::internal)?.unwrap_or_default();
        Ok(rows.into_iter().map(SupportAccess::from).collect())
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
        let (of, pages) = ((Whose::Workspaces, self.id.0), Pages { first, after, last, before });
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
        let (of, pages) = ((Whose::Workspaces, self.id.0), Pages { first, after, last, before });
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

/// What the caller may do in a workspace now, each by the name of its mutation. Where a rule looks at what is given, only the
/// caller's grant is judged.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct WorkspaceAffordances {
    /// `projectCreate`
    project_create: Affordance,
    /// `artifactRegister`
    artifact_register: Affordance,
    /// `memberAdd`
    member_add: Affordance,
    /// `memberInvite`
    member_invite: Affordance,
    /// `supportAccessGrant`
    support_access_grant: Affordance,
}
