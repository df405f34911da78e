//! What those who run the platform do to a host: hold allocations away from it, say how many it may hold. The trap: taking a
//! cordon for a drain; what runs there stays where it is.

use super::{
    change::{Answer, Bench, Change, Judged, Manner, No, change, decide, natural, payload},
    context::platform_only,
    id,
    place::Host,
    route_owner::reason,
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    host::{self, Command},
    ids::{CorrelationId, HostId, PLATFORM},
    text::Reason,
};

/// Whether a host takes allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "host::State")]
pub(crate) enum HostState {
    /// It does.
    Active,
    /// None are added; those that run stay.
    Cordoned,
    /// None are added, and those that run are being moved away.
    Draining,
}

/// Which host, and why.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostReasonInput {
    host_id: ID,
    /// 1 to 500 characters.
    reason: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostCapacitySetInput {
    host_id: ID,
    /// How many allocations it may hold: 0 to 10000.
    capacity: i64,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of a change to a host.
    HostPayload { host: Host }
}

#[derive(Debug, Default)]
pub(crate) struct HostMutation;

#[Object]
impl HostMutation {
    /// Adds no more allocations to a host; those that run there stay.
    async fn host_cordon(&self, ctx: &Context<'_>, input: HostReasonInput) -> async_graphql::Result<HostPayload> {
        let asked = Asked::Cordon(reason(&input.reason)?);
        let manner = Manner { idempotency_key: input.idempotency_key, dry_run: input.dry_run };
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }

    /// Lets a host take allocations again.
    async fn host_uncordon(&self, ctx: &Context<'_>, input: HostReasonInput) -> async_graphql::Result<HostPayload> {
        let asked = Asked::Uncordon(reason(&input.reason)?);
        let manner = Manner { idempotency_key: input.idempotency_key, dry_run: input.dry_run };
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }

    /// Says how many allocations a host may hold.
    async fn host_capacity_set(
        &self,
        ctx: &Context<'_>,
        input: HostCapacitySetInput,
    ) -> async_graphql::Result<HostPayload> {
        let manner = Manner { idempotency_key: input.idempotency_key, dry_run: input.dry_run };
        let capacity = natural("capacity", Some(input.capacity))?.unwrap_or_default();
        // What is too large for the number is too large for the rule.
        let asked = Asked::SetCapacity(u32::try_from(capacity).unwrap_or(u32::MAX));
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }
}

/// What is asked of a host.
#[derive(Clone, Debug)]
enum Asked {
    Cordon(Reason),
    Uncordon(Reason),
    SetCapacity(u32),
}

struct HostChange {
    host: HostId,
    asked: Asked,
}

async fn ask(ctx: &Context<'_>, host: &ID, manner: Manner, asked: Asked) -> Result<Answer, Fault> {
    platform_only(ctx).await?;
    change(ctx, manner, HostChange { host: id::read("hostId", host)?, asked }).await
}

impl Change for HostChange {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Cordon(_) => "hostCordon",
            Asked::Uncordon(_) => "hostUncordon",
            Asked::SetCapacity(_) => "hostCapacitySet",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{:?}", self.host, self.asked)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let mut host = bench.load::<host::Host>(self.host).await?;
        let Some(created) = host.state.created.clone() else {
            return Err(id::not_found::<HostId>("hostId").into());
        };
        let mut unit = bench.unit(Writer::Platform, PLATFORM, CorrelationId(bench.new_id()));
        unit.place(Some(created.region), Some(created.cell));
        let command = match self.asked.clone() {
            Asked::Cordon(reason) => Command::Cordon { reason, by: None },
            Asked::Uncordon(reason) => Command::Uncordon { reason, by: None },
            Asked::SetCapacity(allocations) => Command::SetCapacity { allocations },
        };
        decide(&mut unit, &mut host, command)?;
        Ok(Judged { unit, object: self.host.0, operation: None })
    }
}
