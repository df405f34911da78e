//! What an operation does, with all that its workers must know. One variant for each kind; what a variant holds is defined in
//! the file of that kind. In the log it stands beside the other words of the request, under `kind`.

use super::Kind;
use crate::{
    digest::Digest,
    environment::DrainPolicy,
    ids::{AppId, DeploymentId, EnvironmentId},
    numbers::{EnvSet, Epoch},
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
}

impl Work {
    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Promotion(_) => Kind::Promotion,
            Self::Rollback(_) => Kind::Rollback,
        }
    }

    /// The change of owner that it is, if it is one.
    pub fn route_change(&self) -> Option<&RouteChange> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change),
        }
    }

    /// The app it concerns, if it concerns one.
    pub fn app(&self) -> Option<AppId> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change.app),
        }
    }

    /// The environment it concerns, if it concerns one.
    pub fn environment(&self) -> Option<EnvironmentId> {
        match self {
            Self::Promotion(change) | Self::Rollback(change) => Some(change.environment),
        }
    }

    /// The deployment it concerns, if it concerns one.
    pub fn deployment(&self) -> Option<DeploymentId> {
        self.route_change().map(|change| change.deployment)
    }
}
