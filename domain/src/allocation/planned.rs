//! The order of an allocation. Writers: the promotion's process manager and the scheduler, both by [`Planned::of`]. The trap:
//! two ways of making one, which would differ in a deadline some day.

use crate::{
    deployment::Validated,
    digest::Digest,
    environment::DrainPolicy,
    feed::{Owner, Runs},
    ids::{AllocationId, AppId, CellId, DeploymentId, EnvironmentId, HostId, OperationId, RegionId, WorkspaceId},
    numbers::{EnvSet, Epoch},
    route_owner::{Opened, Place},
};
use serde::{Deserialize, Serialize};

/// All that its runner and the edges need to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Which.
    pub id: AllocationId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// The only environment it may ever serve.
    pub environment: EnvironmentId,
    /// What it runs.
    pub deployment: DeploymentId,
    /// With which variables.
    pub env_set: EnvSet,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
    /// On which host.
    pub host: HostId,
    /// The lowest epoch under which it may be sent work.
    pub min_epoch: Epoch,
    /// The process.
    pub command: Vec<String>,
    /// Where it answers for its health.
    pub health_path: String,
    /// How long it may take to become ready.
    pub ready_timeout_ms: u64,
    /// How long it may take to stop.
    pub drain_timeout_ms: u64,
    /// Which one on a host that is being drained it stands in for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<AllocationId>,
    /// Which operation proves a region by it; such a one never serves anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proves: Option<OperationId>,
}

/// How long an allocation may take to become ready.
const READY_TIMEOUT_MS: u64 = 30_000;

/// What one allocation has for itself; the rest follows from the lane and from who owns it.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// Its id.
    pub id: AllocationId,
    /// On which host.
    pub host: HostId,
    /// The lowest epoch under which it may be sent work.
    pub min_epoch: Epoch,
}

impl Planned {
    /// The order of an allocation that is to serve `owner`'s traffic in a lane: the one way in which orders are made.
    pub fn of(lane: &Opened, owner: &Owner, validated: &Validated, drain: DrainPolicy, placement: Placement) -> Self {
        Self {
            id: placement.id,
            workspace: lane.workspace,
            app: lane.app,
            environment: lane.environment,
            deployment: owner.deployment,
            env_set: owner.env_set,
            artifact: owner.artifact,
            region: lane.region,
            cell: lane.cell,
            host: placement.host,
            min_epoch: placement.min_epoch,
            command: validated.command.clone(),
            health_path: validated.health_path.clone(),
            ready_timeout_ms: READY_TIMEOUT_MS,
            drain_timeout_ms: drain.drain_seconds.saturating_mul(1_000),
            replaces: None,
            proves: None,
        }
    }

    /// What it runs.
    pub fn runs(&self) -> Runs {
        Runs { deployment: self.deployment, artifact: self.artifact, env_set: self.env_set }
    }

    /// Where it runs.
    pub fn place(&self) -> Place {
        Place { region: self.region, cell: self.cell }
    }
}
