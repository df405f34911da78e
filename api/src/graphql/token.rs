//! Tokens: what callers show. The secret is told once.

use super::{
    context::{Ask, belongs_to, door, platform_only},
    id,
};
use crate::{
    fault::{Code, Fault},
    graphql::{member::not_support, place::name},
    identity::{NewToken, PREFIX, Principal, PrincipalKind},
};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use rhone_domain::{
    actor::ActorKind,
    host::Host,
    ids::{ActorId, HostId, RegionId, WorkspaceId},
    region::Region,
};
use rhone_eventstore::clock::secret;
use uuid::Uuid;

#[derive(Clone, Debug, InputObject)]
pub(crate) struct TokenCreateInput {
    /// For people.
    name: String,
    /// The only workspace it may touch; the caller's own reach when omitted.
    workspace_id: Option<ID>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct RunnerTokenCreateInput {
    host_id: ID,
    name: String,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EdgeTokenCreateInput {
    region_id: ID,
    name: String,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct TokenRevokeInput {
    /// As `tokenCreate` gave it.
    token_id: String,
}

/// The answer of tokenRevoke.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct TokenRevokePayload {
    /// Whether there was such a token of the caller, still valid.
    revoked: bool,
}

/// A new token.
#[derive(SimpleObject)]
pub(crate) struct TokenPayload {
    /// Its id, to revoke it by.
    pub(crate) token_id: String,
    /// Told now and never again.
    pub(crate) secret: String,
}

#[derive(Debug, Default)]
pub(crate) struct TokenMutation;

#[Object]
impl TokenMutation {
    /// Makes an API token that acts as the caller.
    async fn token_create(&self, ctx: &Context<'_>, input: TokenCreateInput) -> async_graphql::Result<TokenPayload> {
        let principal = user(ctx)?;
        not_support(ctx)?;
        let asked = input.workspace_id.map(|id| id::read::<WorkspaceId>("workspaceId", &id)).transpose()?;
        if let Some(workspace) = asked
            && !belongs_to(ctx, workspace).await?
        {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let (actor, workspace) = (principal.actor, asked.or(principal.workspace));
        Ok(issue(ctx, PrincipalKind::User(ActorKind::Token), actor, workspace, &input.name).await?)
    }

    /// Makes the token of a host's runner.
    async fn runner_token_create(
        &self,
        ctx: &Context<'_>,
        input: RunnerTokenCreateInput,
    ) -> async_graphql::Result<TokenPayload> {
        platform_only(ctx).await?;
        let host = id::read::<HostId>("hostId", &input.host_id)?;
        if !door(ctx.platform(), ctx.principal()).load::<Host>(host).await.map_err(Fault::internal)?.exists() {
            return Err(id::not_found::<HostId>("hostId").into());
        }
        Ok(issue(ctx, PrincipalKind::Runner(host), ActorId(host.0), None, &input.name).await?)
    }

    /// Makes the token of a region's edges.
    async fn edge_token_create(
        &self,
        ctx: &Context<'_>,
        input: EdgeTokenCreateInput,
    ) -> async_graphql::Result<TokenPayload> {
        platform_only(ctx).await?;
        let region = id::read::<RegionId>("regionId", &input.region_id)?;
        if !door(ctx.platform(), ctx.principal()).load::<Region>(region).await.map_err(Fault::internal)?.exists() {
            return Err(id::not_found::<RegionId>("regionId").into());
        }
        Ok(issue(ctx, PrincipalKind::Edge(region), ActorId(region.0), None, &input.name).await?)
    }

    /// Ends one of the caller's tokens; open connections of it end within a second.
    async fn token_revoke(
        &self,
        ctx: &Context<'_>,
        input: TokenRevokeInput,
    ) -> async_graphql::Result<TokenRevokePayload> {
        let principal = user(ctx)?;
        let token =
            Uuid::parse_str(&input.token_id).map_err(|_| Fault::bad_input("tokenId", "must be a token's id"))?;
        let revoked = ctx.platform().tokens.revoke(token, principal.actor).await.map_err(Fault::internal)?;
        Ok(TokenRevokePayload { revoked })
    }
}

fn user<'a>(ctx: &'a Context<'_>) -> Result<&'a Principal, Fault> {
    let principal = ctx.principal();
    match principal.kind {
        PrincipalKind::User(_) => Ok(principal),
        PrincipalKind::Edge(_) | PrincipalKind::Runner(_) => {
            Err(Fault::new(Code::Forbidden, "edges and runners change nothing here"))
        }
    }
}

async fn issue(
    ctx: &Context<'_>,
    kind: PrincipalKind,
    actor: ActorId,
    workspace: Option<WorkspaceId>,
    called: &str,
) -> Result<TokenPayload, Fault> {
    let platform = ctx.platform();
    let secret = format!("{PREFIX}{}", secret());
    let token = NewToken { id: platform.clock.new_id(), actor, kind, workspace, name: name(called)?.to_string() };
    platform.tokens.issue(&token, &secret).await.map_err(Fault::internal)?;
    Ok(TokenPayload { token_id: token.id.to_string(), secret })
}
