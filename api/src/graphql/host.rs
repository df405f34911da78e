//! What those who run the platform do to a host: hold allocations away from it, say how many it may hold. The trap: taking a
//! cordon for a drain; what runs there stays where it is.

use super::{
    affordance::{Affordance, Caller, some_reason},
    change::{Answer, Bench, Change, Judged, Manner, No, change, decide, natural, payload, refused},
    context::{Ask as _, platform_only},
    id,
    lists::SilenceOf,
    place::Host,
    readiness,
    route_owner::reason,
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::TimeDelta;
use rhone_domain::{
    actor::Writer,
    authorization::Scope,
    gate,
    host::{self, Command, Silence},
    host_drain::{self, HostDrain},
    ids::{CorrelationId, HostId, OperationId, PLATFORM},
    operation::{self, Requested, Work},
    text::{Name, Reason},
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
    /// It never comes back: what ran on it is lost, and its runner is not heard any more.
    Retired,
}

/// Which host, and why.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostReasonInput {
    host_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// The `version` of the host that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostCapacitySetInput {
    host_id: ID,
    /// How many allocations it may hold: 0 to 10000.
    capacity: i64,
    /// The `version` of the host that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostDrainInput {
    host_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// How long it may take in all, an operator's work included: 10 to 86400; 3600 when omitted.
    timeout_seconds: Option<i64>,
    /// The `version` of the host that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostUpgradeDoneInput {
    host_id: ID,
    /// The drain that waits for it.
    operation_id: ID,
    /// 1 to 100 characters, as the host says it.
    os_version: String,
    /// 1 to 100 characters, as the runner says it.
    runner_version: String,
    /// What was done, and how it was checked: 1 to 500 characters.
    note: String,
    /// The `version` of the host that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
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
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }

    /// Lets a host take allocations again.
    async fn host_uncordon(&self, ctx: &Context<'_>, input: HostReasonInput) -> async_graphql::Result<HostPayload> {
        let asked = Asked::Uncordon(reason(&input.reason)?);
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }

    /// Says how many allocations a host may hold.
    async fn host_capacity_set(
        &self,
        ctx: &Context<'_>,
        input: HostCapacitySetInput,
    ) -> async_graphql::Result<HostPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let capacity = natural("capacity", Some(input.capacity))?.unwrap_or_default();
        // What is too large for the number is too large for the rule.
        let asked = Asked::SetCapacity(u32::try_from(capacity).unwrap_or(u32::MAX));
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }

    /// Empties a host for an upgrade: cordons it, replaces what runs there elsewhere, lets it finish, and waits for an
    /// operator's word. Refused without quorum, headroom, sessions that can drain, or with drift: `drainReadiness` says so before.
    /// Judged again once the host is cordoned; what is missing by then ends it, and it takes its cordon back.
    async fn host_drain(&self, ctx: &Context<'_>, input: HostDrainInput) -> async_graphql::Result<HostPayload> {
        platform_only(ctx).await?;
        let time = drain_time(input.timeout_seconds)?;
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let (host, reason) = (id::read("hostId", &input.host_id)?, reason(&input.reason)?);
        Ok(HostPayload(change(ctx, manner, Drain { host, reason, time }).await?))
    }

    /// Gives up a host that never comes back: what ran on it has failed, and its runner is refused. Not while it is heard, nor within
    /// 30 seconds of that, nor while no other host is heard either, unless it is the only one.
    async fn host_retire(&self, ctx: &Context<'_>, input: HostReasonInput) -> async_graphql::Result<HostPayload> {
        let asked = Asked::Retire(reason(&input.reason)?);
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(HostPayload(ask(ctx, &input.host_id, manner, asked).await?))
    }

    /// Says that a drained host runs what it shall run now; its drain then checks and takes it back.
    async fn host_upgrade_done(
        &self,
        ctx: &Context<'_>,
        input: HostUpgradeDoneInput,
    ) -> async_graphql::Result<HostPayload> {
        let word = |field: &'static str, text: &str| {
            Name::parse(field, text).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
        };
        let note = Reason::parse("note", &input.note).map_err(|no| Fault::bad_input(no.field, no.rule))?;
        let done = Asked::UpgradeDone {
            by: id::read("operationId", &input.operation_id)?,
            os: word("osVersion", &input.os_version)?,
            runner: word("runnerVersion", &input.runner_version)?,
            note,
        };
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(HostPayload(ask(ctx, &input.host_id, manner, done).await?))
    }
}

/// How long a drain may take in all, as it is asked for.
pub(crate) fn drain_time(seconds: Option<i64>) -> Result<TimeDelta, Fault> {
    let seconds = natural("timeoutSeconds", seconds)?;
    let seconds = seconds.map_or(host_drain::USUAL_TIME.num_seconds(), |all| i64::try_from(all).unwrap_or(i64::MAX));
    if !(10..=86_400).contains(&seconds) {
        return Err(Fault::bad_input("timeoutSeconds", "10 to 86400"));
    }
    Ok(TimeDelta::seconds(seconds))
}

/// What is asked of a host.
#[derive(Clone, Debug)]
enum Asked {
    Cordon(Reason),
    Uncordon(Reason),
    SetCapacity(u32),
    Retire(Reason),
    UpgradeDone { by: OperationId, os: Name, runner: Name, note: Reason },
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
            Asked::Retire(_) => "hostRetire",
            Asked::UpgradeDone { .. } => "hostUpgradeDone",
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
            Asked::Retire(reason) => Command::Retire { reason, silence: silence(bench.ctx, self.host).await? },
            Asked::UpgradeDone { by, os, runner, note } => {
                seen(bench, by).await?;
                Command::ConfirmUpgrade(host::Upgrade { by, os, runner, note, at: unit.now() })
            }
        };
        decide(&mut unit, &mut host, command)?;
        Ok(Judged { unit, object: self.host.0, operation: None, decided_on: Some(host.stream.clone()) })
    }
}

/// For how long a host's runner was not heard, and those of the others.
async fn silence(ctx: &Context<'_>, host: HostId) -> Result<Silence, Fault> {
    let found = ctx.loaders().lists.load_one(SilenceOf(host)).await.map_err(Fault::internal)?;
    Ok(found.unwrap_or_default())
}

/// Whether the caller may retire a host now.
pub(crate) async fn retirable(ctx: &Context<'_>, id: HostId, host: &host::Host) -> Result<Affordance, Fault> {
    let caller = Caller::within(ctx, PLATFORM, Scope::default()).await?;
    let silence = silence(ctx, id).await?;
    Ok(caller.may_run(host, Command::Retire { reason: some_reason(), silence }))
}

/// What the caller, who runs the platform, may do with a host now, each by the name of its mutation; `retirable` says the rest.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct HostAffordances {
    /// `hostCordon`
    cordon: Affordance,
    /// `hostUncordon`
    uncordon: Affordance,
    /// `hostCapacitySet`
    capacity_set: Affordance,
    /// `hostDrain`, by the host alone; `drainReadiness` says the rest.
    drain: Affordance,
    /// `hostUpgradeDone`, of the drain that holds it.
    upgrade_done: Affordance,
    /// `runnerTokenCreate`
    runner_token_create: Affordance,
}

impl HostAffordances {
    /// By the host's own stream.
    pub(crate) async fn of(ctx: &Context<'_>, host: &host::Host) -> Result<Self, Fault> {
        let caller = Caller::within(ctx, PLATFORM, Scope::default()).await?;
        let by = host.held_by.unwrap_or(OperationId(PLATFORM.0));
        let word = || Name::parse("version", "as-it-would-be").expect("it is short and plain");
        let (at, note) = (ctx.platform().clock.now(), some_reason());
        let upgrade = host::Upgrade { by, os: word(), runner: word(), note, at };
        let another = Command::Cordon { reason: some_reason(), by: Some(OperationId(PLATFORM.0)) };
        Ok(Self {
            cordon: caller.may_run(host, Command::Cordon { reason: some_reason(), by: None }),
            uncordon: caller.may_run(host, Command::Uncordon { reason: some_reason(), by: None }),
            capacity_set: caller.may_run(host, Command::SetCapacity { allocations: host.capacity() }),
            drain: caller.may_run(host, another),
            upgrade_done: caller.may_run(host, Command::ConfirmUpgrade(upgrade)),
            runner_token_create: caller.may_as(Writer::Platform, "token.issue"),
        })
    }
}

/// An operation that the caller may not see is answered as if there were none; whether it drains this host, the host says.
async fn seen(bench: &Bench<'_>, operation: OperationId) -> Result<(), No> {
    let loaded = bench.load::<operation::Operation>(operation).await?;
    match loaded.state.requested {
        Some(requested) if bench.belongs_to(requested.workspace) => Ok(()),
        _ => Err(id::not_found::<OperationId>("operationId").into()),
    }
}

#[derive(Debug)]
struct Drain {
    host: HostId,
    reason: Reason,
    time: TimeDelta,
}

impl Change for Drain {
    fn name(&self) -> &'static str {
        "hostDrain"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let host = bench.load::<host::Host>(self.host).await?;
        let Some(created) = host.state.created.clone() else {
            return Err(id::not_found::<HostId>("hostId").into());
        };
        let operation: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Platform, PLATFORM, operation);
        unit.place(Some(created.region), Some(created.cell));
        // A closed gate is refused now; one that closes later ends the operation with the same words.
        let judged = readiness::drain(bench.ctx, self.host, &host.state, self.time).await?;
        if let Some(refusal) = gate::closed(&judged) {
            return Err(refused(refusal, host.stream.clone(), PLATFORM).judged(&judged));
        }
        unit.assert(&host);
        let requested = Requested {
            id: operation,
            workspace: PLATFORM,
            region: created.region,
            cell: Some(created.cell),
            reason: Some(self.reason.clone()),
            deadline: unit.now() + self.time,
            work: Work::HostDrain(HostDrain { host: self.host }),
        };
        let mut loaded = bench.load::<operation::Operation>(operation).await?;
        decide(&mut unit, &mut loaded, operation::Command::Request(requested))?;
        Ok(Judged { unit, object: self.host.0, operation: Some(operation), decided_on: Some(host.stream.clone()) })
    }
}
