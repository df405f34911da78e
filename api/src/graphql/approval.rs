//! What promotions to an environment need, and approvals, each of exactly one promotion. The trap: an approval of whatever
//! happens to be promoted later; it names deployment, bytes and epoch, and nobody approves their own request.

use super::{
    artifact::digest,
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit},
    environment::Environment,
    id,
    route_owner::reason,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    deployment,
    digest::Digest,
    environment::{self, Approval, Policy},
    ids::{CorrelationId, DeploymentId, EnvironmentId},
    numbers::Epoch,
    route_owner::{self, RouteOwner},
    text::Reason,
};
use rhone_eventstore::Loaded;

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentPolicySetInput {
    environment_id: ID,
    /// How many others must approve a promotion: 0 to 10.
    approvals_required: i64,
    /// Why: 1 to 500 characters.
    reason: String,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct PromotionApproveInput {
    environment_id: ID,
    deployment_id: ID,
    /// Exactly which bytes: the deployment's.
    artifact_digest: String,
    /// The epoch of the route at which it is approved; at any other it counts for nothing.
    expected_route_epoch: i64,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentPolicySet.
    EnvironmentPolicySetPayload { environment: unchanged Environment }
}
payload! {
    /// The answer of promotionApprove.
    PromotionApprovePayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct ApprovalMutation;

#[Object]
impl ApprovalMutation {
    /// Says how many others must approve promotions to an environment.
    async fn environment_policy_set(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentPolicySetInput,
    ) -> async_graphql::Result<EnvironmentPolicySetPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let number = natural("approvalsRequired", Some(input.approvals_required))?.unwrap_or_default();
        let approvals_required =
            u8::try_from(number).map_err(|_| Fault::bad_input("approvalsRequired", "must be at most 10"))?;
        let asked = Asked::Policy(Policy { approvals_required }, reason(&input.reason)?);
        let environment = id::read("environmentId", &input.environment_id)?;
        Ok(EnvironmentPolicySetPayload(change(ctx, manner, Decision { environment, asked }).await?))
    }

    /// Approves exactly one promotion: of this deployment, of these bytes, to this environment, at this epoch.
    async fn promotion_approve(
        &self,
        ctx: &Context<'_>,
        input: PromotionApproveInput,
    ) -> async_graphql::Result<PromotionApprovePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let asked = Asked::Approval {
            deployment: id::read("deploymentId", &input.deployment_id)?,
            artifact: digest("artifactDigest", &input.artifact_digest)?,
            epoch: Epoch(natural("expectedRouteEpoch", Some(input.expected_route_epoch))?.unwrap_or_default()),
        };
        let environment = id::read("environmentId", &input.environment_id)?;
        Ok(PromotionApprovePayload(change(ctx, manner, Decision { environment, asked }).await?))
    }
}

#[derive(Debug)]
enum Asked {
    Policy(Policy, Reason),
    Approval { deployment: DeploymentId, artifact: Digest, epoch: Epoch },
}

#[derive(Debug)]
struct Decision {
    environment: EnvironmentId,
    asked: Asked,
}

impl Decision {
    /// The command that the grant is asked for.
    fn command(&self) -> &'static str {
        match self.asked {
            Asked::Policy(..) => "environment.set_policy",
            Asked::Approval { .. } => "environment.approve",
        }
    }
}

impl Change for Decision {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Policy(..) => "environmentPolicySet",
            Asked::Approval { .. } => "promotionApprove",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let missing = || No::from(id::not_found::<EnvironmentId>("environmentId"));
        let mut loaded = bench.load::<environment::Environment>(self.environment).await?;
        let created = loaded.state.created.clone().ok_or_else(missing)?;
        if !bench.belongs_to(created.workspace) {
            return Err(missing());
        }
        let mut unit = bench.unit(Writer::Api, created.workspace, CorrelationId(bench.new_id()));
        unit.place(Some(created.region), Some(created.cell));
        bench.about(&mut unit, self.environment).await?;
        let concerning = |no: No| no.concerning(created.app, Some(self.environment));
        permit(&unit, self.command(), &loaded.stream).map_err(concerning)?;
        let command = match &self.asked {
            Asked::Policy(policy, reason) => {
                environment::Command::SetPolicy { policy: *policy, reason: reason.clone() }
            }
            Asked::Approval { deployment, artifact, epoch } => {
                let deployment = bench.load::<deployment::Deployment>(*deployment).await?;
                let route = bench.load::<RouteOwner>(self.environment).await?;
                let approval = exactly(&created, &deployment, (*artifact, *epoch), &route, bench.principal.actor);
                unit.assert(&deployment);
                unit.assert(&route);
                environment::Command::Approve(approval.map_err(concerning)?)
            }
        };
        decide(&mut unit, &mut loaded, command).map_err(concerning)?;
        Ok(Judged { unit, object: self.environment.0, operation: None, decided_on: Some(loaded.stream.clone()) })
    }
}

/// What is approved, if it is so now.
fn exactly(
    of: &environment::Created,
    deployment: &Loaded<deployment::Deployment>,
    (artifact, epoch): (Digest, Epoch),
    route: &Loaded<RouteOwner>,
    by: rhone_domain::ids::ActorId,
) -> Result<Approval, No> {
    let Some(created) = deployment.state.created.as_ref().filter(|created| created.app == of.app) else {
        return Err(id::not_found::<DeploymentId>("deploymentId").into());
    };
    if created.digest != artifact {
        return Err(Fault::bad_input("artifactDigest", "must be the deployment's").into());
    }
    if route.state.epoch != epoch {
        let stale = route_owner::Rejection::StaleEpoch { expected: epoch, actual: route.state.epoch };
        return Err(super::change::refused(&stale, route.stream.clone(), of.workspace));
    }
    Ok(Approval { by, environment: of.id, deployment: created.id, artifact, expected_epoch: epoch })
}
