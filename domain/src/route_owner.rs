//! RouteOwner: the authoritative binding of an environment's traffic to a deployment, an artifact, a region and a cell, with
//! an epoch that only rises. Owner: control plane. Writer: promotion and rollback operations, by compare-and-swap on the
//! epoch. Freeze, pin, quarantine, hostnames and sleep live in the same stream, because they decide the same thing.
//! Trap: routing to the latest healthy backend; nothing here knows what is healthy.

mod rejection;
mod sleep;

pub use rejection::Rejection;
pub use sleep::{Asleep, Awake, Turn};

use crate::{
    aggregate::{self, Aggregate},
    digest::Digest,
    feed::{Drain, Owner, Posture, Route},
    ids::{AppId, CellId, DeploymentId, EnvironmentId, OperationId, RegionId, WorkspaceId},
    numbers::{Epoch, Revision, SleepGeneration},
    text::{Hostname, Reason},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A route owner, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOwner {
    /// What it was opened as; none before that.
    pub opened: Option<Opened>,
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

/// What is known of it from its opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The route key.
    pub environment: EnvironmentId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
}

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
    Command::ReleasePin { .. } => "route_owner.release_pin",
    Command::LiftQuarantine { .. } => "route_owner.lift_quarantine",
    Command::Freeze { .. } => "route_owner.freeze",
    Command::Unfreeze { .. } => "route_owner.unfreeze",
    Command::RaiseEpoch { .. } => "route_owner.raise_epoch",
    Command::Sleep(_) => "route_owner.sleep",
    Command::Wake(_) => "route_owner.wake",
    Command::FailWake(_) => "route_owner.fail_wake",
});

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
    ];
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
                self.epoch = *epoch;
                self.revision = Revision(0);
                self.former.insert(owner.deployment, owner.clone());
                self.taken.insert(owner.deployment, *epoch);
                self.owner = Some(owner.clone());
                self.by = Some(*by);
                self.since = Some(*at);
                self.drain.clone_from(drain);
                self.asleep = None;
                self.awake = None;
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
    fn decide_open(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Open(_) => Err(Rejection::Exists),
            Command::AttachHost { host } if self.hosts.contains(&host) => Ok(vec![]),
            Command::AttachHost { .. } if self.hosts.len() >= 100 => Err(Rejection::TooManyHosts),
            Command::AttachHost { host } => Ok(vec![Event::HostAttached { host }]),
            Command::DetachHost { host } if !self.hosts.contains(&host) => Err(Rejection::HostNotAttached),
            Command::DetachHost { host } => Ok(vec![Event::HostDetached { host }]),
            Command::Promote(change) => self.promote(change),
            Command::RollBack { change, reason } => self.roll_back(change, reason),
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

    fn promote(&self, change: Change) -> Result<Vec<Event>, Rejection> {
        if self.by == Some(change.by) {
            return Ok(vec![]);
        }
        self.may_promote(change.expected, change.owner.artifact)?;
        let drain = self.drain_of(&change);
        let Change { by, owner, at, .. } = change;
        Ok(vec![Event::Promoted { by, epoch: self.epoch.next(), owner, at, drain }])
    }

    fn roll_back(&self, change: Change, reason: Reason) -> Result<Vec<Event>, Rejection> {
        if self.by == Some(change.by) {
            return Ok(vec![]);
        }
        self.may_roll_back(change.expected, change.owner.deployment, change.owner.artifact)?;
        let drain = self.drain_of(&change);
        let Change { by, owner, at, .. } = change;
        let pin = Pin { deployment: owner.deployment, by, reason: reason.clone() };
        let left = self.owner.as_ref().map(|left| left.artifact).filter(|left| *left != owner.artifact);
        let mut events = vec![
            Event::RolledBack { by, epoch: self.epoch.next(), owner, at, drain, reason: reason.clone() },
            Event::Pinned(pin),
        ];
        events.extend(left.map(|digest| Event::Quarantined { digest, reason }));
        Ok(events)
    }

    /// Whether a promotion of these bytes, decided on this epoch, would be allowed now.
    pub fn may_promote(&self, expected: Epoch, artifact: Digest) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        if let Some(reason) = &self.frozen {
            return Err(Rejection::Frozen { reason: reason.clone() });
        }
        if let Some(Pin { deployment, reason, .. }) = &self.pin {
            return Err(Rejection::Pinned { deployment: *deployment, reason: reason.clone() });
        }
        self.not_quarantined(artifact)
    }

    /// Whether a rollback to this deployment, decided on this epoch, would be allowed now.
    pub fn may_roll_back(&self, expected: Epoch, deployment: DeploymentId, artifact: Digest) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        if self.owner.as_ref().is_some_and(|owner| owner.deployment == deployment) {
            return Err(Rejection::IsOwner { deployment });
        }
        if self.former.get(&deployment).is_none_or(|former| former.artifact != artifact) {
            return Err(Rejection::NeverOwned { deployment });
        }
        self.not_quarantined(artifact)
    }

    fn same_epoch(&self, expected: Epoch) -> Result<(), Rejection> {
        if self.opened.is_none() {
            return Err(Rejection::NotFound);
        }
        let actual = self.epoch;
        if expected == actual { Ok(()) } else { Err(Rejection::StaleEpoch { expected, actual }) }
    }

    fn not_quarantined(&self, digest: Digest) -> Result<(), Rejection> {
        match self.quarantined.get(&digest) {
            Some(reason) => Err(Rejection::Quarantined { digest, reason: reason.clone() }),
            None => Ok(()),
        }
    }

    fn drain_of(&self, change: &Change) -> Option<Drain> {
        let left = self.owner.as_ref().filter(|left| left.deployment != change.owner.deployment)?;
        Some(Drain { deployment: left.deployment, deadline: change.drain_until })
    }

    /// What the edges are told; none before it is open.
    pub fn route(&self) -> Option<Route> {
        let opened = self.opened.as_ref()?;
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
