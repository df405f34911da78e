//! Why an environment refuses. Trap: a refusal in words alone; each has a code, and what a field can mend names it.

use super::{Replicas, Residency, residency::listed};
use crate::{aggregate, ids::RegionId};
use std::collections::BTreeSet;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this environment exists already")]
    Exists,
    /// More people than any team has.
    #[error("approvalsRequired may be at most 10")]
    TooManyApprovals,
    /// A longer time is as good as never.
    #[error("sleepAfterSeconds is 0 for never, or at most 2592000")]
    SleepTooLong,
    /// A drain longer than a week is a mistake.
    #[error("drainSeconds may be at most 604800")]
    DrainTooLong,
    /// A standby longer than a day is a mistake.
    #[error("standbySeconds may be at most 86400")]
    StandbyTooLong,
    /// There is none.
    #[error("there is no such environment")]
    NotFound,
    /// Something of it is outside already.
    #[error("the residency leaves out regions that the environment is in: {}", listed(.left_out.iter().copied()))]
    LeavesOut {
        /// As it was to be.
        residency: Residency,
        /// What is outside.
        left_out: BTreeSet<RegionId>,
    },
    /// Nothing of it may ever be there.
    #[error("the environment's residency does not include this region")]
    OutsideResidency {
        /// Where it may be.
        residency: Residency,
        /// Where it was to be.
        region: RegionId,
    },
    /// It needs no enabling, and cannot be disabled.
    #[error("this is the environment's home region")]
    Home(RegionId),
    /// Another operation did.
    #[error("this region is enabled already")]
    AlreadyEnabled(RegionId),
    /// Nobody did.
    #[error("this region is not enabled")]
    NotEnabled(RegionId),
    /// Whoever would disable it would take the traffic down.
    #[error("the environment's traffic is in this region")]
    TrafficThere(RegionId),
    /// Somebody else scaled it since.
    #[error("the environment has been scaled: expected {expected} allocations, {actual} are wanted")]
    StaleReplicas {
        /// The number that was decided on.
        expected: Replicas,
        /// The number that is wanted.
        actual: Replicas,
    },
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::DrainTooLong | Self::StandbyTooLong | Self::SleepTooLong | Self::TooManyApprovals => "INVALID",
            Self::StaleReplicas { .. } => "STALE_REPLICAS",
            Self::LeavesOut { .. } | Self::OutsideResidency { .. } => "RESIDENCY_VIOLATION",
            Self::Home(_) => "HOME_REGION",
            Self::AlreadyEnabled(_) => "REGION_ENABLED",
            Self::NotEnabled(_) => "REGION_NOT_ENABLED",
            Self::TrafficThere(_) => "REGION_SERVES",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists | Self::NotFound | Self::StaleReplicas { .. } => None,
            Self::TooManyApprovals => Some("approvalsRequired"),
            Self::SleepTooLong => Some("sleepAfterSeconds"),
            Self::DrainTooLong => Some("drainSeconds"),
            Self::StandbyTooLong => Some("standbySeconds"),
            Self::LeavesOut { .. } => Some("regionIds"),
            Self::OutsideResidency { .. }
            | Self::Home(_)
            | Self::AlreadyEnabled(_)
            | Self::NotEnabled(_)
            | Self::TrafficThere(_) => Some("regionId"),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::StaleReplicas { expected, actual } => Some((expected.to_string(), actual.to_string())),
            Self::LeavesOut { residency, left_out } => Some((residency.to_string(), listed(left_out.iter().copied()))),
            Self::OutsideResidency { residency, region } => Some((residency.to_string(), region.to_string())),
            Self::Home(_)
            | Self::AlreadyEnabled(_)
            | Self::NotEnabled(_)
            | Self::TrafficThere(_)
            | Self::Exists
            | Self::DrainTooLong
            | Self::StandbyTooLong
            | Self::SleepTooLong
            | Self::NotFound
            | Self::TooManyApprovals => None,
        }
    }
}
