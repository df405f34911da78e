//! What the gates of a change of owner look at, folded from the streams themselves, for the API and the workers alike. Whoever
//! acts on it asserts every stream at the version it was read at. Trap: a gate that looks at a read model, or at a stream
//! that nobody asserts.

use crate::authority::allocations;
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::Aggregate as _,
    allocation::Allocation,
    artifact::Artifact,
    artifact_facts::ArtifactFacts,
    deployment::Deployment,
    envelope::StreamId,
    environment::Environment,
    gate::{Facts, is_stranded, rests_on, runs_on},
    host::Host,
    ids::{ArtifactId, DeploymentId, EnvironmentId, HostId, OperationId},
    migrations::Migrations,
    numbers::Version,
    operation::Requested,
    promotion::Ask,
    provider_binding::ProviderBindings,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    variables::Variables,
};
use rhone_eventstore::{Loaded, Loads, Unit};
use std::{collections::BTreeSet, future::Future};

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
    /// Every allocation of the deployment there, as the rows say that their appends write.
    pub allocations: Vec<Allocation>,
    loaded: Vec<Loaded<Allocation>>,
    hosts: Vec<Loaded<Host>>,
}

/// Allocations of an environment with their versions.
pub type Rows = Vec<(Allocation, Version)>;

impl GateFacts {
    /// The streams of an environment that are read, whatever else is.
    pub fn streams(environment: EnvironmentId) -> [StreamId; 6] {
        let categories = [
            RouteOwner::CATEGORY,
            Environment::CATEGORY,
            Migrations::CATEGORY,
            Variables::CATEGORY,
            ProviderBindings::CATEGORY,
            RuntimeServices::CATEGORY,
        ];
        categories.map(|category| StreamId::new(category, environment))
    }

    /// As the log has them now, beside these allocations of the environment, of which those of the deployment count.
    pub async fn load<R: Loads>(
        from: &R,
        environment: EnvironmentId,
        deployment: DeploymentId,
        allocations: Rows,
    ) -> Result<Self, R::Error> {
        Self::with(from, environment, from.load::<Deployment>(deployment), allocations).await
    }

    /// With a deployment that was loaded before, or is only about to be appended.
    pub async fn of<R: Loads>(
        from: &R,
        environment: EnvironmentId,
        deployment: Loaded<Deployment>,
        allocations: Rows,
    ) -> Result<Self, R::Error> {
        Self::with(from, environment, async { Ok(deployment) }, allocations).await
    }

    /// What does not depend on anything is read at once, and then the bytes: two rounds, however many streams.
    async fn with<R: Loads>(
        from: &R,
        environment: EnvironmentId,
        deployment: impl Future<Output = Result<Loaded<Deployment>, R::Error>> + Send,
        allocations: Rows,
    ) -> Result<Self, R::Error> {
        from.gather(&Self::streams(environment)).await?;
        let (deployment, owner, settings, migrations, variables, providers, services) = tokio::try_join!(
            deployment,
            from.load::<RouteOwner>(environment),
            from.load::<Environment>(environment),
            from.load::<Migrations>(environment),
            from.load::<Variables>(environment),
            from.load::<ProviderBindings>(environment),
            from.load::<RuntimeServices>(environment)
        )?;
        let next = deployment.state.created.as_ref().map(|created| created.artifact);
        let present = owner.state.owner.as_ref().zip(owner.state.lane());
        let present = present.map(|(present, lane)| ArtifactId::of(lane.workspace, present.artifact));
        let artifacts = next.into_iter().chain(present).map(|id| StreamId::new(Artifact::CATEGORY, id));
        from.gather(&artifacts.collect::<Vec<_>>()).await?;
        let (next, present) = tokio::try_join!(artifact(from, next), artifact(from, present))?;
        let facts = Self {
            owner,
            deployment,
            variables,
            environment: settings,
            migrations,
            next,
            present,
            providers,
            services,
            allocations: Vec::new(),
            loaded: Vec::new(),
            hosts: Vec::new(),
        };
        Ok(facts.beside(allocations))
    }

    /// The same beside these allocations of the environment, which somebody read meanwhile.
    #[must_use]
    pub fn beside(mut self, allocations: Rows) -> Self {
        let of = self.deployment.state.created.as_ref().map(|created| created.id);
        let its = |(one, _): &(Allocation, Version)| one.planned.as_ref().map(|planned| planned.deployment) == of;
        self.loaded = allocations::loaded(allocations.into_iter().filter(its));
        self.allocations = self.loaded.iter().map(|one| one.state.clone()).collect();
        self
    }

    /// For whoever changes the route: with the hosts of what lives, and without what is on one that never comes back. Its row says
    /// `ready` until the scheduler has given it up.
    pub async fn with_hosts<R: Loads>(mut self, from: &R) -> Result<Self, R::Error> {
        let lives = |one: &&Allocation| one.state.is_some_and(|state| !state.is_final());
        let living = self.allocations.iter().filter(lives).filter_map(|one| Some(one.planned.as_ref()?.host));
        for host in living.collect::<BTreeSet<HostId>>() {
            self.hosts.push(from.load::<Host>(host).await?);
        }
        self.loaded.retain(|one| !self.hosts.iter().any(|host| is_stranded(&one.state, &host.state)));
        self.allocations = self.loaded.iter().map(|one| one.state.clone()).collect();
        Ok(self)
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
            allocations: &self.allocations,
        })
    }

    /// Lets the append fail if any of them has changed, but for the allocations: how they fare changes all the time, and nothing
    /// but the change of the route itself rests on it.
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

    /// The same for the append that changes the route: of the allocations it rests on, as many as are wanted, and their hosts,
    /// which nobody has retired meanwhile.
    pub fn assert_ready(&self, requested: &Requested, unit: &mut Unit) {
        let ready = self.loaded.iter().filter(|one| rests_on(&one.state, requested, &self.owner.state));
        for one in ready.take(self.environment.state.replicas.0.into()) {
            unit.assert(one);
            self.hosts.iter().filter(|host| runs_on(&one.state, &host.state)).for_each(|host| unit.assert(host));
        }
    }
}

async fn artifact<R: Loads>(from: &R, id: Option<ArtifactId>) -> Result<Option<Loaded<Artifact>>, R::Error> {
    match id {
        Some(id) => Ok(Some(from.load::<Artifact>(id).await?)),
        None => Ok(None),
    }
}

/// What an artifact that is on record says.
fn facts_of(artifact: Option<&Loaded<Artifact>>) -> Option<&ArtifactFacts> {
    Some(&artifact?.state.created.as_ref()?.facts)
}
