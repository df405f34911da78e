//! What the gates of a region enablement look at, folded from the streams themselves, for the API and the workers alike. Trap:
//! a binding of another region, or one that was read from a table and that nobody asserts.

use rhone_domain::{
    artifact::Artifact,
    cell::Cell,
    deployment::Deployment,
    environment::Environment,
    ids::{ArtifactId, DeploymentId},
    provider_binding::ProviderBindings,
    region::Region,
    region_enablement::Enablement,
    region_readiness::Facts,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    variables::Variables,
};
use rhone_eventstore::{Loaded, Loads, Unit};

/// The streams that those gates look at.
#[derive(Clone, Debug)]
pub struct RegionFacts {
    /// What is asked.
    pub wanted: Enablement,
    /// The environment.
    pub environment: Loaded<Environment>,
    /// Who owns its traffic.
    pub owner: Loaded<RouteOwner>,
    /// The deployment that does; empty without an owner.
    pub deployment: Loaded<Deployment>,
    /// Its bytes; none without an owner.
    pub artifact: Option<Loaded<Artifact>>,
    /// The environment's outside resources.
    pub providers: Loaded<ProviderBindings>,
    /// Its runtime services.
    pub services: Loaded<RuntimeServices>,
    /// Its sets of variables.
    pub variables: Loaded<Variables>,
    /// The region.
    pub region: Loaded<Region>,
    /// The cell.
    pub cell: Loaded<Cell>,
}

impl RegionFacts {
    /// As the log has them now.
    pub async fn load<R: Loads>(from: &R, wanted: Enablement) -> Result<Self, R::Error> {
        let id = wanted.environment;
        let (owner, environment, providers, services, variables, region, cell) = tokio::try_join!(
            from.load::<RouteOwner>(id),
            from.load::<Environment>(id),
            from.load::<ProviderBindings>(id),
            from.load::<RuntimeServices>(id),
            from.load::<Variables>(id),
            from.load::<Region>(wanted.region),
            from.load::<Cell>(wanted.cell)
        )?;
        let of = owner.state.owner.as_ref();
        let nobody = DeploymentId(uuid::Uuid::nil());
        let deployment = from.load::<Deployment>(of.map_or(nobody, |owner| owner.deployment));
        let artifact = async {
            match (owner.state.lane(), of) {
                (Some(lane), Some(of)) => {
                    Ok(Some(from.load::<Artifact>(ArtifactId::of(lane.workspace, of.artifact)).await?))
                }
                _ => Ok(None),
            }
        };
        let (deployment, artifact) = tokio::try_join!(deployment, artifact)?;
        Ok(Self { wanted, environment, owner, deployment, artifact, providers, services, variables, region, cell })
    }

    /// For the gates.
    pub fn facts(&self) -> Facts<'_> {
        let created = self.artifact.as_ref().and_then(|artifact| artifact.state.created.as_ref());
        Facts {
            wanted: &self.wanted,
            environment: &self.environment.state,
            owner: &self.owner.state,
            artifact: created.map(|created| &created.facts),
            providers: &self.providers.state,
            services: &self.services.state,
            variables: &self.variables.state,
            region: &self.region.state,
            cell: &self.cell.state,
        }
    }

    /// Lets the append fail if any of them has changed.
    pub fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.environment);
        self.assert_others(unit);
    }

    /// The same for an append that changes the environment itself.
    pub fn assert_others(&self, unit: &mut Unit) {
        unit.assert(&self.owner);
        unit.assert(&self.providers);
        unit.assert(&self.services);
        unit.assert(&self.variables);
        unit.assert(&self.region);
        unit.assert(&self.cell);
        if self.owner.state.owner.is_some() {
            unit.assert(&self.deployment);
        }
        if let Some(artifact) = &self.artifact {
            unit.assert(artifact);
        }
    }
}
