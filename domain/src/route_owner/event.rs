//! What happened to a route. Written in the append of the command that led to it. Trap: changing what stands in the log; every
//! event here has its golden file.

use super::{Moved, Opened, Pin};
use crate::{
    aggregate,
    digest::Digest,
    feed::{Drain, Owner},
    ids::OperationId,
    numbers::{Epoch, SleepGeneration},
    text::{Hostname, Reason},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// The route exists, without an owner.
    #[serde(rename = "route_owner.opened")]
    Opened(Opened),
    /// A hostname leads here.
    #[serde(rename = "route_owner.host_attached")]
    HostAttached { host: Hostname },
    /// It leads here no longer.
    #[serde(rename = "route_owner.host_detached")]
    HostDetached { host: Hostname },
    /// A new owner.
    #[serde(rename = "route_owner.promoted")]
    Promoted { by: OperationId, epoch: Epoch, owner: Owner, at: DateTime<Utc>, drain: Option<Drain> },
    /// The same owner, served elsewhere.
    #[serde(rename = "route_owner.moved")]
    Moved(Moved),
    /// An earlier owner again.
    #[serde(rename = "route_owner.rolled_back")]
    RolledBack { by: OperationId, epoch: Epoch, owner: Owner, at: DateTime<Utc>, drain: Option<Drain>, reason: Reason },
    /// Promotions are refused until the pin is released.
    #[serde(rename = "route_owner.pinned")]
    Pinned(Pin),
    /// They are allowed again.
    #[serde(rename = "route_owner.pin_released")]
    PinReleased { reason: Reason },
    /// These bytes may not come back.
    #[serde(rename = "route_owner.quarantined")]
    Quarantined { digest: Digest, reason: Reason },
    /// They may.
    #[serde(rename = "route_owner.quarantine_lifted")]
    QuarantineLifted { digest: Digest, reason: Reason },
    /// Promotions are held back.
    #[serde(rename = "route_owner.frozen")]
    Frozen { reason: Reason },
    /// They are not.
    #[serde(rename = "route_owner.unfrozen")]
    Unfrozen { reason: Reason },
    /// The same owner under a higher epoch.
    #[serde(rename = "route_owner.epoch_raised")]
    EpochRaised { epoch: Epoch, reason: Reason },
    /// The same owner, asleep.
    #[serde(rename = "route_owner.slept")]
    Slept { by: OperationId, sleep_generation: SleepGeneration, at: DateTime<Utc> },
    /// The same owner serves again.
    #[serde(rename = "route_owner.woken")]
    Woken { by: OperationId, sleep_generation: SleepGeneration, at: DateTime<Utc> },
    /// It sleeps on, and is left alone for a while.
    #[serde(rename = "route_owner.wake_failed")]
    WakeFailed { by: OperationId, sleep_generation: SleepGeneration, at: DateTime<Utc>, retry_at: DateTime<Utc> },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("route_owner.opened", 1),
        ("route_owner.host_attached", 1),
        ("route_owner.host_detached", 1),
        ("route_owner.promoted", 1),
        ("route_owner.rolled_back", 1),
        ("route_owner.pinned", 1),
        ("route_owner.pin_released", 1),
        ("route_owner.quarantined", 1),
        ("route_owner.quarantine_lifted", 1),
        ("route_owner.frozen", 1),
        ("route_owner.unfrozen", 1),
        ("route_owner.epoch_raised", 1),
        ("route_owner.slept", 1),
        ("route_owner.woken", 1),
        ("route_owner.wake_failed", 1),
        ("route_owner.moved", 1),
    ];
}
