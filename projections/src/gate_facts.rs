//! What the gates of a change of owner look at, folded from the streams themselves, for the API and the workers alike. Whoever
//! acts on it asserts every stream at the version it was read at. Trap: a gate that looks at a read model, or at a stream
//! that nobody asserts.

use chrono::{DateTime, Utc};
use rhone_domain::{
    artifact::Artifact,
    artifact_facts::ArtifactFacts,
    deployment::Deployment,
    environment::Environment,
    gate::Facts,
    ids::{ArtifactId, DeploymentId, EnvironmentId, OperationId},
    migrations::Migrations,
    operation::Requested,
    promotion::Ask,
    provider_binding::ProviderBindings,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    variables::Variables,
};
use rhone_eventstore::{Dispatcher, Inline, Loaded, Log, ReadError, Unit};

/// The streams that gates look at.
#[derive(Clone, Debug)]
pub struct GateFacts {
    /// The route it is about.
    pub owner: Loaded<RouteOwner>,
    /// The deployment it is about.
    pub deployment: Loaded<Deployment>,
    /// The environment's sets of variables.
    pub variables: Loaded<Variables>,
    /// The environment it is about.
    pub environment: Loaded<Environment>,
    /// What ran against its database.
    pub migrations: Loaded<Migrations>,
    /// The bytes that shall own the traffic; none before the deployment exists.
    pub next: Option<Loaded<Artifact>>,
    /// The bytes that own it now; none if nobody does.
    pub present: Option<Loaded<Artifact>>,
    /// The environment's outside resources.
    pub providers: Loaded<ProviderBindings>,
    /// Its runtime services.
    pub services: Loaded<RuntimeServices>,
}

impl GateFacts {
    /// As the log has them now.
    pub async fn load<L: Log, I: Inline>(
        door: &Dispatcher<L, I>,
        environment: EnvironmentId,
        deployment: DeploymentId,
    ) -> Result<Self, ReadError> {
        let deployment = door.load::<Deployment>(deployment).await?;
        Self::of(door, environment, deployment).await
    }

    /// With a deployment that was loaded before, or is only about to be appended.
    pub async fn of<L: Log, I: Inline>(
        door: &Dispatcher<L, I>,
        environment: EnvironmentId,
        deployment: Loaded<Deployment>,
    ) -> Result<Self, ReadError> {
        let (owner, settings, migrations, variables) = tokio::try_join!(
            door.load::<RouteOwner>(environment),
            door.load::<Environment>(environment),
            door.load::<Migrations>(environment),
            door.load::<Variables>(environment)
        )?;
        let next = match &deployment.state.created {
            Some(created) => Some(door.load::<Artifact>(created.artifact).await?),
            None => None,
        };
        let present = match (&owner.state.owner, owner.state.lane()) {
            (Some(present), Some(lane)) => {
                Some(door.load::<Artifact>(ArtifactId::of(lane.workspace, present.artifact)).await?)
            }
            _ => None,
        };
        let (providers, services) =
            tokio::try_join!(door.load::<ProviderBindings>(environment), door.load::<RuntimeServices>(environment))?;
        Ok(Self { owner, deployment, variables, environment: settings, migrations, next, present, providers, services })
    }

    /// What is asked, as these streams have it; none while there is no route or no deployment.
    pub fn requested(&self, ask: &Ask, id: OperationId, now: DateTime<Utc>) -> Option<Requested> {
        let created = self.deployment.state.created.as_ref()?;
        ask.requested(id, &self.owner.state, created, self.variables.state.current, now)
    }

    /// For the gates; none if what is asked changes no owner.
    pub fn facts<'a>(&'a self, requested: &'a Requested) -> Option<Facts<'a>> {
        let change = requested.work.route_change()?;
        Some(Facts {
            requested,
            change,
            owner: &self.owner.state,
            deployment: &self.deployment.state,
            environment: &self.environment.state,
            migrations: &self.migrations.state,
            next: facts_of(self.next.as_ref()),
            present: facts_of(self.present.as_ref()),
            providers: &self.providers.state,
            services: &self.services.state,
            variables: &self.variables.state,
        })
    }

    /// Lets the append fail if any of them has changed.
    pub fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.owner);
        unit.assert(&self.deployment);
        unit.assert(&self.variables);
        unit.assert(&self.environment);
        unit.assert(&self.migrations);
        unit.assert(&self.providers);
        unit.assert(&self.services);
        for artifact in [&self.next, &self.present].into_iter().flatten() {
            unit.assert(artifact);
        }
    }
}

/// What an artifact that is on record says.
fn facts_of(artifact: Option<&Loaded<Artifact>>) -> Option<&ArtifactFacts> {
    Some(&artifact?.state.created.as_ref()?.facts)
}
