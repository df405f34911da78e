//! Everything that can be asked. Who may not see a thing is answered as if there were none.

use super::{
    allocation::Allocation,
    app::App,
    artifact::Artifact,
    authorization::{self, AuthorizationRow},
    connection::{Pages, Rows},
    context::{Ask, at_least},
    deployment::Deployment,
    environment::Environment,
    filters::{self, ListOrder},
    history::{self, MomentInput, Replay, SupportBundle, Why},
    id,
    invitation::Invitation,
    lists::OfKind,
    operation::Operation,
    place::{Cell, Host, Region, roots},
    project::Project,
    provider_binding::ProviderBinding,
    rate_limit::RateLimit,
    reference::{self, NounDescription, StateClass},
    runtime_service_binding::RuntimeServiceBinding,
    session::{self, Account, EndedSession, Session},
    support::SupportAccess,
    timeline::{self, CausationTree, TimelineEntry, TimelineFilter, Wanted},
    token::held::{self, ApiToken},
    workspace::Workspace,
};
use crate::{fault::Fault, page, rate::Standing};
use async_graphql::{Context, ID, Interface, Object, SimpleObject};
use rhone_domain::token::own;
use rhone_projections::{catalogue, timeline::Filter};

/// Anything with an id.
#[derive(Clone, Debug, Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Node {
    Allocation(Allocation),
    App(App),
    Artifact(Artifact),
    Cell(Cell),
    Deployment(Deployment),
    Environment(Environment),
    Host(Host),
    Invitation(Invitation),
    Operation(Operation),
    Project(Project),
    ProviderBinding(ProviderBinding),
    Region(Region),
    RuntimeServiceBinding(RuntimeServiceBinding),
    SupportAccess(SupportAccess),
    Workspace(Workspace),
}

/// The caller.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Viewer {
    /// As events name it.
    actor: String,
    /// The token that was shown, or the session whose cookie was.
    token_id: String,
    /// For whom, when support acts for a member.
    on_behalf_of: Option<String>,
}

#[async_graphql::ComplexObject]
impl Viewer {
    /// Where the caller is signed in: at most 50 browsers, newest first.
    #[graphql(complexity = "50 + child_complexity")]
    async fn sessions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Session>> {
        Ok(session::living(ctx).await?)
    }

    /// Where the caller was signed in, when and how that ended, and what ended it: at most 50, the one that ended last first. Each
    /// is kept for thirty days from its last use on, and gone with a sign-in after that.
    #[graphql(complexity = "50 + child_complexity")]
    async fn ended_sessions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<EndedSession>> {
        Ok(session::ended(ctx).await?)
    }

    /// Who the caller is at GitHub, if that is where the caller comes from.
    #[graphql(complexity = "5 + child_complexity")]
    async fn account(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Account>> {
        Ok(session::account(ctx).await?)
    }

    /// What the caller may do in a workspace, in a project of it, or in an environment.
    #[graphql(complexity = "20")]
    async fn grants(
        &self,
        ctx: &Context<'_>,
        workspace_id: ID,
        project_id: Option<ID>,
        environment_id: Option<ID>,
    ) -> async_graphql::Result<Vec<&'static str>> {
        Ok(authorization::grants(ctx, &workspace_id, project_id.as_ref(), environment_id.as_ref()).await?)
    }

    /// The caller's tokens, the ended ones too, in the order in which they were made.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn tokens(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<ApiToken>> {
        Ok(held::page(ctx, Pages { first, after, last, before }).await?)
    }

    /// Every event that concerns the caller and no workspace, such as what became of tokens that reach everywhere, in the log's
    /// order. What concerns a workspace, its tokens too, stands in the workspace's timeline. Nobody else sees it, and no token of
    /// one workspace does.
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
        let told = Filter { workspace: Some(own(ctx.principal().actor)), ..Filter::default() };
        let wanted = Wanted { filter, at_least_position, pages: Pages { first, after, last, before } };
        Ok(timeline::lines(ctx, told, wanted).await?)
    }
}

#[derive(Debug)]
pub struct Query;

macro_rules! by_id {
    ($ctx:ident, $id:ident, $at:ident, $noun:ident) => {{
        let id = id::read("id", &$id)?;
        at_least($ctx, $at.as_deref()).await?;
        Ok($noun::find($ctx, id, None).await?)
    }};
}

/// Everything that can be asked.
#[Object]
impl Query {
    /// Every class of state, with owner, writer, durability and what becomes of it.
    #[graphql(complexity = "20 + child_complexity")]
    async fn state_taxonomy(&self) -> Vec<StateClass> {
        reference::state_taxonomy()
    }

    /// Every noun, with owner, writer, durability and trap.
    #[graphql(complexity = "20 + child_complexity")]
    async fn object_model(&self) -> Vec<NounDescription> {
        reference::object_model()
    }

    /// Who asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        let principal = ctx.principal();
        Viewer {
            actor: principal.actor.to_string(),
            token_id: principal.token.to_string(),
            on_behalf_of: principal.on_behalf_of.map(|actor| actor.to_string()),
        }
    }

    /// How the scarcest of the caller's budgets stands after this document.
    async fn rate_limit(&self, ctx: &Context<'_>) -> RateLimit {
        RateLimit::from(ctx.data_unchecked::<Standing>())
    }

    /// Every command, who may issue it, and what a caller needs for it.
    #[graphql(complexity = "50 + child_complexity")]
    async fn authorization_table(&self) -> Vec<AuthorizationRow> {
        authorization::table()
    }

    /// Anything by its id.
    async fn node(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Node>> {
        at_least(ctx, at_least_position.as_deref()).await?;
        let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
        Ok(match prefix {
            "alc" => Allocation::find(ctx, id::read("id", &id)?).await?.map(Node::Allocation),
            "app" => App::find(ctx, id::read("id", &id)?, None).await?.map(Node::App),
            "art" => Artifact::find(ctx, id::read("id", &id)?, None).await?.map(Node::Artifact),
            "cell" => Cell::find(ctx, id::read("id", &id)?, None).await?.map(Node::Cell),
            "dep" => Deployment::find(ctx, id::read("id", &id)?, None).await?.map(Node::Deployment),
            "env" => Environment::find(ctx, id::read("id", &id)?, None).await?.map(Node::Environment),
            "host" => Host::find(ctx, id::read("id", &id)?, None).await?.map(Node::Host),
            "bnd" => {
                let id = id::read("id", &id)?;
                match ProviderBinding::find(ctx, id).await? {
                    Some(found) => Some(Node::ProviderBinding(found)),
                    None => RuntimeServiceBinding::find(ctx, id).await?.map(Node::RuntimeServiceBinding),
                }
            }
            "inv" => Invitation::find(ctx, id::read("id", &id)?, None).await?.map(Node::Invitation),
            "sup" => SupportAccess::find(ctx, id::read("id", &id)?, None).await?.map(Node::SupportAccess),
            "op" => Operation::find(ctx, id::read("id", &id)?, None).await?.map(Node::Operation),
            "prj" => Project::find(ctx, id::read("id", &id)?, None).await?.map(Node::Project),
            "reg" => Region::find(ctx, id::read("id", &id)?, None).await?.map(Node::Region),
            "ws" => Workspace::find(ctx, id::read("id", &id)?, None).await?.map(Node::Workspace),
            _ => return Err(Fault::bad_input("id", "must be an id as an earlier answer gave it").into()),
        })
    }

    async fn workspace(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Workspace>> {
        by_id!(ctx, id, at_least_position, Workspace)
    }

    async fn project(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Project>> {
        by_id!(ctx, id, at_least_position, Project)
    }

    async fn app(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<App>> {
        by_id!(ctx, id, at_least_position, App)
    }

    async fn environment(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Environment>> {
        by_id!(ctx, id, at_least_position, Environment)
    }

    async fn deployment(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Deployment>> {
        by_id!(ctx, id, at_least_position, Deployment)
    }

    async fn artifact(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Artifact>> {
        by_id!(ctx, id, at_least_position, Artifact)
    }

    /// Never stale: an operation is written together with each of its stages. What it leads to may be.
    async fn operation(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Option<Operation>> {
        by_id!(ctx, id, at_least_position, Operation)
    }

    /// What led to what: the tree of causes that an event or an operation belongs to.
    #[graphql(complexity = "100 + 25 * child_complexity")]
    async fn causation_tree(
        &self,
        ctx: &Context<'_>,
        event_id: Option<String>,
        operation_id: Option<ID>,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<CausationTree> {
        at_least(ctx, at_least_position.as_deref()).await?;
        Ok(timeline::causation_tree(ctx, event_id.as_deref(), operation_id.as_ref()).await?)
    }

    /// Any aggregate at any version or time, folded by the code that judged it; by its id or as `category:uuid`.
    #[graphql(complexity = "100 + child_complexity")]
    async fn replay(
        &self,
        ctx: &Context<'_>,
        stream: ID,
        at: Option<MomentInput>,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Replay> {
        let stream = history::stream_of(&stream)?;
        Ok(history::replay(ctx, &stream, at, at_least_position.as_deref()).await?)
    }

    /// Why a place in any aggregate's state, by its JSON pointer, is what it is.
    #[graphql(complexity = "100 + child_complexity")]
    async fn why(
        &self,
        ctx: &Context<'_>,
        stream: ID,
        path: String,
        at: Option<MomentInput>,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<Why> {
        let stream = history::stream_of(&stream)?;
        at_least(ctx, at_least_position.as_deref()).await?;
        Ok(history::of_stream(ctx, &stream, &path, history::as_of(ctx, "at", at)?).await?)
    }

    /// What one cause brought about, redacted, to be folded elsewhere to the same states; an operation's cause is its id
    /// without its prefix, as lines of its timeline show it. What edges answered is in it as the operation's own evidence; what an edge
    /// reports of itself is kept as its last word only, and is in no bundle.
    #[graphql(complexity = "200 + child_complexity")]
    async fn support_bundle(
        &self,
        ctx: &Context<'_>,
        correlation: String,
        at_least_position: Option<String>,
    ) -> async_graphql::Result<SupportBundle> {
        Ok(history::support_bundle(ctx, &correlation, at_least_position.as_deref()).await?)
    }

    /// The caller's workspaces; those whose name or slug holds a text, whatever its case, and the one with a slug, if given.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the four of a connection, filter and order")]
    async fn workspaces(
        &self,
        ctx: &Context<'_>,
        named: Option<String>,
        slug: Option<String>,
        #[graphql(default_with = "ListOrder::OldestFirst")] order: ListOrder,
        at_least_position: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Workspace>> {
        at_least(ctx, at_least_position.as_deref()).await?;
        let pages = Pages { first, after, last, before };
        let filter = OfKind(Workspace::KIND, filters::with_slug(filters::named("named", named)?, slug)?);
        Ok(roots(ctx, filter, (order, pages), Workspace::of).await?)
    }

    /// Every region.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn regions(
        &self,
        ctx: &Context<'_>,
        at_least_position: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Region>> {
        at_least(ctx, at_least_position.as_deref()).await?;
        let pages = Pages { first, after, last, before };
        let filter = OfKind(Region::KIND, catalogue::Filter::default());
        Ok(roots(ctx, filter, (ListOrder::OldestFirst, pages), Region::of).await?)
    }
}
