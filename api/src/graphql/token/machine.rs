//! Tokens of machines and of support: made by whoever runs the platform, written into the platform's own part of the log. The
//! trap: a token of a host or a region that does not exist, which would speak for whatever gets that id one day.

use super::{TokenPayload, told};
use crate::{
    fault::Fault,
    graphql::{
        change::{Bench, Change, Judged, Manner, No, decide},
        context::{Ask as _, door, platform_only},
        id,
        place::name,
    },
    identity::{new_secret, recorded},
};
use async_graphql::{Context, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    host::Host,
    ids::{ActorId, CorrelationId, HostId, PLATFORM, RegionId, TokenId},
    region::Region,
    text::Name,
    token::{Command, Described, Holder, Limits, Secret, Token},
};

#[derive(Clone, Debug, InputObject)]
pub(crate) struct RunnerTokenCreateInput {
    host_id: ID,
    name: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EdgeTokenCreateInput {
    region_id: ID,
    name: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Debug, Default)]
pub(crate) struct MachineTokenMutation;

#[Object]
impl MachineTokenMutation {
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
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        issue(ctx, manner, "runnerTokenCreate", (ActorId(host.0), Holder::Runner(host)), &input.name).await
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
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        issue(ctx, manner, "edgeTokenCreate", (ActorId(region.0), Holder::Edge(region)), &input.name).await
    }
}

/// Makes a token that lasts as long as what it speaks for.
pub(crate) async fn issue(
    ctx: &Context<'_>,
    manner: Manner,
    mutation: &'static str,
    (actor, holder): (ActorId, Holder),
    called: &str,
) -> async_graphql::Result<TokenPayload> {
    let secret = new_secret();
    let issue = Issue { mutation, actor, holder, name: name(called)?, secret: recorded(&secret) };
    told(ctx, manner, issue, secret).await
}

struct Issue {
    mutation: &'static str,
    actor: ActorId,
    holder: Holder,
    name: Name,
    secret: Secret,
}

impl Change for Issue {
    fn name(&self) -> &'static str {
        self.mutation
    }

    /// Without the secret, which is another one each time.
    fn fingerprint(&self) -> String {
        format!("{}\n{:?}\n{}", self.actor, self.holder, self.name)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id = bench.new_id::<TokenId>();
        let mut token = bench.fresh::<Token>();
        let mut unit = bench.unit(Writer::Platform, PLATFORM, CorrelationId(bench.new_id()));
        let (actor, holder, name, limits) = (self.actor, self.holder, self.name.clone(), Limits::default());
        let (secret, at) = (self.secret.clone(), unit.now());
        let described = Described { id, actor, holder, name, limits };
        decide(&mut unit, &mut token, Command::Issue { token: described, secret, at })?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}
