//! What may be asked of a route. Writers: promotion, rollback and failover operations for who owns the traffic and where it is
//! served; people for holds and hostnames; sleep and wake for its posture. Trap: a change of owner without the epoch it was
//! decided on; every one of them carries it.

use super::{Opened, Relocation, Turn};
use crate::{
    aggregate,
    digest::Digest,
    feed::Owner,
    ids::OperationId,
    numbers::Epoch,
    text::{Hostname, Reason},
};
use chrono::{DateTime, Utc};

/// A change of owner that an operation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which operation; nothing else may change a route.
    pub by: OperationId,
    /// The epoch it was decided on.
    pub expected: Epoch,
    /// The new owner.
    pub owner: Owner,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when the former owner's sessions live.
    pub drain_until: DateTime<Utc>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open the route of a new environment.
    Open(Opened),
    /// Let a hostname lead here.
    AttachHost {
        /// Which.
        host: Hostname,
    },
    /// Let it lead here no longer.
    DetachHost {
        /// Which.
        host: Hostname,
    },
    /// Give the traffic to a new owner.
    Promote(Change),
    /// Serve the same owner elsewhere.
    Move(Relocation),
    /// Give it back to an earlier one, hold it there, and keep out what it leaves.
    RollBack {
        /// To whom.
        change: Change,
        /// Why.
        reason: Reason,
    },
    /// Allow promotions again after a rollback.
    ReleasePin {
        /// Why.
        reason: Reason,
    },
    /// Let a digest come back.
    LiftQuarantine {
        /// Which.
        digest: Digest,
        /// Why.
        reason: Reason,
    },
    /// Hold back promotions.
    Freeze {
        /// Why.
        reason: Reason,
    },
    /// Hold them back no longer.
    Unfreeze {
        /// Why.
        reason: Reason,
    },
    /// After a restore from a backup: rise above every epoch that an edge has served.
    RaiseEpoch {
        /// At least so high.
        floor: Epoch,
        /// Why.
        reason: Reason,
    },
    /// Serve no longer, in the same epoch and for the same owner.
    Sleep(Turn),
    /// Serve again.
    Wake(Turn),
    /// Sleep on: the wake came to nothing.
    FailWake(Turn),
}

aggregate::commands!(Command {
    Command::Open(_) => "route_owner.open",
    Command::AttachHost { .. } => "route_owner.attach_host",
    Command::DetachHost { .. } => "route_owner.detach_host",
    Command::Promote(_) => "route_owner.promote",
    Command::RollBack { .. } => "route_owner.roll_back",
    Command::Move(_) => "route_owner.move",
    Command::ReleasePin { .. } => "route_owner.release_pin",
    Command::LiftQuarantine { .. } => "route_owner.lift_quarantine",
    Command::Freeze { .. } => "route_owner.freeze",
    Command::Unfreeze { .. } => "route_owner.unfreeze",
    Command::RaiseEpoch { .. } => "route_owner.raise_epoch",
    Command::Sleep(_) => "route_owner.sleep",
    Command::Wake(_) => "route_owner.wake",
    Command::FailWake(_) => "route_owner.fail_wake",
});
