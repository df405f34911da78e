//! Route owners: who owns an environment's traffic, under which epoch. Only operations change the owner; what people may do
//! here is hold it (freeze), let go of a rollback's hold (pin, quarantine) and say which hostnames lead to it.

mod asked;

use super::{
    change::{Bench, Manner, No, payload, stream},
    context::Ask,
    deployment::Deployment,
    environment::Environment,
    id,
    place::{Cell, Region},
};
use crate::{fault::Fault, graphql::artifact::digest};
use asked::{Asked, ask};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    environment,
    ids::EnvironmentId,
    numbers::Version,
    route_owner::{self, Opened},
    text::{Hostname, InvalidText, Reason},
};
use rhone_eventstore::{Loaded, Loads as _, Position};

/// Who owns an environment's traffic.
#[derive(Clone, Debug)]
pub(crate) struct RouteOwner {
    environment: EnvironmentId,
    state: route_owner::RouteOwner,
    version: Version,
}

/// A rollback's hold on the route.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Pin {
    deployment_id: ID,
    operation_id: ID,
    reason: String,
}

/// Bytes that may not come back.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Quarantine {
    digest: String,
    reason: String,
}

/// A former owner whose open sockets live on until the deadline.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct DrainingOwner {
    deployment_id: ID,
    deadline: DateTime<Utc>,
}

impl RouteOwner {
    /// As an event left it.
    pub(crate) fn as_of(environment: EnvironmentId, state: route_owner::RouteOwner, version: Version) -> Self {
        Self { environment, state, version }
    }

    /// Written inline, so it needs no waiting.
    pub(crate) async fn find(
        ctx: &Context<'_>,
        environment: EnvironmentId,
        _: Option<Position>,
    ) -> Result<Option<Self>, Fault> {
        let row = ctx.loaders().route_owners.load_one(environment).await.map_err(Fault::internal)?;
        Ok(row.map(|(state, version)| Self { environment, state, version }))
    }
}

#[Object]
impl RouteOwner {
    async fn environment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Environment>> {
        Ok(Environment::find(ctx, self.environment, None).await?)
    }

    /// Rises with every change of owner, and never falls.
    async fn epoch(&self) -> u64 {
        self.state.epoch.0
    }

    /// Rises with every other change within the epoch.
    async fn revision(&self) -> u64 {
        self.state.revision.0
    }

    /// The stream's version.
    async fn version(&self) -> u64 {
        self.version.0
    }

    /// The owner; none before the first promotion.
    async fn deployment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Deployment>> {
        match &self.state.owner {
            Some(owner) => Ok(Deployment::find(ctx, owner.deployment, None).await?),
            None => Ok(None),
        }
    }

    /// The region that serves it now; another one than the environment's home after a failover.
    async fn region(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Region>> {
        match self.state.place() {
            Some(place) => Ok(Region::find(ctx, place.region, None).await?),
            None => Ok(None),
        }
    }

    /// Where in that region.
    async fn cell(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Cell>> {
        match self.state.place() {
            Some(place) => Ok(Cell::find(ctx, place.cell, None).await?),
            None => Ok(None),
        }
    }

    async fn deployment_id(&self) -> Option<ID> {
        self.state.owner.as_ref().map(|owner| id::show(owner.deployment))
    }

    /// Exactly which bytes.
    async fn artifact_digest(&self) -> Option<String> {
        self.state.owner.as_ref().map(|owner| owner.artifact.to_string())
    }

    /// The operation that made it so.
    async fn operation_id(&self) -> Option<ID> {
        self.state.by.map(id::show)
    }

    /// When it became so.
    async fn since(&self) -> Option<DateTime<Utc>> {
        self.state.since
    }

    /// Which sleep it is in; none while it serves.
    async fn sleep_generation(&self) -> Option<u64> {
        self.state.asleep.as_ref().map(|asleep| asleep.generation.0)
    }

    /// Since when it sleeps.
    async fn asleep_since(&self) -> Option<DateTime<Utc>> {
        self.state.asleep.as_ref().map(|asleep| asleep.since)
    }

    /// After a wake that failed: when the next may be asked for.
    async fn wake_retry_at(&self) -> Option<DateTime<Utc>> {
        self.state.asleep.as_ref().and_then(|asleep| asleep.retry_at)
    }

    /// The hostnames that flip together.
    async fn hosts(&self) -> Vec<String> {
        self.state.hosts.iter().map(ToString::to_string).collect()
    }

    /// Why promotions are held back, if they are.
    async fn frozen(&self) -> Option<String> {
        self.state.frozen.as_ref().map(ToString::to_string)
    }

    /// A rollback's hold; promotions are refused until it is released.
    async fn pin(&self) -> Option<Pin> {
        self.state.pin.as_ref().map(|pin| Pin {
            deployment_id: id::show(pin.deployment),
            operation_id: id::show(pin.by),
            reason: pin.reason.to_string(),
        })
    }

    async fn quarantined(&self) -> Vec<Quarantine> {
        let all = self.state.quarantined.iter();
        all.map(|(digest, reason)| Quarantine { digest: digest.to_string(), reason: reason.to_string() }).collect()
    }

    async fn drain(&self) -> Option<DrainingOwner> {
        let drain = self.state.drain.as_ref();
        drain.map(|drain| DrainingOwner { deployment_id: id::show(drain.deployment), deadline: drain.deadline })
    }

    /// Deployments that owned this environment before: what a rollback may lead to.
    async fn former_deployment_ids(&self) -> Vec<ID> {
        let now = self.state.owner.as_ref().map(|owner| owner.deployment);
        self.state.former.keys().filter(|one| Some(**one) != now).map(|one| id::show(*one)).collect()
    }
}

macro_rules! inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, InputObject)]
            pub(crate) struct $name {
                environment_id: ID,
                $($(#[$field_doc])* $field: String,)*
                /// The `version` of the environment's route owner that this was decided on; if it is another one by then, nothing happens.
                expected_version: Option<i64>,
                idempotency_key: Option<String>,
                #[graphql(default)]
                dry_run: bool,
            }

            impl $name {
                fn manner(&self) -> Result<Manner, Fault> {
                    Manner::decided_on(self.idempotency_key.clone(), self.expected_version, self.dry_run)
                }
            }
        )*
    };
}

inputs! {
    /// Which hostname shall lead to which environment, or no longer.
    EnvironmentHostInput {
        /// A DNS name; globally unique.
        host,
    }
    /// Which environment, and why.
    EnvironmentReasonInput {
        /// 1 to 500 characters.
        reason,
    }
    /// Which bytes, where, and why.
    EnvironmentQuarantineLiftInput {
        /// The quarantined digest.
        digest,
        /// 1 to 500 characters.
        reason,
    }
}

payload! {
    /// The answer of a change to an environment's route.
    RouteOwnerPayload { route_owner: RouteOwner }
}

#[derive(Debug, Default)]
pub(crate) struct RouteOwnerMutation;

#[Object]
impl RouteOwnerMutation {
    /// Lets a hostname lead to an environment.
    async fn environment_host_attach(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentHostInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        let asked = Asked::AttachHost(host(&input.host)?);
        Ok(RouteOwnerPayload(ask(ctx, &input.environment_id, input.manner()?, asked).await?))
    }

    /// Lets a hostname lead to an environment no longer.
    async fn environment_host_detach(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentHostInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        let asked = Asked::DetachHost(host(&input.host)?);
        Ok(RouteOwnerPayload(ask(ctx, &input.environment_id, input.manner()?, asked).await?))
    }

    /// Holds promotions to an environment back; rollbacks still work.
    async fn environment_freeze(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentReasonInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        let asked = Asked::Freeze(reason(&input.reason)?);
        Ok(RouteOwnerPayload(ask(ctx, &input.environment_id, input.manner()?, asked).await?))
    }

    /// Holds them back no longer.
    async fn environment_unfreeze(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentReasonInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        let asked = Asked::Unfreeze(reason(&input.reason)?);
        Ok(RouteOwnerPayload(ask(ctx, &input.environment_id, input.manner()?, asked).await?))
    }

    /// Allows promotions again after a rollback.
    async fn environment_pin_release(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentReasonInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        let asked = Asked::ReleasePin(reason(&input.reason)?);
        Ok(RouteOwnerPayload(ask(ctx, &input.environment_id, input.manner()?, asked).await?))
    }

    /// Lets quarantined bytes come back.
    async fn environment_quarantine_lift(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentQuarantineLiftInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        let asked = Asked::LiftQuarantine(digest("digest", &input.digest)?, reason(&input.reason)?);
        Ok(RouteOwnerPayload(ask(ctx, &input.environment_id, input.manner()?, asked).await?))
    }
}

/// A reason of the input.
pub(crate) fn reason(text: &str) -> Result<Reason, Fault> {
    Reason::parse("reason", text).map_err(invalid)
}

fn host(text: &str) -> Result<Hostname, Fault> {
    let host = Hostname::parse("host", text).map_err(invalid)?;
    Ok(host)
}

pub(crate) fn invalid(InvalidText { field, rule }: InvalidText) -> Fault {
    Fault::bad_input(field, rule)
}

/// The route of an environment that the caller may touch.
pub(crate) async fn route_of(
    bench: &Bench<'_>,
    environment: EnvironmentId,
) -> Result<(Loaded<route_owner::RouteOwner>, Opened), No> {
    // Whoever asks for the route asks next what its environment is.
    let both = [stream::<route_owner::RouteOwner>(environment), stream::<environment::Environment>(environment)];
    bench.gather(&both).await?;
    let owner = bench.load::<route_owner::RouteOwner>(environment).await?;
    match owner.state.lane() {
        Some(opened) if bench.belongs_to(opened.workspace) => Ok((owner, opened)),
        _ => Err(id::not_found::<EnvironmentId>("environmentId").into()),
    }
}
