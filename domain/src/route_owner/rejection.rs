//! Why a route owner refuses: each with a stable code, the field it is about, and what was expected.

use crate::{
    aggregate,
    digest::Digest,
    ids::{DeploymentId, RegionId},
    numbers::{Epoch, SleepGeneration},
    text::{PLATFORM_DOMAIN, Reason},
};
use serde::{Deserialize, Serialize};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rejection {
    /// There is no such route.
    #[error("this environment has no route")]
    NotFound,
    /// It is open already.
    #[error("the route of this environment is open already, elsewhere")]
    Exists,
    /// Somebody else changed it first.
    #[error("the route has changed: expected epoch {expected}, it is at {actual}")]
    StaleEpoch {
        /// What the caller saw.
        expected: Epoch,
        /// What is so.
        actual: Epoch,
    },
    /// Promotions are held back.
    #[error("promotions to this environment are frozen: {reason}")]
    Frozen {
        /// Why.
        reason: Reason,
    },
    /// A rollback holds the route.
    #[error("a rollback pinned this environment; release the pin first: {reason}")]
    Pinned {
        /// What it holds.
        deployment: DeploymentId,
        /// Why.
        reason: Reason,
    },
    /// These bytes may not come back.
    #[error("{digest} is quarantined here: {reason}")]
    Quarantined {
        /// Which.
        digest: Digest,
        /// Why.
        reason: Reason,
    },
    /// A rollback leads to an earlier owner only.
    #[error("this deployment never owned this environment, so there is nothing to roll back to")]
    NeverOwned {
        /// Which.
        deployment: DeploymentId,
    },
    /// A rollback leads away from the present owner.
    #[error("this deployment owns this environment now")]
    IsOwner {
        /// Which.
        deployment: DeploymentId,
    },
    /// No pin to release.
    #[error("this environment is not pinned")]
    NotPinned,
    /// Nothing to lift.
    #[error("{digest} is not quarantined here")]
    NotQuarantined {
        /// Which.
        digest: Digest,
    },
    /// Nothing to unfreeze.
    #[error("this environment is not frozen")]
    NotFrozen,
    /// No such host here.
    #[error("this host does not lead to this environment")]
    HostNotAttached,
    /// A name of the platform's own is nobody's to attach.
    #[error("{PLATFORM_DOMAIN} and what is under it are the platform's own names")]
    HostReserved,
    /// The most that flips together.
    #[error("an environment has at most 100 hosts")]
    TooManyHosts,
    /// Nobody owns its traffic.
    #[error("nothing was deployed here, so there is nothing to put to sleep")]
    NothingToSleep,
    /// Nobody owns its traffic.
    #[error("nothing was deployed here, so there is no traffic to move")]
    NothingToMove,
    /// It is served there already.
    #[error("this environment is served from region {region} already")]
    IsThere {
        /// The region.
        region: RegionId,
    },
    /// It does already.
    #[error("this environment sleeps already")]
    Asleep {
        /// Which sleep.
        generation: SleepGeneration,
    },
    /// Nothing to wake.
    #[error("this environment is not asleep")]
    NotAsleep,
    /// The sleep that was meant is over.
    #[error("another sleep has begun: expected {expected}, it is in {actual}")]
    StaleSleep {
        /// Which was meant.
        expected: SleepGeneration,
        /// Which it is.
        actual: SleepGeneration,
    },
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Exists => "ALREADY_EXISTS",
            Self::StaleEpoch { .. } => "STALE_EPOCH",
            Self::Frozen { .. } => "FROZEN",
            Self::Pinned { .. } => "PINNED",
            Self::Quarantined { .. } => "QUARANTINED",
            Self::NeverOwned { .. } => "NEVER_OWNED",
            Self::IsOwner { .. } => "IS_OWNER",
            Self::NotPinned => "NOT_PINNED",
            Self::NotQuarantined { .. } => "NOT_QUARANTINED",
            Self::NotFrozen => "NOT_FROZEN",
            Self::HostNotAttached => "HOST_NOT_ATTACHED",
            Self::HostReserved => "HOST_RESERVED",
            Self::TooManyHosts => "TOO_MANY_HOSTS",
            Self::NothingToSleep => "NOTHING_TO_SLEEP",
            Self::NothingToMove => "NOTHING_TO_MOVE",
            Self::IsThere { .. } => "IS_THERE",
            Self::Asleep { .. } => "ASLEEP",
            Self::NotAsleep => "NOT_ASLEEP",
            Self::StaleSleep { .. } => "STALE_SLEEP",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::StaleEpoch { .. } => Some("expectedRouteEpoch"),
            Self::Quarantined { .. } | Self::NeverOwned { .. } | Self::IsOwner { .. } => Some("deploymentId"),
            Self::NotQuarantined { .. } => Some("digest"),
            Self::HostNotAttached | Self::HostReserved | Self::TooManyHosts => Some("host"),
            Self::IsThere { .. } => Some("regionId"),
            Self::NotFound
            | Self::Exists
            | Self::Frozen { .. }
            | Self::Pinned { .. }
            | Self::NotPinned
            | Self::NotFrozen
            | Self::NothingToSleep
            | Self::NothingToMove
            | Self::Asleep { .. }
            | Self::NotAsleep
            | Self::StaleSleep { .. } => None,
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        if let Self::StaleEpoch { expected, actual } = self {
            Some((expected.to_string(), actual.to_string()))
        } else if let Self::StaleSleep { expected, actual } = self {
            Some((expected.to_string(), actual.to_string()))
        } else {
            None
        }
    }
}
