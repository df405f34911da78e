//! Tokens: what callers show. The secret is told once, not even to the same request again. The trap: a token of somebody else,
//! or a wider one, that can be told from one that does not exist.

mod affordances;
mod asked;
pub(crate) mod held;
pub(crate) mod machine;

use super::{
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit, refused},
    context::Ask as _,
    id,
};
use crate::{
    fault::{Code, Fault},
    graphql::{member::not_support, place::name},
    identity::{new_secret, recorded},
};
use asked::Asked;
use async_graphql::{Context, ID, InputObject, MergedObject, Object, SimpleObject};
use held::ApiToken;
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate as _,
    envelope::StreamId,
    ids::{CorrelationId, TokenId, WorkspaceId},
    text::Name,
    token::{Command, Holder, Rejection, Secret, Token, own},
};
use rhone_eventstore::{Loaded, Unit};
use uuid::Uuid;

/// As the table of authorization names them.
const ROTATE: &str = "token.rotate";
const REVOKE: &str = "token.revoke";

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
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct TokenRevokeInput {
    /// As `tokenCreate` gave it.
    token_id: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct TokenRotateInput {
    /// As `tokenCreate` gave it.
    token_id: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// What was made.
    TokenMade { token: unchanged ApiToken }
}

/// What is told once.
#[derive(SimpleObject)]
pub(crate) struct TokenSecret {
    /// What is shown instead of oneself. Told now and never again, not even to the same request under the same key; a lost one is
    /// revoked.
    secret: Option<String>,
}

/// The answer of the mutations that make a token, or give one another secret.
#[derive(MergedObject)]
pub(crate) struct TokenPayload(TokenMade, TokenSecret);

payload! {
    /// The answer of tokenRevoke.
    TokenRevokePayload { token: unchanged ApiToken }
}

#[derive(Debug, Default)]
pub(crate) struct TokenMutation;

#[Object]
impl TokenMutation {
    /// Makes an API token that acts as the caller, and never as more than the token that makes it.
    async fn token_create(&self, ctx: &Context<'_>, input: TokenCreateInput) -> async_graphql::Result<TokenPayload> {
        not_support(ctx)?;
        let workspace = input.workspace_id.map(|id| id::read::<WorkspaceId>("workspaceId", &id)).transpose()?;
        let asked = Asked::read(workspace, input.grants.as_deref(), input.expires_in_seconds)?;
        let secret = new_secret();
        let create = Create { name: name(&input.name)?, asked, secret: recorded(&secret) };
        told(ctx, Manner::new(input.idempotency_key, input.dry_run), create, secret).await
    }

    /// Ends one of the caller's tokens, or, for those who run the platform, one of a machine or of support; open connections of it
    /// end within a second.
    async fn token_revoke(
        &self,
        ctx: &Context<'_>,
        input: TokenRevokeInput,
    ) -> async_graphql::Result<TokenRevokePayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let revoke = Revoke { token: token_id(&input.token_id)? };
        Ok(TokenRevokePayload(change(ctx, manner, revoke).await?))
    }

    /// Gives one of the caller's tokens another secret; the former one is refused from now on. Its rights and its end stay.
    async fn token_rotate(&self, ctx: &Context<'_>, input: TokenRotateInput) -> async_graphql::Result<TokenPayload> {
        not_support(ctx)?;
        let secret = new_secret();
        let rotate = Rotate { token: token_id(&input.token_id)?, secret: recorded(&secret) };
        told(ctx, Manner::new(input.idempotency_key, input.dry_run), rotate, secret).await
    }
}

/// Carries out what gives a token a secret, and tells it to whoever was the first to ask.
async fn told<C: Change>(
    ctx: &Context<'_>,
    manner: Manner,
    made: C,
    secret: String,
) -> async_graphql::Result<TokenPayload> {
    let answer = change(ctx, manner, made).await?;
    let first = answer.object.is_some() && !answer.replayed;
    Ok(TokenPayload(TokenMade(answer), TokenSecret { secret: first.then_some(secret) }))
}

fn token_id(text: &str) -> Result<TokenId, Fault> {
    let id = Uuid::parse_str(text).map_err(|_| Fault::bad_input("tokenId", "must be a token's id"))?;
    Ok(TokenId(id))
}

struct Create {
    name: Name,
    asked: Asked,
    secret: Secret,
}

impl Change for Create {
    fn name(&self) -> &'static str {
        "tokenCreate"
    }

    /// Without the secret, which is another one each time.
    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.name, self.asked.fingerprint())
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (id, by, at) = (bench.new_id::<TokenId>(), bench.principal.as_asker(), bench.door.clock().now());
        let limits = self.asked.limits(&by.limits, at);
        if let Some(workspace) = limits.workspace
            && !bench.belongs_to(workspace)
        {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let mut token = bench.fresh::<Token>();
        let mut unit =
            bench.unit(Writer::Api, limits.workspace.unwrap_or(own(by.actor)), CorrelationId(bench.new_id()));
        let (name, secret) = (self.name.clone(), self.secret.clone());
        decide(&mut unit, &mut token, Command::Create { id, name, limits, secret, by, at })?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}

struct Rotate {
    token: TokenId,
    secret: Secret,
}

impl Change for Rotate {
    fn name(&self) -> &'static str {
        "tokenRotate"
    }

    /// Without the secret, which is another one each time.
    fn fingerprint(&self) -> String {
        self.token.to_string()
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let found = found(bench, self.token, ROTATE).await?;
        let (secret, by, at) = (self.secret.clone(), bench.principal.as_asker(), found.unit.now());
        found.decide(Command::Rotate { secret, by, at })
    }
}

struct Revoke {
    token: TokenId,
}

impl Change for Revoke {
    fn name(&self) -> &'static str {
        "tokenRevoke"
    }

    fn fingerprint(&self) -> String {
        self.token.to_string()
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let found = found(bench, self.token, REVOKE).await?;
        let (by, at) = (bench.principal.as_asker(), found.unit.now());
        let end = match found.holder {
            Holder::Person => Command::Revoke { by, at },
            Holder::Runner(_) | Holder::Edge(_) | Holder::Support(_) => Command::Withdraw { at },
        };
        found.decide(end)
    }
}

/// A token about to be changed, and the unit in which it is.
struct Found {
    id: TokenId,
    holder: Holder,
    token: Loaded<Token>,
    unit: Unit,
}

impl Found {
    fn decide(mut self, command: Command) -> Result<Judged, No> {
        decide(&mut self.unit, &mut self.token, command)?;
        Ok(Judged { unit: self.unit, object: self.id.0, operation: None, decided_on: None })
    }
}

/// Finds it in the log, or where it was made before the log could know of it: then it is taken in by the same append.
async fn found(bench: &Bench<'_>, id: TokenId, command: &'static str) -> Result<Found, No> {
    let mut token = bench.load::<Token>(id).await?;
    let kept = bench.ctx.platform().tokens.kept(id, bench.principal).await.map_err(Fault::internal)?;
    // What ended with its holder's membership is no token, though its own stream says nothing of that.
    let is_over = kept.as_ref().is_some_and(|kept| kept.held.revoked_at.is_some()) && token.state.ended.is_none();
    let outside = match &token.state.token {
        Some(_) => None,
        None => kept.and_then(|kept| kept.described().map(|described| (described, kept.held.created_at))),
    };
    let described = token.state.token.clone().or_else(|| outside.as_ref().map(|(described, _)| described.clone()));
    let Some(described) = described.filter(|_| !is_over) else { return Err(nothing(bench, id, command)?) };
    // A machine's gets no other secret, and is ended by those who run the platform.
    let withdrawn = described.holder != Holder::Person;
    let tenant = described.tenant();
    let is_there = tenant == own(bench.principal.actor) || bench.belongs_to(tenant);
    if !is_there || (withdrawn && command != REVOKE) {
        return Err(nothing(bench, id, command)?);
    }
    let writer = if withdrawn { Writer::Platform } else { Writer::Api };
    let mut unit = bench.unit(writer, tenant, CorrelationId(bench.new_id()));
    if let Some((token_found, made)) = outside {
        decide(&mut unit, &mut token, Command::Find { token: token_found, made })?;
    }
    Ok(Found { id, holder: described.holder, token, unit })
}

/// The refusal for what is nobody's, or not the caller's; for who may change no token at all it is that.
fn nothing(bench: &Bench<'_>, id: TokenId, command: &'static str) -> Result<No, No> {
    let place = match bench.principal.workspace {
        None => own(bench.principal.actor),
        Some(workspace) if bench.belongs_to(workspace) => workspace,
        // A token of a workspace that its holder has left has no place where a refusal could stand.
        Some(_) => return Err(Fault::new(Code::NotFound, "there is no such token").into()),
    };
    let target = StreamId::new(Token::CATEGORY, id);
    permit(&bench.unit(Writer::Api, place, CorrelationId(bench.new_id())), command, &target)?;
    Ok(refused(&Rejection::NoToken, target, place))
}
