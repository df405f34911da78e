//! What the gates of a drain operation look at: owner, wanted number, and every allocation of the deployment, each at the
//! version it was read at, for the API and the workers alike. Trap: letting the last one go because another one was ready a
//! moment ago.

use crate::authority::allocations::{self, Ended};
use rhone_domain::{
    allocation::{Allocation, State},
    drain::{Drain, Facts},
    environment::Environment,
    ids::{DeploymentId, EnvironmentId},
    route_owner::RouteOwner,
};
use rhone_eventstore::{Loaded, Loads, Unit};
use sqlx::PgConnection;

/// The streams that those gates look at.
#[derive(Clone, Debug)]
pub struct DrainFacts {
    /// The environment.
    pub environment: Loaded<Environment>,
    /// Who owns its traffic.
    pub owner: Loaded<RouteOwner>,
    /// Every allocation of the deployment there, those that have ended too, as their rows say.
    pub allocations: Vec<Allocation>,
    loaded: Vec<Loaded<Allocation>>,
}

impl DrainFacts {
    /// As they are now.
    pub async fn load<R: Loads, E: From<R::Error> + From<sqlx::Error>>(
        from: &R,
        connection: &mut PgConnection,
        environment: EnvironmentId,
        deployment: DeploymentId,
    ) -> Result<Self, E> {
        let owner = from.load::<RouteOwner>(environment).await?;
        let rows = allocations::of_environment(connection, environment, Some(deployment), Ended::Included).await?;
        let environment = from.load::<Environment>(environment).await?;
        let loaded = allocations::loaded(rows);
        let allocations = loaded.iter().map(|one| one.state.clone()).collect();
        Ok(Self { environment, owner, allocations, loaded })
    }

    /// For the gates.
    pub fn facts<'a>(&'a self, drain: &'a Drain) -> Facts<'a> {
        let replicas = self.environment.state.replicas;
        Facts { drain, owner: &self.owner.state, replicas, allocations: &self.allocations }
    }

    /// Lets the append fail if any of those that stay ready, the owner or the wanted number has changed.
    pub fn assert(&self, drain: &Drain, unit: &mut Unit) {
        unit.assert(&self.environment);
        unit.assert(&self.owner);
        for one in &self.loaded {
            let target = one.state.planned.as_ref().is_some_and(|planned| drain.allocations.contains(&planned.id));
            if !target && one.state.state == Some(State::Ready) {
                unit.assert(one);
            }
        }
    }
}
