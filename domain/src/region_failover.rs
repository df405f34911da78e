//! Region failover: another region serves an environment's traffic, with the same deployment, bytes and variables, under another
//! epoch. Owner: Rhone. Writer: the failover operation, whose steps are a promotion's (`promotion.rs`). Traps: a failover that
//! hides that sessions begin afresh, so the request states what they get and is refused if that is not so; pretending sessions
//! teleport; a region that counts because it is there, and not because it was proven.

use crate::{
    aggregate::Rejection,
    edge_status::EdgeStatus,
    environment::{DataTopology, DrainPolicy, Environment},
    ids::{ActorId, OperationId, RegionId},
    numbers::{Epoch, seconds},
    operation::{Acknowledgement, Requested, RouteChange, Work},
    route_owner::{self, Place, Relocation, RouteOwner},
    runtime_service_binding::RuntimeServices,
    session_fate::{self, Fate, ResumeMode, Schema, Server},
    text::Reason,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a failover may take.
pub const DEADLINE: TimeDelta = TimeDelta::seconds(120);

/// What a failover is to do, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// What owns the traffic, before and after, and the epoch it was decided on.
    #[serde(flatten)]
    pub change: RouteChange,
    /// Where it was served when it was asked.
    pub from: Place,
    /// Where it shall be served.
    pub to: Place,
    /// What sessions get; they never move.
    pub sessions: Fate,
}

/// What somebody wishes for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// To which region.
    pub region: RegionId,
    /// The epoch it was decided on; the present one when omitted.
    pub expected: Option<Epoch>,
    /// What they know sessions get.
    pub sessions: Fate,
    /// How sessions at the former place end.
    pub drain: DrainPolicy,
    /// Who asks.
    pub by: ActorId,
    /// What they take upon themselves.
    pub acknowledgements: Vec<Acknowledgement>,
    /// Why.
    pub reason: Option<Reason>,
}

/// Why nothing can be asked for at all; whatever else stands against it, a gate says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing to move.
    #[error(transparent)]
    Route(#[from] route_owner::Rejection),
    /// It was not enabled, so that nobody knows a cell there.
    #[error("this region was not enabled for the environment")]
    NotEnabled(RegionId),
}

impl Rejection for Refused {
    fn code(&self) -> &'static str {
        match self {
            Self::Route(rejection) => rejection.code(),
            Self::NotEnabled(_) => "REGION_NOT_ENABLED",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Route(rejection) => rejection.field(),
            Self::NotEnabled(_) => Some("regionId"),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::Route(rejection) => rejection.expected_and_actual(),
            Self::NotEnabled(_) => None,
        }
    }
}

/// Where an environment would be in a region: in its home cell, or in the cell that was enabled; none where it may not be.
pub fn place_in(environment: &Environment, region: RegionId) -> Option<Place> {
    let home = environment.created.as_ref().map(|created| Place { region: created.region, cell: created.cell });
    let enabled = environment.regions.get(&region).map(|enabled| Place { region, cell: enabled.cell });
    home.filter(|home| home.region == region).or(enabled)
}

/// The request of a failover, or why there is nothing to ask for.
pub fn request(
    id: OperationId,
    owner: &RouteOwner,
    environment: &Environment,
    wish: Wish,
    now: DateTime<Utc>,
) -> Result<Requested, Refused> {
    let (Some(lane), Some(from)) = (owner.lane(), owner.place()) else {
        return Err(route_owner::Rejection::NotFound.into());
    };
    let Some(of) = &owner.owner else { return Err(route_owner::Rejection::NothingToMove.into()) };
    let to = place_in(environment, wish.region).ok_or(Refused::NotEnabled(wish.region))?;
    let change = RouteChange {
        app: lane.app,
        environment: lane.environment,
        deployment: of.deployment,
        artifact: of.artifact,
        env_set: of.env_set,
        expected_epoch: wish.expected.unwrap_or(owner.epoch),
        drain: wish.drain,
        requested_by: Some(wish.by),
        acknowledgements: wish.acknowledgements,
    };
    Ok(Requested {
        id,
        workspace: lane.workspace,
        region: to.region,
        cell: Some(to.cell),
        reason: wish.reason,
        deadline: now + DEADLINE,
        work: Work::RegionFailover(Box::new(Failover { change, from, to, sessions: wish.sessions })),
    })
}

/// What sessions would get: those still open at the former place at the deadline, and whoever comes to the new one. Hydrating
/// needs a store that is proven where the traffic goes, and data that both regions see; everything else begins afresh.
pub fn fate(environment: &Environment, services: &RuntimeServices, from: RegionId, to: RegionId) -> Fate {
    let enabled = [from, to].map(|region| environment.regions.get(&region).map(|enabled| enabled.topology));
    let seen = |topology: &DataTopology| match topology {
        DataTopology::Replicated | DataTopology::Shared => true,
        DataTopology::Nothing => false,
    };
    let mut known = enabled.iter().flatten().peekable();
    let both = known.peek().is_some() && known.all(seen);
    let mode = if both { ResumeMode::of(&services.standings(to)) } else { ResumeMode::None };
    // The bytes stay the same, so that what they wrote is what they read.
    session_fate::decide(mode, Server::Another, Schema::Compatible)
}

impl Failover {
    /// The change of place that it comes to.
    pub fn relocation(&self, by: OperationId, at: DateTime<Utc>) -> Relocation {
        Relocation {
            by,
            expected: self.change.expected_epoch,
            to: self.to,
            at,
            drain_until: at + seconds(self.change.drain.drain_seconds),
            sessions: self.sessions,
        }
    }

    /// How many of these edges, of the region it left, do not know yet that it has gone. An edge that does not report holds
    /// nothing up: a region that died has none.
    pub fn unaware(&self, edges: &[EdgeStatus], epoch: Epoch) -> usize {
        let knows = |edge: &&EdgeStatus| {
            let mut here = edge.observations.iter().filter(|seen| seen.environment == self.change.environment);
            here.any(|seen| seen.gave_up(epoch))
        };
        edges.iter().filter(|edge| !knows(edge)).count()
    }
}

#[cfg(test)]
pub(crate) mod tests;
