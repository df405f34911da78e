//! Deployments: candidate releases of exact bytes. Creating one validates it and promotes its preview; promotion and rollback
//! are operations that the workers carry on.

use super::{
    app::App,
    artifact::{Artifact, digest, facts_of},
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit},
    connection::Pages,
    context::{Ask, wait_for},
    gates::{AcknowledgementInput, RouteChangePlan, acknowledgements},
    id,
    listed::Listed,
    logs::{self, LogFilter, LogLines},
    route_change::{MoveRoute, Wish},
    route_owner::reason,
    who::{self, Requester},
};
use crate::{fault::Fault, page};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate as _,
    app, artifact,
    authorization::Scope,
    deployment,
    digest::Digest,
    envelope::StreamId,
    ids::{AppId, ArtifactId, CorrelationId, DeploymentId, EnvironmentId, OperationId},
    numbers::{EnvSet, Epoch},
    operation::Kind,
};
use rhone_eventstore::{Loaded, Position, Unit};
use rhone_projections::{
    deployments::{DeploymentRow, Deployments},
    projection,
};

/// A candidate release.
#[derive(Clone, Debug)]
pub(crate) struct Deployment(pub(crate) DeploymentRow);

/// Where a deployment stands by itself; where it owns traffic is told by the environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum DeploymentStatus {
    /// Not judged yet.
    Created,
    /// May be promoted.
    Validated,
    /// Will never be promoted.
    Failed,
}

/// Where the bytes came from.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct DeploymentSource {
    repository: String,
    commit: String,
}

impl Deployment {
    pub(crate) async fn find(
        ctx: &Context<'_>,
        id: DeploymentId,
        position: Option<Position>,
    ) -> Result<Option<Self>, Fault> {
        if !wait_for(ctx, projection::key::<Deployments>(), position).await? {
            return Ok(None);
        }
        let row = ctx.loaders().deployments.load_one(id.0).await.map_err(Fault::internal)?;
        Ok(row.map(Self))
    }

    async fn plan(&self, ctx: &Context<'_>, environment: &ID, kind: Kind) -> Result<RouteChangePlan, Fault> {
        let environment = id::read::<EnvironmentId>("environmentId", environment)?;
        // An environment of another app has none of it.
        let plan = RouteChangePlan::of(ctx, environment, self.0.id, kind).await?;
        plan.ok_or_else(|| id::not_found::<EnvironmentId>("environmentId"))
    }
}

#[Object]
impl Deployment {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.0.id)
    }

    /// Lines that its build and allocations printed, in the order in which they were kept: from the beginning, or by `last` from the end. Diagnostic; lines are
    /// rotated away.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn logs(
        &self,
        ctx: &Context<'_>,
        filter: Option<LogFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<LogLines> {
        let base = logs::Filter {
            workspace: self.0.state.created.as_ref().map(|created| created.workspace),
            deployment: Some(self.0.id),
            ..logs::Filter::default()
        };
        Ok(logs::of(ctx, base, filter, Pages { first, after, last, before }).await?)
    }

    async fn app(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<App>> {
        Ok(App::find(ctx, self.0.app, None).await?)
    }

    async fn artifact(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Artifact>> {
        match &self.0.state.created {
            Some(created) => Ok(Artifact::find(ctx, created.artifact, None).await?),
            None => Ok(None),
        }
    }

    /// Exactly which bytes.
    async fn artifact_digest(&self) -> Option<String> {
        self.0.state.created.as_ref().map(|created| created.digest.to_string())
    }

    async fn status(&self) -> DeploymentStatus {
        match (&self.0.state.failed, &self.0.state.validated) {
            (Some(_), _) => DeploymentStatus::Failed,
            (None, Some(_)) => DeploymentStatus::Validated,
            (None, None) => DeploymentStatus::Created,
        }
    }

    /// What validation found.
    async fn checks(&self) -> Vec<String> {
        self.0.state.validated.as_ref().map(|validated| validated.checks.clone()).unwrap_or_default()
    }

    /// Why it failed.
    async fn failure_reason(&self) -> Option<&str> {
        self.0.state.failed.as_deref()
    }

    async fn source(&self) -> Option<DeploymentSource> {
        let source = self.0.state.created.as_ref()?.source.as_ref()?;
        Some(DeploymentSource { repository: source.repository.to_string(), commit: source.commit.to_string() })
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Who is behind it, also where a deploy made it on their behalf.
    async fn created_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Requester>> {
        Ok(who::behind_the_first(ctx, StreamId::new(deployment::Deployment::CATEGORY, self.0.id)).await?)
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.0.version
    }

    /// Whether it could be promoted to an environment now, gate by gate.
    #[graphql(complexity = "50 + child_complexity")]
    async fn promotion(&self, ctx: &Context<'_>, environment_id: ID) -> async_graphql::Result<RouteChangePlan> {
        Ok(self.plan(ctx, &environment_id, Kind::Promotion).await?)
    }

    /// Whether an environment could be rolled back to it now, gate by gate.
    #[graphql(complexity = "50 + child_complexity")]
    async fn rollback_plan(&self, ctx: &Context<'_>, environment_id: ID) -> async_graphql::Result<RouteChangePlan> {
        Ok(self.plan(ctx, &environment_id, Kind::Rollback).await?)
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct DeploymentCreateInput {
    app_id: ID,
    /// The digest of an artifact registered in the app's workspace.
    artifact_digest: String,
    /// The environment that shows it first; its promotion is the payload's operation.
    environment_id: Option<ID>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct DeploymentPromoteInput {
    deployment_id: ID,
    environment_id: ID,
    /// The epoch this was decided on; captured once, at acceptance, when omitted.
    expected_route_epoch: Option<i64>,
    /// Why.
    reason: Option<String>,
    /// What gates warned of, taken upon oneself.
    acknowledgements: Option<Listed<AcknowledgementInput>>,
    /// The `version` of the environment's route owner that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentRollBackInput {
    environment_id: ID,
    /// An earlier owner of the environment.
    deployment_id: ID,
    /// The epoch this was decided on; captured once, at acceptance, when omitted.
    expected_route_epoch: Option<i64>,
    /// Why: 1 to 500 characters.
    reason: String,
    /// What gates warned of, taken upon oneself.
    acknowledgements: Option<Listed<AcknowledgementInput>>,
    /// The `version` of the environment's route owner that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of deploymentCreate.
    DeploymentCreatePayload { deployment: Deployment }
}
payload! {
    /// The answer of deploymentPromote.
    DeploymentPromotePayload { deployment: unchanged Deployment }
}
payload! {
    /// The answer of environmentRollBack.
    EnvironmentRollBackPayload { deployment: unchanged Deployment }
}

#[derive(Debug, Default)]
pub(crate) struct DeploymentMutation;

#[Object]
impl DeploymentMutation {
    /// Makes a candidate release of registered bytes, validates it, and promotes it to the environment that shows it first.
    async fn deployment_create(
        &self,
        ctx: &Context<'_>,
        input: DeploymentCreateInput,
    ) -> async_graphql::Result<DeploymentCreatePayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let create = Create {
            app: id::read("appId", &input.app_id)?,
            digest: digest("artifactDigest", &input.artifact_digest)?,
            environment: input.environment_id.map(|id| id::read("environmentId", &id)).transpose()?,
        };
        Ok(DeploymentCreatePayload(change(ctx, manner, create).await?))
    }

    /// Gives an environment's traffic to a deployment.
    async fn deployment_promote(
        &self,
        ctx: &Context<'_>,
        input: DeploymentPromoteInput,
    ) -> async_graphql::Result<DeploymentPromotePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let move_route = MoveRoute {
            kind: Kind::Promotion,
            deployment: id::read("deploymentId", &input.deployment_id)?,
            environment: id::read("environmentId", &input.environment_id)?,
            expected: natural("expectedRouteEpoch", input.expected_route_epoch)?.map(Epoch),
            reason: input.reason.as_deref().map(reason).transpose()?,
            acknowledgements: acknowledgements(input.acknowledgements)?,
        };
        Ok(DeploymentPromotePayload(change(ctx, manner, move_route).await?))
    }

    /// Gives an environment's traffic back to an earlier owner, pins it there, and quarantines the bytes it leaves.
    async fn environment_roll_back(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentRollBackInput,
    ) -> async_graphql::Result<EnvironmentRollBackPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let move_route = MoveRoute {
            kind: Kind::Rollback,
            deployment: id::read("deploymentId", &input.deployment_id)?,
            environment: id::read("environmentId", &input.environment_id)?,
            expected: natural("expectedRouteEpoch", input.expected_route_epoch)?.map(Epoch),
            reason: Some(reason(&input.reason)?),
            acknowledgements: acknowledgements(input.acknowledgements)?,
        };
        Ok(EnvironmentRollBackPayload(change(ctx, manner, move_route).await?))
    }
}

#[derive(Debug)]
struct Create {
    app: AppId,
    digest: Digest,
    environment: Option<EnvironmentId>,
}

impl Change for Create {
    fn name(&self) -> &'static str {
        "deploymentCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let Some(app) = bench.load::<app::App>(self.app).await?.state.created else {
            return Err(id::not_found::<AppId>("appId").into());
        };
        if !bench.belongs_to(app.workspace) {
            return Err(id::not_found::<AppId>("appId").into());
        }
        let id: DeploymentId = bench.new_id();
        let mut unit = bench.unit(Writer::Pipeline, app.workspace, CorrelationId(id.0));
        unit.about(Scope { project: Some(app.project), environment: None });
        permit(&unit, "deployment.create", &StreamId::new(app::App::CATEGORY, self.app))?;
        let artifact_id = ArtifactId::of(app.workspace, self.digest);
        let artifact = bench.load::<artifact::Artifact>(artifact_id).await?;
        let Some(registered) = &artifact.state.created else {
            return Err(id::not_found::<ArtifactId>("artifactDigest").into());
        };
        // Read back, so that what is validated is what the store holds now.
        let (_, facts) = facts_of(&bench.ctx.platform().artifacts, self.digest).await?;
        unit.assert(&artifact);
        let mut deployment = bench.fresh::<deployment::Deployment>();
        let created = deployment::Created {
            id,
            workspace: app.workspace,
            app: self.app,
            artifact: artifact_id,
            digest: registered.digest,
            source: deployment::Source::of(&facts),
            env_set: EnvSet(0),
        };
        decide(&mut unit, &mut deployment, deployment::Command::Create(created))?;
        let validate = deployment::Command::Validate { digest: self.digest, facts: Box::new(facts) };
        decide(&mut unit, &mut deployment, validate)?;
        let operation = match self.environment {
            Some(environment) => Some(self.show(bench, &mut unit, environment, &deployment).await?),
            None => None,
        };
        Ok(Judged { unit, object: id.0, operation, decided_on: None })
    }
}

impl Create {
    /// The promotion of the environment that shows it first.
    async fn show(
        &self,
        bench: &Bench<'_>,
        unit: &mut Unit,
        environment: EnvironmentId,
        deployment: &Loaded<deployment::Deployment>,
    ) -> Result<OperationId, No> {
        let wish = Wish::of(bench, Kind::Promotion, environment, None, None).await?;
        wish.request(bench, unit, environment, deployment).await
    }
}
