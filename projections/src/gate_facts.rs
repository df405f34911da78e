//! What the gates of a change of owner look at, folded from the streams themselves, for the API and the workers alike. Whoever
//! acts on it asserts every stream at the version it was read at. Trap: a gate that looks at a read model, or at a stream
//! that nobody asserts.

use rhone_domain::{
    deployment::Deployment,
    gate::Facts,
    ids::{DeploymentId, EnvironmentId},
    operation::Requested,
    route_owner::RouteOwner,
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
        let owner = door.load::<RouteOwner>(environment).await?;
        let variables = door.load::<Variables>(environment).await?;
        Ok(Self { owner, deployment, variables })
    }

    /// For the gates; none if what is asked changes no owner.
    pub fn facts<'a>(&'a self, requested: &'a Requested) -> Option<Facts<'a>> {
        let change = requested.work.route_change()?;
        Some(Facts { requested, change, owner: &self.owner.state, deployment: &self.deployment.state })
    }

    /// Lets the append fail if any of them has changed.
    pub fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.owner);
        unit.assert(&self.deployment);
        unit.assert(&self.variables);
    }
}
