//! Tokens: what callers show. The secret is told once.

mod asked;
pub(crate) mod held;

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
use chrono::{DateTime, Utc};
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
    /// What it leaves of the caller's rights: words of authorizationTable, of which none means that it only reads. What the
    /// caller's own token leaves when omitted. Never members_manage, support_grant or workspace_manage.
    grants: Option<Vec<String>>,
    /// How long it is valid, from now: 60 to 31622400 (366 days), 90 days when omitted; never longer than the caller's own
    /// token.
    expires_in_seconds: Option<i64>,
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

#[derive(Clone, Debug, InputObject)]
pub(crate) struct TokenRotateInput {
    /// As `tokenCreate` gave it.
    token_id: String,
}

/// The answer of tokenRotate.
#[derive(SimpleObject)]
pub(crate) struct TokenRotatePayload {
    /// Whether there was such a token of the caller, still valid and no wider than the caller's own.
    rotated: bool,
    /// The same token with its new secret; null if there was none.
    token: Option<TokenPayload>,
}

/// The answer of tokenRevoke.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct TokenRevokePayload {
    /// Whether there was such a token of the caller, still valid and no wider than the caller's own.
    revoked: bool,
}

/// A new token.
#[derive(SimpleObject)]
pub(crate) struct TokenPayload {
    /// Its id, to revoke it by.
    pub(crate) token_id: String,
    /// Told now and never again.
    pub(crate) secret: String,
    /// Until when it is valid; null for one that lasts as long as its host, its region or its support access.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub(crate) struct TokenMutation;

#[Object]
impl TokenMutation {
    /// Makes an API token that acts as the caller, and never as more than the token that makes it.
    async fn token_create(&self, ctx: &Context<'_>, input: TokenCreateInput) -> async_graphql::Result<TokenPayload> {
        let principal = user(ctx)?;
        not_support(ctx)?;
        asked::changes(&principal.limits)?;
        let asked = input.workspace_id.map(|id| id::read::<WorkspaceId>("workspaceId", &id)).transpose()?;
        if let Some(workspace) = asked
            && !belongs_to(ctx, workspace).await?
        {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let (platform, secret) = (ctx.platform(), new_secret());
        let (grants, lasts) = (input.grants.as_deref(), input.expires_in_seconds);
        let limits = asked::limits(&principal.limits, grants, lasts, platform.clock.now())?;
        let token = NewToken {
            id: platform.clock.new_id(),
            actor: principal.actor,
            kind: PrincipalKind::User(ActorKind::Token),
            workspace: asked.or(principal.workspace),
            name: name(&input.name)?.to_string(),
        };
        platform.tokens.issue_limited(&token, &limits, &secret).await.map_err(Fault::internal)?;
        Ok(TokenPayload { token_id: token.id.to_string(), secret, expires_at: limits.until })
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
        Ok(issue(ctx, PrincipalKind::Runner(host), ActorId(host.0), &input.name).await?)
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
        Ok(issue(ctx, PrincipalKind::Edge(region), ActorId(region.0), &input.name).await?)
    }

    /// Ends one of the caller's tokens; open connections of it end within a second.
    async fn token_revoke(
        &self,
        ctx: &Context<'_>,
        input: TokenRevokeInput,
    ) -> async_graphql::Result<TokenRevokePayload> {
        let principal = user(ctx)?;
        let token = token_id(&input.token_id)?;
        asked::changes(&principal.limits)?;
        let revoked = ctx.platform().tokens.revoke(token, principal).await.map_err(Fault::internal)?;
        Ok(TokenRevokePayload { revoked })
    }

    /// Gives one of the caller's tokens another secret; the former one is refused from now on. Its rights and its end stay.
    async fn token_rotate(
        &self,
        ctx: &Context<'_>,
        input: TokenRotateInput,
    ) -> async_graphql::Result<TokenRotatePayload> {
        let principal = user(ctx)?;
        not_support(ctx)?;
        let token = token_id(&input.token_id)?;
        asked::changes(&principal.limits)?;
        let secret = new_secret();
        let rotated = ctx.platform().tokens.rotate(token, principal, &secret).await.map_err(Fault::internal)?;
        let token = rotated.map(|expires_at| TokenPayload { token_id: token.to_string(), secret, expires_at });
        Ok(TokenRotatePayload { rotated: token.is_some(), token })
    }
}

fn token_id(text: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(text).map_err(|_| Fault::bad_input("tokenId", "must be a token's id"))
}

fn new_secret() -> String {
    format!("{PREFIX}{}", secret())
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

/// The token of a machine, which lasts until it is revoked.
async fn issue(ctx: &Context<'_>, kind: PrincipalKind, actor: ActorId, called: &str) -> Result<TokenPayload, Fault> {
    let (platform, secret) = (ctx.platform(), new_secret());
    let name = name(called)?.to_string();
    let token = NewToken { id: platform.clock.new_id(), actor, kind, workspace: None, name };
    platform.tokens.issue(&token, &secret).await.map_err(Fault::internal)?;
    Ok(TokenPayload { token_id: token.id.to_string(), secret, expires_at: None })
}
