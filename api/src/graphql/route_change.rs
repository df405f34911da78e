//! Promotions and rollbacks as they are asked for: judged now as far as they can be, then accepted as an operation that the
//! workers carry on. The trap: judging on a read model; what is judged is folded, and its versions are asserted.

use super::{
    change::{Bench, Change, Judged, No, decide, permit, refused, stream},
    gates::running,
    id,
    route_owner::route_of,
};
use crate::fault::Fault;
use chrono::{DateTime, Utc};
use futures_util::try_join;
use rhone_domain::{
    actor::Writer,
    aggregate::Command as _,
    deployment, environment, gate,
    ids::{ActorId, DeploymentId, EnvironmentId, OperationId},
    numbers::Epoch,
    operation::{self, Acknowledgement, Kind, Requested},
    promotion::Ask,
    route_owner::RouteOwner,
    text::Reason,
};
use rhone_eventstore::{Loaded, Loads as _, Unit};
use rhone_projections::gate_facts::{GateFacts, Rows};
use std::iter;

#[derive(Debug)]
pub(crate) struct MoveRoute {
    pub(crate) kind: Kind,
    pub(crate) deployment: DeploymentId,
    pub(crate) environment: EnvironmentId,
    pub(crate) expected: Option<Epoch>,
    pub(crate) reason: Option<Reason>,
    pub(crate) acknowledgements: Vec<Acknowledgement>,
}

impl Change for MoveRoute {
    fn name(&self) -> &'static str {
        if self.kind == Kind::Rollback { "environmentRollBack" } else { "deploymentPromote" }
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let all = iter::once(stream::<deployment::Deployment>(self.deployment));
        bench.gather(&all.chain(GateFacts::streams(self.environment)).collect::<Vec<_>>()).await?;
        let deployment = bench.load::<deployment::Deployment>(self.deployment).await?;
        let Some(created) = deployment.state.created.clone() else {
            return Err(id::not_found::<DeploymentId>("deploymentId").into());
        };
        if !bench.belongs_to(created.workspace) {
            return Err(id::not_found::<DeploymentId>("deploymentId").into());
        }
        let operation: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, created.workspace, operation);
        let wish = Wish::of(bench, self.kind, self.environment, self.expected, self.reason.clone()).await?;
        let wish = wish.acknowledging(self.acknowledgements.clone());
        let operation = wish.request(bench, &mut unit, self.environment, &deployment).await?;
        Ok(Judged {
            unit,
            object: self.deployment.0,
            operation: Some(operation),
            decided_on: Some(stream::<RouteOwner>(self.environment)),
        })
    }
}

/// A change of route that somebody wishes for.
pub(crate) struct Wish(Ask);

impl Wish {
    pub(crate) async fn of(
        bench: &Bench<'_>,
        kind: Kind,
        environment: EnvironmentId,
        expected: Option<Epoch>,
        reason: Option<Reason>,
    ) -> Result<Self, No> {
        let settings = bench.load::<environment::Environment>(environment).await?.state;
        let wish = Self::shown(kind, &settings, bench.principal.actor);
        Ok(Self(Ask { reason, expected, ..wish.0 }))
    }

    /// What somebody would wish for, to be shown.
    pub(crate) fn shown(kind: Kind, environment: &environment::Environment, by: ActorId) -> Self {
        let drain = environment.drain();
        Self(Ask { kind, reason: None, expected: None, drain, by: Some(by), acknowledgements: Vec::new() })
    }

    /// The same, with what is taken upon oneself.
    pub(crate) fn acknowledging(self, acknowledgements: Vec<Acknowledgement>) -> Self {
        Self(Ask { acknowledgements, ..self.0 })
    }

    /// Judges the gates that can be judged now and, if they are open, accepts the operation.
    pub(crate) async fn request(
        self,
        bench: &Bench<'_>,
        unit: &mut Unit,
        environment: EnvironmentId,
        deployment: &Loaded<deployment::Deployment>,
    ) -> Result<OperationId, No> {
        let (_, opened) = route_of(bench, environment).await?;
        let same_app = deployment.state.created.as_ref().is_some_and(|created| created.app == opened.app);
        if !same_app {
            return Err(Fault::bad_input("environmentId", "must be an environment of the deployment's app").into());
        }
        let id: OperationId = bench.new_id();
        let missing = || No::from(id::not_found::<DeploymentId>("deploymentId"));
        let running = async { running(bench.ctx, environment).await.map_err(No::from) };
        let facts = GateFacts::of(bench, environment, deployment.clone(), Rows::new());
        let (running, facts) = try_join!(running, facts)?;
        let facts = facts.beside(running);
        let requested = self.requested(id, &facts, unit.now()).ok_or_else(missing)?;
        let concerning = |no: No| no.concerning(opened.app, Some(environment));
        bench.about(unit, environment).await?;
        let request = operation::Command::Request(requested.clone());
        permit(unit, request.name(), &facts.owner.stream).map_err(concerning)?;
        let judged = judge(&requested, &facts).map_err(concerning)?;
        let request = operation::Command::Request(gate::covering(requested, &judged));
        facts.assert(unit);
        unit.place(Some(opened.region), Some(opened.cell));
        let mut operation = bench.fresh::<operation::Operation>();
        decide(unit, &mut operation, request).map_err(concerning)?;
        Ok(id)
    }

    pub(crate) fn requested(&self, id: OperationId, facts: &GateFacts, now: DateTime<Utc>) -> Option<Requested> {
        facts.requested(&self.0, id, now)
    }
}

/// A visibly closed gate is refused now; one that closes later ends the operation with the same words.
fn judge(requested: &Requested, facts: &GateFacts) -> Result<Vec<gate::Judged>, No> {
    let judged = facts.facts(requested).map(|facts| gate::judge(&facts)).unwrap_or_default();
    match gate::closed(&judged) {
        None => Ok(judged),
        Some(refusal) => Err(refused(refusal, facts.owner.stream.clone(), requested.workspace).judged(&judged)),
    }
}
