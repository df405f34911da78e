//! Host: a machine with one runner; belongs to a cell. Owner: Rhone. Writer: platform provisioning and host drains.
//! Durability: its stream; what runs on it now stands with the allocations, when it was last heard in a plain table.
//! Trap: taking its heartbeat for a fact of the log, or a cordon for an empty host: a cordon only keeps new ones away.

mod rejection;

pub use rejection::Rejection;

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    ids::{CellId, HostId, OperationId, RegionId},
    scheduling::HOST_LOST,
    text::{Name, Reason, Slug},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// Whether a host takes allocations.
    State {
        /// It does.
        Active = "active",
        /// None are added; those that run stay.
        Cordoned = "cordoned",
        /// None are added, and those that run are being moved away.
        Draining = "draining",
        /// It never comes back: what ran on it is lost, and its runner is not heard any more.
        Retired = "retired",
    }
}

/// How many allocations a host holds of which nobody has said it.
pub const USUAL_CAPACITY: u32 = 256;

/// More than any machine carries.
pub const MOST_CAPACITY: u32 = 10_000;

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: HostId,
    /// Its region.
    pub region: RegionId,
    /// Its cell.
    pub cell: CellId,
    /// Unique in the cell.
    pub slug: Slug,
}

/// That the system of a drained host is as it should be, by an operator's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// For which drain.
    pub by: OperationId,
    /// The operating system's version now.
    pub os: Name,
    /// The runner's version now.
    pub runner: Name,
    /// What was done, and how it was checked.
    pub note: Reason,
    /// When.
    pub at: DateTime<Utc>,
}

/// A host, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
    /// Whether it takes allocations.
    pub state: Option<State>,
    /// How many it may hold, if somebody said.
    pub capacity: Option<u32>,
    /// Which drain holds the cordon; none when a person does.
    pub held_by: Option<OperationId>,
    /// The latest upgrade.
    pub upgrade: Option<Upgrade>,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Bring it into being.
    Create(Created),
    /// Add no more allocations.
    Cordon {
        /// Why.
        reason: Reason,
        /// For which drain; none when a person asks.
        by: Option<OperationId>,
    },
    /// Add some again.
    Uncordon {
        /// Why.
        reason: Reason,
        /// Which drain lets go; none when a person asks.
        by: Option<OperationId>,
    },
    /// Say how many allocations it may hold.
    SetCapacity {
        /// How many.
        allocations: u32,
    },
    /// Begin to move away what runs on it.
    BeginDrain {
        /// For which drain.
        by: OperationId,
    },
    /// Its system is as it should be.
    ConfirmUpgrade(Upgrade),
    /// It never comes back.
    Retire {
        /// Why.
        reason: Reason,
        /// For how long its runner was not heard, and those of the others.
        silence: Silence,
    },
}

/// For how long runners were not heard, by the one clock that notes when they are. The trap: taking the platform's own silence,
/// in which nobody can be heard, for a host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// This host's; none if it was never heard.
    pub own: Option<TimeDelta>,
    /// That of whichever other host was heard last, of those that may come back; none if no other one ever was.
    pub others: Option<TimeDelta>,
}

aggregate::commands!(Command {
    Command::Create(_) => "host.create",
    Command::Cordon { .. } => "host.cordon",
    Command::Uncordon { .. } => "host.uncordon",
    Command::SetCapacity { .. } => "host.set_capacity",
    Command::BeginDrain { .. } => "host.begin_drain",
    Command::ConfirmUpgrade(_) => "host.confirm_upgrade",
    Command::Retire { .. } => "host.retire",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// It exists.
    #[serde(rename = "host.registered")]
    Created(Created),
    /// No allocations are added.
    #[serde(rename = "host.cordoned")]
    Cordoned {
        reason: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperationId>,
    },
    /// Some may be again.
    #[serde(rename = "host.uncordoned")]
    Uncordoned {
        reason: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperationId>,
    },
    /// How many it may hold.
    #[serde(rename = "host.capacity_set")]
    CapacitySet { allocations: u32 },
    /// What runs on it is being moved away.
    #[serde(rename = "host.drain_begun")]
    DrainBegun { by: OperationId },
    /// Its system is as it should be, by an operator's word.
    #[serde(rename = "host.upgrade_confirmed")]
    UpgradeConfirmed(Upgrade),
    /// It never comes back.
    #[serde(rename = "host.retired")]
    Retired { reason: Reason },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("host.registered", 1),
        ("host.cordoned", 1),
        ("host.uncordoned", 1),
        ("host.capacity_set", 1),
        ("host.drain_begun", 1),
        ("host.upgrade_confirmed", 1),
        ("host.retired", 1),
    ];
}

impl Aggregate for Host {
    const CATEGORY: &'static str = "host";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match (&self.created, command) {
            (None, Command::Create(created)) => Ok(vec![Event::Created(created)]),
            (Some(same), Command::Create(created)) if *same == created => Ok(vec![]),
            (Some(_), Command::Create(_)) => Err(Rejection::Exists),
            (None, _) => Err(Rejection::NotFound),
            (Some(_), command) => self.decide_registered(command),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(created) => {
                self.created = Some(created.clone());
                self.state = Some(State::Active);
            }
            Event::Cordoned { by, .. } => {
                self.state = Some(State::Cordoned);
                self.held_by = *by;
            }
            Event::Uncordoned { .. } => {
                self.state = Some(State::Active);
                self.held_by = None;
            }
            Event::CapacitySet { allocations } => self.capacity = Some(*allocations),
            Event::DrainBegun { by } => {
                self.state = Some(State::Draining);
                self.held_by = Some(*by);
            }
            Event::UpgradeConfirmed(upgrade) => self.upgrade = Some(upgrade.clone()),
            Event::Retired { .. } => {
                self.state = Some(State::Retired);
                self.held_by = None;
            }
        }
    }
}

impl Host {
    /// How many allocations it may hold.
    pub fn capacity(&self) -> u32 {
        self.capacity.unwrap_or(USUAL_CAPACITY)
    }

    /// Whether one more allocation may be placed on it, on which `held` are alive.
    pub fn may_take(&self, held: u32) -> Result<(), Rejection> {
        match self.state {
            None => Err(Rejection::NotFound),
            Some(State::Retired) => Err(Rejection::Retired),
            Some(state @ (State::Cordoned | State::Draining)) => Err(Rejection::TakesNone { state }),
            Some(State::Active) if held >= self.capacity() => Err(Rejection::Full { capacity: self.capacity() }),
            Some(State::Active) => Ok(()),
        }
    }

    fn decide_registered(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create(_) => Err(Rejection::Exists),
            Command::Retire { .. } if self.state == Some(State::Retired) => Ok(vec![]),
            _ if self.state == Some(State::Retired) => Err(Rejection::Retired),
            Command::Retire { reason, silence } => retire(reason, silence),
            Command::Cordon { reason, by } => self.cordon(reason, by),
            Command::Uncordon { reason, by } => self.uncordon(reason, by),
            Command::SetCapacity { allocations } if allocations > MOST_CAPACITY => Err(Rejection::TooLarge),
            Command::SetCapacity { allocations } if self.capacity == Some(allocations) => Ok(vec![]),
            Command::SetCapacity { allocations } => Ok(vec![Event::CapacitySet { allocations }]),
            Command::BeginDrain { by } => self.begin_drain(by),
            Command::ConfirmUpgrade(upgrade) => self.confirm(upgrade),
        }
    }

    /// A person's cordon stands until a person lifts it; a drain takes it over only when it begins to move things away.
    fn cordon(&self, reason: Reason, by: Option<OperationId>) -> Result<Vec<Event>, Rejection> {
        match (self.state, self.held_by) {
            (Some(State::Cordoned | State::Draining), Some(holder)) if by.is_some_and(|by| by != holder) => {
                Err(Rejection::HeldByDrain { by: holder })
            }
            (Some(State::Cordoned | State::Draining), _) => Ok(vec![]),
            (Some(State::Retired), _) => Err(Rejection::Retired),
            (Some(State::Active) | None, _) => Ok(vec![Event::Cordoned { reason, by }]),
        }
    }

    fn uncordon(&self, reason: Reason, by: Option<OperationId>) -> Result<Vec<Event>, Rejection> {
        match (self.state, self.held_by) {
            // Done already by this very drain.
            (Some(State::Active), _) if by.is_some() => Ok(vec![]),
            (Some(State::Active) | None, _) => Err(Rejection::NotCordoned),
            (Some(_), Some(holder)) if by.is_some_and(|by| by != holder) => Err(Rejection::HeldByDrain { by: holder }),
            (Some(_), None) if by.is_some() => Err(Rejection::HeldByHand),
            (Some(_), _) => Ok(vec![Event::Uncordoned { reason, by }]),
        }
    }

    fn begin_drain(&self, by: OperationId) -> Result<Vec<Event>, Rejection> {
        match (self.state, self.held_by) {
            (Some(State::Draining), Some(holder)) if holder == by => Ok(vec![]),
            (Some(State::Draining | State::Cordoned), Some(holder)) if holder != by => {
                Err(Rejection::HeldByDrain { by: holder })
            }
            (Some(State::Retired), _) => Err(Rejection::Retired),
            (Some(State::Cordoned), _) => Ok(vec![Event::DrainBegun { by }]),
            (Some(State::Active | State::Draining) | None, _) => Err(Rejection::NotCordoned),
        }
    }

    fn confirm(&self, upgrade: Upgrade) -> Result<Vec<Event>, Rejection> {
        match (self.state, self.held_by, &self.upgrade) {
            (_, _, Some(same)) if same.by == upgrade.by => Ok(vec![]),
            (Some(State::Draining), Some(holder), _) if holder == upgrade.by => {
                Ok(vec![Event::UpgradeConfirmed(upgrade)])
            }
            _ => Err(Rejection::NotDraining),
        }
    }
}

/// A host that is heard is drained; only one that was silent for as long as makes it lost is given up, and only while another
/// one is heard, if there is one: else the silence may be the platform's. Of what was never heard nothing ever ran.
fn retire(reason: Reason, silence: Silence) -> Result<Vec<Event>, Rejection> {
    match (silence.own, silence.others) {
        (Some(own), _) if own < HOST_LOST => Err(Rejection::Heard { seconds: own.num_seconds() }),
        (Some(_), Some(others)) if others >= HOST_LOST => Err(Rejection::NobodyHeard { seconds: others.num_seconds() }),
        (Some(_) | None, _) => Ok(vec![Event::Retired { reason }]),
    }
}

#[cfg(test)]
mod tests;
