//! Drain operations as they are asked for: no new work for an allocation, while what is attached to it may finish. The trap:
//! claiming that its sessions moved; what they get is said, and they get it where they are.

use super::{
    affordance::{Affordance, Caller},
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit, refused},
    context::begin,
    environment::Environment,
    id,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    allocation::{Allocation, Planned},
    drain::{Drain, Facts, judge},
    environment, gate,
    ids::{AllocationId, OperationId},
    operation::{self, Requested, Work},
    route_owner::RouteOwner,
    session_fate::{Fate, ResumeMode, Schema, Server, decide as fate},
};
use rhone_projections::{drain_facts::DrainFacts, scale_facts::ScaleFacts};

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AllocationDrainInput {
    allocation_id: ID,
    /// How long its sessions may go on; as its environment says unless said otherwise, at most 604800.
    drain_seconds: Option<i64>,
    /// The `version` of the allocation that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of allocationDrain.
    AllocationDrainPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct DrainMutation;

#[Object]
impl DrainMutation {
    /// Lets what is attached to an allocation finish, and stops it; the owner's last one only once another is ready.
    async fn allocation_drain(
        &self,
        ctx: &Context<'_>,
        input: AllocationDrainInput,
    ) -> async_graphql::Result<AllocationDrainPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let seconds = natural("drainSeconds", input.drain_seconds)?;
        if seconds.is_some_and(|seconds| seconds > 604_800) {
            return Err(Fault::bad_input("drainSeconds", "may be at most 604800").into());
        }
        let wish = Wish { allocation: id::read("allocationId", &input.allocation_id)?, seconds };
        Ok(AllocationDrainPayload(change(ctx, manner, wish).await?))
    }
}

#[derive(Debug)]
struct Wish {
    allocation: AllocationId,
    seconds: Option<u64>,
}

impl Wish {
    async fn drain(&self, bench: &Bench<'_>, planned: &Planned, facts: &DrainFacts) -> Result<Drain, No> {
        let usual = facts.environment.state.drain();
        let standings = ScaleFacts::load(bench, planned.environment).await?.standings;
        // Whoever serves them next runs what the owner runs: the same bytes as now, or else another schema.
        let same = facts.owner.state.owner.as_ref().is_some_and(|owner| owner.artifact == planned.artifact);
        let schema = if same { Schema::Compatible } else { Schema::Incompatible };
        Ok(Drain {
            app: planned.app,
            environment: planned.environment,
            deployment: planned.deployment,
            allocations: vec![self.allocation],
            drain_seconds: self.seconds.unwrap_or(usual.drain_seconds),
            sessions: fate(ResumeMode::of(&standings), Server::Another, schema),
        })
    }
}

impl Change for Wish {
    fn name(&self) -> &'static str {
        "allocationDrain"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let missing = || No::from(id::not_found::<AllocationId>("allocationId"));
        let allocation = bench.load::<Allocation>(self.allocation).await?;
        let planned = allocation.state.planned.clone().ok_or_else(missing)?;
        if !bench.belongs_to(planned.workspace) {
            return Err(missing());
        }
        // With the caller's eyes: without a session no row is anybody's.
        let mut connection = begin(bench.ctx).await?;
        let (environment, deployment) = (planned.environment, planned.deployment);
        let facts = DrainFacts::load::<_, No>(bench, &mut connection, environment, deployment).await?;
        drop(connection);
        let drain = self.drain(bench, &planned, &facts).await?;
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, planned.workspace, id);
        unit.place(Some(planned.region), Some(planned.cell));
        let concerning = |no: No| no.concerning(planned.app, Some(environment));
        bench.about(&mut unit, environment).await?;
        permit(&unit, "operation.request_drain", &allocation.stream).map_err(concerning)?;
        let judged = judge(&facts.facts(&drain));
        if let Some(refusal) = gate::closed(&judged) {
            return Err(concerning(refused(refusal, allocation.stream.clone(), planned.workspace).judged(&judged)));
        }
        unit.assert(&allocation);
        let requested = Requested {
            id,
            workspace: planned.workspace,
            region: planned.region,
            cell: Some(planned.cell),
            reason: None,
            deadline: drain.deadline(unit.now()),
            work: Work::Drain(drain),
        };
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        Ok(Judged { unit, object: environment.0, operation: Some(id), decided_on: Some(allocation.stream.clone()) })
    }
}

/// Whether the caller may drain an allocation now.
pub(crate) async fn drainable(ctx: &Context<'_>, planned: &Planned, one: &Allocation) -> Result<Affordance, Fault> {
    let caller = Caller::about(ctx, planned.workspace, Some(planned.environment)).await?;
    let drain = Drain {
        app: planned.app,
        environment: planned.environment,
        deployment: planned.deployment,
        allocations: vec![planned.id],
        drain_seconds: 0,
        sessions: Fate::DrainInPlace,
    };
    // What keeps it from being asked for is its own end; a replacement is started and awaited.
    let (owner, allocations) = (RouteOwner::default(), [one.clone()]);
    let replicas = environment::Environment::default().replicas;
    let judged = judge(&Facts { drain: &drain, owner: &owner, replicas, allocations: &allocations });
    Ok(caller.may_if("operation.request_drain", || gate::closed(&judged).cloned().map_or(Ok(()), Err)))
}
