//! Failovers as they are asked for: judged now as far as they can be, then accepted as an operation that the workers carry on.
//! The trap: a failover that hides that sessions begin afresh; the request says what they get, and is refused if that is not so.

use super::{
    affordance::{Caller, Outlook, waits},
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit, refused},
    context::Ask as _,
    environment::Environment,
    gates::{AcknowledgementInput, acknowledgements, running},
    id,
    listed::Listed,
    operation::Gate,
    refusal_code::RefusalCode,
    route_owner::{reason, route_of},
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Rejection as _,
    gate,
    ids::{ActorId, DeploymentId, EnvironmentId, OperationId, RegionId},
    numbers::Epoch,
    operation::{self, Acknowledgement, Requested},
    region_failover::{self, Refused, fate},
    session_fate,
    text::Reason,
};
use rhone_eventstore::Loads;
use rhone_projections::gate_facts::{GateFacts, Rows};

/// What a session gets. None ever moves to another allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "session_fate::Fate")]
pub(crate) enum SessionFate {
    /// It goes on where it is attached, until it ends or the drain deadline.
    DrainInPlace,
    /// Another allocation reads what was persisted of it and goes on from there.
    Hydrate,
    /// Its user begins anew.
    StartFresh,
}

/// What would become of a failover to a region now.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct FailoverPlan {
    /// To which region.
    region_id: ID,
    /// Whether every gate is open but for what waits to be acknowledged, and the caller may ask for it.
    allowed: bool,
    /// The code that it would be refused with; null if it is allowed.
    code: Option<RefusalCode>,
    /// The grant that the caller lacks there, if so; then a gate `caller` is closed before all others.
    missing_grant: Option<&'static str>,
    /// Why nothing can be asked for at all, if so.
    refused: Option<String>,
    /// The epoch it was judged on: hand it in as `expectedRouteEpoch`.
    route_epoch: u64,
    /// What sessions get: hand it in as `sessions`.
    sessions: SessionFate,
    gates: Vec<Gate>,
    /// The gates that wait for somebody to acknowledge them.
    to_acknowledge: Vec<String>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentFailoverInput {
    environment_id: ID,
    /// The region that shall serve it: its home, or one that was enabled for it.
    region_id: ID,
    /// The epoch this was decided on; captured once, at acceptance, when omitted.
    expected_route_epoch: Option<i64>,
    /// What its sessions get, as the plan says; refused if that is not so.
    sessions: SessionFate,
    /// What is taken upon oneself: a fresh start of all sessions needs it.
    acknowledgements: Option<Listed<AcknowledgementInput>>,
    /// 1 to 500 characters.
    reason: String,
    /// The `version` of the environment's route owner that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentFailover.
    EnvironmentFailoverPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct FailoverMutation;

#[Object]
impl FailoverMutation {
    /// Asks for another region to serve an environment's traffic: the same deployment and bytes, under another epoch. Sessions
    /// do not move.
    async fn environment_failover(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentFailoverInput,
    ) -> async_graphql::Result<EnvironmentFailoverPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let ask = Failover {
            environment: id::read("environmentId", &input.environment_id)?,
            region: id::read("regionId", &input.region_id)?,
            expected: natural("expectedRouteEpoch", input.expected_route_epoch)?.map(Epoch),
            sessions: input.sessions.into(),
            acknowledgements: acknowledgements(input.acknowledgements)?,
            reason: Some(reason(&input.reason)?),
        };
        Ok(EnvironmentFailoverPayload(change(ctx, manner, ask).await?))
    }
}

#[derive(Clone, Debug)]
struct Failover {
    environment: EnvironmentId,
    region: RegionId,
    expected: Option<Epoch>,
    sessions: session_fate::Fate,
    acknowledgements: Vec<Acknowledgement>,
    reason: Option<Reason>,
}

impl Failover {
    fn requested(
        &self,
        id: OperationId,
        facts: &GateFacts,
        by: ActorId,
        now: DateTime<Utc>,
    ) -> Result<Requested, Refused> {
        let settings = &facts.environment.state;
        let wish = region_failover::Wish {
            region: self.region,
            expected: self.expected,
            sessions: self.sessions,
            drain: settings.drain(),
            by,
            acknowledgements: self.acknowledgements.clone(),
            reason: self.reason.clone(),
        };
        region_failover::request(id, &facts.owner.state, settings, wish, now)
    }
}

impl Change for Failover {
    fn name(&self) -> &'static str {
        "environmentFailover"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (owner, opened) = route_of(bench, self.environment).await?;
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, opened.workspace, id);
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, "operation.request_region_failover", &owner.stream).map_err(concerning)?;
        let facts = facts_of(bench, self.environment, running(bench.ctx, self.environment).await?).await?;
        let refusing = |rejection: &Refused| refused(rejection, owner.stream.clone(), opened.workspace);
        let requested = self.requested(id, &facts, bench.principal.actor, unit.now());
        let requested = requested.map_err(|rejection| concerning(refusing(&rejection)))?;
        let judged = facts.facts(&requested).map(|facts| gate::judge(&facts)).unwrap_or_default();
        if let Some(refusal) = gate::closed(&judged) {
            return Err(concerning(refused(refusal, owner.stream.clone(), opened.workspace).judged(&judged)));
        }
        let requested = gate::covering(requested, &judged);
        facts.assert(&mut unit);
        unit.place(Some(requested.region), requested.cell);
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        Ok(Judged { unit, object: self.environment.0, operation: Some(id), decided_on: Some(owner.stream.clone()) })
    }
}

/// What the gates look at, of the deployment that owns the traffic.
async fn facts_of<R: Loads>(from: &R, environment: EnvironmentId, running: Rows) -> Result<GateFacts, R::Error> {
    let owner = from.load::<rhone_domain::route_owner::RouteOwner>(environment).await?;
    // Without an owner there is nothing to move, and that is refused before any gate is asked.
    let deployment = owner.state.owner.as_ref().map_or(DeploymentId(uuid::Uuid::nil()), |owner| owner.deployment);
    GateFacts::load(from, environment, deployment, running).await
}

/// The gates of a failover to this region, as they are judged now.
pub(crate) async fn plan(
    ctx: &Context<'_>,
    environment: EnvironmentId,
    region: RegionId,
) -> Result<FailoverPlan, Fault> {
    let (platform, principal) = (ctx.platform(), ctx.principal());
    let facts = facts_of(ctx.loaders(), environment, running(ctx, environment).await?).await?;
    let owner = &facts.owner.state;
    let from = owner.place().map_or(region, |place| place.region);
    let sessions = fate(&facts.environment.state, &facts.services.state, from, region);
    let ask = Failover { environment, region, expected: None, sessions, acknowledgements: vec![], reason: None };
    let requested = ask.requested(OperationId(environment.0), &facts, principal.actor, platform.clock.now());
    let judged = requested.as_ref().ok().and_then(|requested| facts.facts(requested)).map(|facts| gate::judge(&facts));
    let judged = judged.unwrap_or_default();
    let closed = judged.iter().filter(|one| !waits(one)).find_map(|one| one.refusal.as_ref());
    let workspace = owner.lane().ok_or_else(|| id::not_found::<EnvironmentId>("id"))?.workspace;
    let caller = Caller::about(ctx, workspace, Some(environment)).await?;
    let may = caller.permit("operation.request_region_failover");
    let refused = match (&may, &requested) {
        (Err(why), _) => Some((why.code(), format!("{}: {why}", why.code()))),
        (Ok(()), Err(no)) => Some((no.code(), format!("{}: {no}", no.code()))),
        (Ok(()), Ok(_)) => None,
    };
    let closed = refused.as_ref().map(|(code, _)| *code).or(closed.map(|refusal| refusal.code));
    let outlook = Outlook::closed_by(&may, &judged, closed);
    Ok(FailoverPlan {
        region_id: id::show(region),
        allowed: outlook.allowed,
        code: outlook.code,
        missing_grant: outlook.missing_grant,
        refused: refused.map(|(_, why)| why),
        route_epoch: owner.epoch.0,
        sessions: sessions.into(),
        gates: outlook.gates,
        to_acknowledge: outlook.to_acknowledge,
    })
}
