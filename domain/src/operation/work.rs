//! What an operation does, with all that its workers must know. One variant for each kind; what a variant holds is defined in
//! the file of that kind. In the log it stands beside the other words of the request, under `kind`.

use super::Kind;
use crate::{
    binding::BindingWork,
    deploy::Deploy,
    digest::Digest,
    drain::Drain,
    environment::DrainPolicy,
    feed::Runs,
    host_drain::HostDrain,
    ids::{ActorId, AppId, DeploymentId, EnvironmentId},
    migration::Migration,
    numbers::{EnvSet, Epoch},
    region_enablement::Enablement,
    region_failover::Failover,
    scale::Scale,
    sleep::Sleep,
    text::Reason,
    wake::Wake,
};
use serde::{Deserialize, Serialize};

/// The work of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// Gives an environment's traffic to a deployment.
    Promotion(RouteChange),
    /// Gives it back to an earlier one.
    Rollback(RouteChange),
    /// Makes a release of a commit or an image.
    Deploy(Box<Deploy>),
    /// Lets another region serve the same owner.
    RegionFailover(Box<Failover>),
    /// Makes a region one that it may be moved to.
    RegionEnablement(Enablement),
    /// Another number of allocations for an environment's owner.
    Scale(Scale),
    /// Lets some allocations finish and stop.
    Drain(Drain),
    /// Empties a host for an upgrade, and takes it back.
    HostDrain(HostDrain),
    /// Puts on record what was done to a database.
    Migration(Migration),
    /// Starts a sleeping environment.
    Wake(Wake),
    /// Puts an environment to sleep.
    Sleep(Sleep),
    /// Attaches, proves, re-keys or detaches an outside resource.
    ProviderBinding(BindingWork),
    /// The same for a runtime service.
    RuntimeServiceBinding(BindingWork),
}

/// A change of owner, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChange {
    /// The app.
    pub app: AppId,
    /// Whose traffic.
    pub environment: EnvironmentId,
    /// To whom.
    pub deployment: DeploymentId,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// With which variables.
    pub env_set: EnvSet,
    /// The epoch it was decided on.
    pub expected_epoch: Epoch,
    /// How sessions of the former owner end.
    pub drain: DrainPolicy,
    /// Who asks; nobody approves their own request. None in what was asked before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<ActorId>,
    /// What they take upon themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledgements: Vec<Acknowledgement>,
}

impl RouteChange {
    /// What an allocation has to run to be one of the future owner's.
    pub fn runs(&self) -> Runs {
        Runs { deployment: self.deployment, artifact: self.artifact, env_set: self.env_set }
    }
}

/// What a gate warned of, taken upon oneself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Which gate.
    pub gate: String,
    /// Why it is all right.
    pub reason: Reason,
    /// What the gate said when it was given, as its evidence: that is covered, and nothing that is done later. None in what was
    /// asked before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
}

impl Work {
    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Promotion(_) => Kind::Promotion,
            Self::Rollback(_) => Kind::Rollback,
            Self::Deploy(_) => Kind::Deploy,
            Self::RegionFailover(_) => Kind::RegionFailover,
            Self::RegionEnablement(_) => Kind::RegionEnablement,
            Self::Scale(_) => Kind::Scale,
            Self::Drain(_) => Kind::Drain,
            Self::HostDrain(_) => Kind::HostDrain,
            Self::Migration(_) => Kind::Migration,
            Self::Wake(_) => Kind::Wake,
            Self::Sleep(_) => Kind::Sleep,
            Self::ProviderBinding(_) => Kind::ProviderBinding,
            Self::RuntimeServiceBinding(_) => Kind::RuntimeServiceBinding,
        }
    }

    /// The change of owner that it is, or of where the owner is served, if it is one.
    pub fn route_change(&self) -> Option<&RouteChange> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change),
            Self::RegionFailover(failover) => Some(&failover.change),
            Self::Deploy(_)
            | Self::Scale(_)
            | Self::RegionEnablement(_)
            | Self::Drain(_)
            | Self::HostDrain(_)
            | Self::Migration(_)
            | Self::Wake(_)
            | Self::Sleep(_)
            | Self::ProviderBinding(_)
            | Self::RuntimeServiceBinding(_) => None,
        }
    }

    /// The same, to complete it before it is requested.
    pub(crate) fn route_change_mut(&mut self) -> Option<&mut RouteChange> {
        if let Self::Promotion(change) | Self::Rollback(change) = self {
            Some(change)
        } else if let Self::RegionFailover(failover) = self {
            Some(&mut failover.change)
        } else {
            None
        }
    }

    /// The failover that it is, if it is one.
    pub fn failover(&self) -> Option<&Failover> {
        if let Self::RegionFailover(failover) = self { Some(failover) } else { None }
    }

    /// The app it concerns, if it concerns one.
    pub fn app(&self) -> Option<AppId> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change.app),
            Self::Deploy(deploy) => Some(deploy.app),
            Self::RegionFailover(failover) => Some(failover.change.app),
            Self::RegionEnablement(wanted) => Some(wanted.app),
            Self::Scale(scale) => Some(scale.app),
            Self::Drain(drain) => Some(drain.app),
            Self::HostDrain(_) => None,
            Self::Migration(told) => Some(told.app),
            Self::Wake(wake) => Some(wake.app),
            Self::Sleep(sleep) => Some(sleep.app),
            Self::ProviderBinding(work) | Self::RuntimeServiceBinding(work) => Some(work.app),
        }
    }

    /// The environment it concerns, if it concerns one.
    pub fn environment(&self) -> Option<EnvironmentId> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change.environment),
            Self::Deploy(deploy) => Some(deploy.environment),
            Self::RegionFailover(failover) => Some(failover.change.environment),
            Self::RegionEnablement(wanted) => Some(wanted.environment),
            Self::Scale(scale) => Some(scale.environment),
            Self::Drain(drain) => Some(drain.environment),
            Self::HostDrain(_) => None,
            Self::Migration(told) => Some(told.environment),
            Self::Wake(wake) => Some(wake.environment),
            Self::Sleep(sleep) => Some(sleep.environment),
            Self::ProviderBinding(work) | Self::RuntimeServiceBinding(work) => Some(work.environment),
        }
    }

    /// The deployment it concerns, if it concerns one.
    pub fn deployment(&self) -> Option<DeploymentId> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change.deployment),
            Self::Deploy(deploy) => Some(deploy.deployment),
            Self::RegionFailover(failover) => Some(failover.change.deployment),
            Self::Scale(scale) => Some(scale.deployment),
            Self::Drain(drain) => Some(drain.deployment),
            Self::Migration(told) => Some(told.deployment),
            Self::Wake(wake) => Some(wake.deployment),
            Self::RegionEnablement(_)
            | Self::HostDrain(_)
            | Self::Sleep(_)
            | Self::ProviderBinding(_)
            | Self::RuntimeServiceBinding(_) => None,
        }
    }
}
