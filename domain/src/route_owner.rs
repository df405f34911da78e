//! RouteOwner: the authoritative binding of an environment's traffic to a deployment, an artifact, a region and a cell, with
//! an epoch that only rises. Owner: control plane. Writer: promotion, rollback and failover operations, by compare-and-swap on the
//! epoch. Freeze, pin, quarantine, hostnames and sleep live in the same stream, because they decide the same thing.
//! Durability: the log, and signed snapshots on every edge's disk. Trap: routing to the latest healthy backend; nothing here knows what is healthy.

mod command;
mod event;
mod owned;
mod place;
mod rejection;
mod sleep;

pub use command::{Change, Command};
pub use event::Event;
pub use place::{Moved, Opened, Place, Relocation};
pub use rejection::Rejection;
pub use sleep::{Asleep, Awake, Turn};

use crate::{
    aggregate::Aggregate,
    digest::Digest,
    feed::{Drain, Owner, Posture, Route},
    ids::{DeploymentId, OperationId, RegionId},
    numbers::{Epoch, Revision, SleepGeneration},
    text::{Hostname, Reason},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A route owner, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOwner {
    /// What it was opened as; none before that. Where it is served now is [`RouteOwner::lane`]'s to say.
    opened: Option<Opened>,
    /// Where a failover took it; none while it is served where it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved_to: Option<Place>,
    /// Regions it was served from before, whose edges hear of every change, so that none of them believes to own it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    left: BTreeSet<RegionId>,
    /// How often the owner changed.
    pub epoch: Epoch,
    /// What changed within the epoch.
    pub revision: Revision,
    /// Who owns the traffic; none before the first promotion.
    pub owner: Option<Owner>,
    /// The operation that made it so.
    pub by: Option<OperationId>,
    /// When it became so.
    pub since: Option<DateTime<Utc>>,
    /// Every owner so far, the newest form of each.
    pub former: BTreeMap<DeploymentId, Owner>,
    /// The epoch at which each owner so far last took the traffic.
    #[serde(default)]
    pub taken: BTreeMap<DeploymentId, Epoch>,
    /// The owner before, while its sessions may live.
    pub drain: Option<Drain>,
    /// The hostnames that flip together.
    pub hosts: BTreeSet<Hostname>,
    /// Why promotions are held back.
    pub frozen: Option<Reason>,
    /// What a rollback fastened.
    pub pin: Option<Pin>,
    /// Digests that may not come back, and why.
    pub quarantined: BTreeMap<Digest, Reason>,
    /// The sleep it is in; none while it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asleep: Option<Asleep>,
    /// How it came out of its last sleep in this epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awake: Option<Awake>,
    /// Its last sleep; only ever rises, over all epochs.
    #[serde(default)]
    pub sleep_generation: SleepGeneration,
}

/// A rollback's hold on the route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// What is held in place.
    pub deployment: DeploymentId,
    /// Which rollback holds it.
    pub by: OperationId,
    /// Why.
    pub reason: Reason,
}

impl Aggregate for RouteOwner {
    const CATEGORY: &'static str = "route_owner";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match (&self.opened, command) {
            (None, Command::Open(opened)) => Ok(vec![Event::Opened(opened)]),
            (Some(same), Command::Open(opened)) if *same == opened => Ok(vec![]),
            (Some(_), Command::Open(_)) => Err(Rejection::Exists),
            (None, _) => Err(Rejection::NotFound),
            (Some(_), command) => self.decide_open(command),
        }
    }

    fn apply(&mut self, event: &Event) {
        self.revision = self.revision.next();
        match event {
            Event::Opened(opened) => self.opened = Some(opened.clone()),
            Event::HostAttached { host } => drop(self.hosts.insert(host.clone())),
            Event::HostDetached { host } => drop(self.hosts.remove(host)),
            Event::Promoted { by, epoch, owner, at, drain }
            | Event::RolledBack { by, epoch, owner, at, drain, reason: _ } => {
                self.begin(*epoch, *by, *at);
                self.former.insert(owner.deployment, owner.clone());
                self.taken.insert(owner.deployment, *epoch);
                self.owner = Some(owner.clone());
                self.drain.clone_from(drain);
            }
            Event::Moved(moved) => {
                self.begin(moved.epoch, moved.by, moved.at);
                self.arrive(moved);
            }
            Event::Pinned(pin) => self.pin = Some(pin.clone()),
            Event::PinReleased { .. } => self.pin = None,
            Event::Quarantined { digest, reason } => drop(self.quarantined.insert(*digest, reason.clone())),
            Event::QuarantineLifted { digest, .. } => drop(self.quarantined.remove(digest)),
            Event::Frozen { reason } => self.frozen = Some(reason.clone()),
            Event::Unfrozen { .. } => self.frozen = None,
            Event::EpochRaised { epoch, .. } => {
                self.epoch = *epoch;
                self.revision = Revision(0);
            }
            Event::Slept { by, sleep_generation: generation, at } => {
                let (generation, since, by) = (*generation, *at, *by);
                self.fall_asleep(Asleep { generation, since, by, failed_wakes: 0, retry_at: None });
            }
            Event::WakeFailed { by, sleep_generation: generation, at, retry_at } => {
                let failed_wakes = self.asleep.as_ref().map_or(0, |asleep| asleep.failed_wakes) + 1;
                let (generation, since, by) = (*generation, *at, *by);
                self.fall_asleep(Asleep { generation, since, by, failed_wakes, retry_at: Some(*retry_at) });
            }
            Event::Woken { by, sleep_generation: generation, at } => {
                self.asleep = None;
                self.awake = Some(Awake { generation: *generation, since: *at, by: *by });
            }
        }
    }
}

impl RouteOwner {
    /// An operation gave it another epoch.
    fn begin(&mut self, epoch: Epoch, by: OperationId, at: DateTime<Utc>) {
        self.epoch = epoch;
        self.revision = Revision(0);
        self.by = Some(by);
        self.since = Some(at);
        self.asleep = None;
        self.awake = None;
    }

    fn decide_open(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Open(_) => Err(Rejection::Exists),
            Command::AttachHost { host } if self.hosts.contains(&host) => Ok(vec![]),
            Command::AttachHost { host } if host.is_the_platforms() => Err(Rejection::HostReserved),
            Command::AttachHost { .. } if self.hosts.len() >= 100 => Err(Rejection::TooManyHosts),
            Command::AttachHost { host } => Ok(vec![Event::HostAttached { host }]),
            Command::DetachHost { host } if !self.hosts.contains(&host) => Err(Rejection::HostNotAttached),
            Command::DetachHost { host } => Ok(vec![Event::HostDetached { host }]),
            Command::Promote(change) => self.promote(change),
            Command::RollBack { change, reason } => self.roll_back(change, reason),
            Command::Move(wish) => self.relocate(wish),
            Command::ReleasePin { reason } => match self.pin {
                Some(_) => Ok(vec![Event::PinReleased { reason }]),
                None => Err(Rejection::NotPinned),
            },
            Command::LiftQuarantine { digest, reason } => match self.quarantined.get(&digest) {
                Some(_) => Ok(vec![Event::QuarantineLifted { digest, reason }]),
                None => Err(Rejection::NotQuarantined { digest }),
            },
            Command::Freeze { .. } if self.frozen.is_some() => Ok(vec![]),
            Command::Freeze { reason } => Ok(vec![Event::Frozen { reason }]),
            Command::Unfreeze { .. } if self.frozen.is_none() => Err(Rejection::NotFrozen),
            Command::Unfreeze { reason } => Ok(vec![Event::Unfrozen { reason }]),
            Command::RaiseEpoch { floor, .. } if floor <= self.epoch => Ok(vec![]),
            Command::RaiseEpoch { floor, reason } => Ok(vec![Event::EpochRaised { epoch: floor, reason }]),
            Command::Sleep(turn) => self.sleep(turn),
            Command::Wake(turn) => self.wake(turn),
            Command::FailWake(turn) => self.fail_wake(turn),
        }
    }

    /// The regions whose edges are told: the one that serves it first, then those that served it before.
    pub fn told(&self) -> impl Iterator<Item = RegionId> {
        self.place().map(|place| place.region).into_iter().chain(self.left.iter().copied())
    }

    /// What the edges are told; none before it is open.
    pub fn route(&self) -> Option<Route> {
        let opened = self.lane()?;
        Some(Route {
            environment: opened.environment,
            workspace: opened.workspace,
            app: opened.app,
            region: opened.region,
            cell: opened.cell,
            epoch: self.epoch,
            revision: self.revision,
            hosts: self.hosts.iter().map(ToString::to_string).collect(),
            owner: self.owner.clone(),
            drain: self.drain.clone(),
            posture: match &self.asleep {
                None => Posture::Serve,
                Some(Asleep { generation, retry_at, .. }) => {
                    Posture::Asleep { generation: *generation, retry_at: *retry_at }
                }
            },
        })
    }
}

#[cfg(test)]
mod tests;
