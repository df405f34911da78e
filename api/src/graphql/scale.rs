//! Scale operations as they are asked for: judged now as far as they can be, then accepted as an operation that the workers
//! carry on. The trap: a number that is changed beside the gates; there is no other way to it.

use super::{
    affordance::{Caller, Outlook},
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit, refused, stream},
    context::Ask as _,
    environment::Environment,
    id,
    operation::Gate,
    refusal_code::RefusalCode,
    route_owner::route_of,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    actor::Writer,
    environment::{self, Replicas},
    gate,
    ids::{DeploymentId, EnvironmentId, OperationId},
    operation::{self, Requested, Work},
    route_owner::Opened,
    scale::{Scale, judge},
};
use rhone_projections::scale_facts::ScaleFacts;

/// How long the operation may take.
const DEADLINE: TimeDelta = TimeDelta::seconds(120);

/// Whether an environment could be scaled to a number now.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ScalePlan {
    /// Whether every gate is open, and the caller may ask for it.
    allowed: bool,
    /// The code that it would be refused with; null if it is allowed.
    code: Option<RefusalCode>,
    /// The grant that the caller lacks there, if so; then a gate `caller` is closed before all others.
    missing_grant: Option<&'static str>,
    /// The number that is wanted now.
    replicas: u64,
    gates: Vec<Gate>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentScaleInput {
    environment_id: ID,
    /// How many allocations of its owner are wanted: 1 to 32.
    replicas: i64,
    /// The number this was decided on; captured once, at acceptance, when omitted.
    expected_replicas: Option<i64>,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentScale.
    EnvironmentScalePayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct ScaleMutation;

#[Object]
impl ScaleMutation {
    /// Asks for another number of allocations of an environment's owner.
    async fn environment_scale(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentScaleInput,
    ) -> async_graphql::Result<EnvironmentScalePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let expected = input.expected_replicas.map(|number| replicas("expectedReplicas", number)).transpose()?;
        let wish = Wish {
            environment: id::read("environmentId", &input.environment_id)?,
            replicas: replicas("replicas", input.replicas)?,
            expected,
        };
        Ok(EnvironmentScalePayload(change(ctx, manner, wish).await?))
    }
}

/// The gates of a scale of this environment, as they are judged now.
pub(crate) async fn plan(ctx: &Context<'_>, environment: EnvironmentId, number: i64) -> Result<ScalePlan, Fault> {
    let replicas = replicas("replicas", number)?;
    let facts = ScaleFacts::load(ctx.loaders(), environment).await?;
    let missing = || id::not_found::<EnvironmentId>("environmentId");
    let opened = facts.owner.state.lane().ok_or_else(missing)?;
    let wish = Wish { environment, replicas, expected: None };
    let judged = judge(&facts.facts(&wish.scale(&opened, &facts)));
    let may = Caller::about(ctx, opened.workspace, Some(environment)).await?.permit("operation.request_scale");
    let outlook = Outlook::of(&may, &judged);
    Ok(ScalePlan {
        allowed: outlook.allowed,
        code: outlook.code,
        missing_grant: outlook.missing_grant,
        replicas: facts.environment.state.replicas.0.into(),
        gates: outlook.gates,
    })
}

fn replicas(field: &'static str, number: i64) -> Result<Replicas, Fault> {
    let number = natural(field, Some(number))?.unwrap_or_default();
    Replicas::new(number).ok_or_else(|| Fault::bad_input(field, format!("must be 1 to {}", Replicas::MOST)))
}

#[derive(Debug)]
struct Wish {
    environment: EnvironmentId,
    replicas: Replicas,
    expected: Option<Replicas>,
}

impl Wish {
    fn scale(&self, opened: &Opened, facts: &ScaleFacts) -> Scale {
        let owner = facts.owner.state.owner.as_ref().map(|owner| owner.deployment);
        Scale {
            app: opened.app,
            environment: self.environment,
            // Without an owner its gate is closed, and nothing is requested.
            deployment: owner.unwrap_or(DeploymentId(uuid::Uuid::nil())),
            from: self.expected.unwrap_or(facts.environment.state.replicas),
            replicas: self.replicas,
        }
    }

    fn requested(&self, id: OperationId, opened: &Opened, facts: &ScaleFacts, now: DateTime<Utc>) -> Requested {
        Requested {
            id,
            workspace: opened.workspace,
            region: opened.region,
            cell: Some(opened.cell),
            reason: None,
            deadline: now + DEADLINE,
            work: Work::Scale(self.scale(opened, facts)),
        }
    }
}

impl Change for Wish {
    fn name(&self) -> &'static str {
        "environmentScale"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (_, opened) = route_of(bench, self.environment).await?;
        let facts = ScaleFacts::load(bench, self.environment).await?;
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, opened.workspace, id);
        unit.place(Some(opened.region), Some(opened.cell));
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, "operation.request_scale", &facts.owner.stream).map_err(concerning)?;
        let requested = self.requested(id, &opened, &facts, unit.now());
        let judged = judge(&facts.facts(&self.scale(&opened, &facts)));
        if let Some(refusal) = gate::closed(&judged) {
            let no = refused(refusal, facts.owner.stream.clone(), opened.workspace).judged(&judged);
            return Err(concerning(no));
        }
        facts.assert(&mut unit);
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        Ok(Judged {
            unit,
            object: self.environment.0,
            operation: Some(id),
            decided_on: Some(stream::<environment::Environment>(self.environment)),
        })
    }
}
