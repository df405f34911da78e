//! What the gates of a scale operation look at, folded from the streams themselves, for the API and the workers alike. Trap: a
//! wanted number or a runtime service that was read from a table, and that nobody asserts.

use rhone_domain::{
    artifact::Artifact,
    environment::Environment,
    ids::{ArtifactId, EnvironmentId},
    provider::Needs,
    route_owner::RouteOwner,
    runtime_service::Standings,
    runtime_service_binding::RuntimeServices,
    scale::{Facts, Scale},
};
use rhone_eventstore::{Loaded, Loads, Unit};

/// The streams that those gates look at.
#[derive(Clone, Debug)]
pub struct ScaleFacts {
    /// The environment.
    pub environment: Loaded<Environment>,
    /// Who owns its traffic.
    pub owner: Loaded<RouteOwner>,
    /// What the owner runs; none without an owner. It never changes.
    pub needs: Needs,
    /// Its runtime services.
    pub services: Loaded<RuntimeServices>,
    /// How they stand in the region that serves it.
    pub standings: Standings,
}

impl ScaleFacts {
    /// As the log has them now.
    pub async fn load<R: Loads>(from: &R, id: EnvironmentId) -> Result<Self, R::Error> {
        let (owner, environment, services) = tokio::try_join!(
            from.load::<RouteOwner>(id),
            from.load::<Environment>(id),
            from.load::<RuntimeServices>(id)
        )?;
        let needs = match (owner.state.lane(), &owner.state.owner) {
            (Some(lane), Some(of)) => {
                let bytes = ArtifactId::of(lane.workspace, of.artifact);
                let artifact = from.load::<Artifact>(bytes).await?;
                artifact.state.created.map(|created| created.facts.needs).unwrap_or_default()
            }
            _ => Needs::default(),
        };
        let region = owner.state.place().map(|place| place.region);
        let standings = region.map(|region| services.state.standings(region)).unwrap_or_default();
        Ok(Self { environment, owner, needs, services, standings })
    }

    /// For the gates.
    pub fn facts<'a>(&'a self, scale: &'a Scale) -> Facts<'a> {
        Facts {
            scale,
            environment: &self.environment.state,
            owner: &self.owner.state,
            needs: &self.needs,
            standings: &self.standings,
        }
    }

    /// Lets the append fail if any of them has changed.
    pub fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.environment);
        unit.assert(&self.owner);
        unit.assert(&self.services);
    }
}
