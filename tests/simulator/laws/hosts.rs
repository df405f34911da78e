//! Hosts: nothing is ordered where nothing is taken, no host holds more than it may, each change of a host by a drain is in the
//! append of the stage that says so, a drain that ends before it moved anything leaves no cordon, and a host is taken back only
//! when it is empty and somebody said that it was upgraded; nothing is moved away where there never was room for it.

use super::{Laws, One, Verdict, Wanted, here, law};
use crate::fleet::HOSTS;
use rhone_domain::{
    allocation::Planned,
    host::{self, State},
    ids::{HostId, OperationId},
    operation::Stage,
};
use rhone_eventstore::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

struct Known {
    state: State,
    capacity: u32,
    held_by: Option<OperationId>,
    upgraded_for: Option<OperationId>,
    /// Whether, at some moment since it was cordoned, the others of its cell had room for what it holds.
    may_move: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self { state: State::Active, capacity: 12, held_by: None, upgraded_for: None, may_move: false }
    }
}

/// Every host.
#[derive(Default)]
pub(super) struct Hosts(BTreeMap<Uuid, Known>);

impl Laws {
    /// An order: on a host that takes it and has room.
    pub(super) fn ordered(&mut self, planned: &Planned) -> Verdict {
        let held = self.held(planned.host);
        let known = self.hosts.0.entry(planned.host.0).or_default();
        law(known.state == State::Active, || format!("ordered on a host that is {}", known.state))?;
        law(held < known.capacity as usize, || format!("a host that may hold {} holds {held} already", known.capacity))
    }

    fn held(&self, host: HostId) -> usize {
        self.allocations.values().filter(|one| one.planned.host == host && !one.ended).count()
    }

    /// One event of a host.
    pub(super) fn host(&mut self, event: &Recorded, append: &[Recorded]) -> Verdict {
        let id = event.envelope.stream.id();
        let held = self.held(HostId(id));
        let room = self.has_room(HostId(id));
        let entered = |by: OperationId| here(append, by.0, "operation.stage_entered");
        let known = self.hosts.0.entry(id).or_default();
        match event.decode().map_err(|error| error.to_string())? {
            host::Event::Cordoned { by, .. } => {
                law(by.is_none_or(entered), || "a cordon apart from its drain".into())?;
                (known.state, known.held_by, known.may_move) = (State::Cordoned, by, false);
            }
            host::Event::DrainBegun { by } => {
                law(entered(by), || "a host is emptied apart from its drain".into())?;
                law(room || known.may_move, || "a host is emptied, and the others never had room".into())?;
                (known.state, known.held_by) = (State::Draining, Some(by));
            }
            host::Event::Uncordoned { by, .. } => {
                if let Some(by) = by.filter(|by| entered(*by)) {
                    law(known.upgraded_for == Some(by), || "taken back, and nobody says that it was upgraded".into())?;
                    law(held == 0, || format!("taken back, and it holds {held}"))?;
                }
                (known.state, known.held_by) = (State::Active, None);
            }
            host::Event::CapacitySet { allocations } => known.capacity = allocations,
            host::Event::UpgradeConfirmed(upgrade) => known.upgraded_for = Some(upgrade.by),
            host::Event::Created(_) | host::Event::Retired { .. } => {}
        }
        Ok(())
    }

    /// Whether the others of its cell that take allocations have room for what it holds and would move.
    fn has_room(&self, host: HostId) -> bool {
        let Some((.., cell)) = HOSTS.iter().find(|(id, ..)| *id == host) else { return false };
        let free = |other: HostId| {
            let usual = Known::default();
            let known = self.hosts.0.get(&other.0).unwrap_or(&usual);
            let takes = other != host && known.state == State::Active;
            if takes { (known.capacity as usize).saturating_sub(self.held(other)) } else { 0 }
        };
        let free = HOSTS.iter().filter(|(.., its)| its == cell).map(|(id, ..)| free(*id)).sum::<usize>();
        let moves = |one: &&One| one.planned.host == host && !one.ended && !one.drains;
        self.allocations.values().filter(moves).count() <= free
    }

    /// Notes which of the cordoned hosts could be emptied now.
    pub(super) fn look_for_room(&mut self) {
        let cordoned = self.hosts.0.iter().filter(|(_, known)| known.state == State::Cordoned).map(|(id, _)| *id);
        for id in cordoned.collect::<Vec<_>>() {
            if self.has_room(HostId(id))
                && let Some(known) = self.hosts.0.get_mut(&id)
            {
                known.may_move = true;
            }
        }
    }

    /// A drain that moved nothing leaves the host as it was.
    pub(super) fn cordon_owed(&mut self, id: Uuid, stage: Stage) -> Verdict {
        let Some(Wanted::HostDrain(drain)) = self.works.get(&id).map(|work| &work.asked) else { return Ok(()) };
        let known = self.hosts.0.get(&drain.host.0);
        let left =
            known.is_some_and(|known| known.state == State::Cordoned && known.held_by.is_some_and(|by| by.0 == id));
        self.saw(format!("a host drain ended: {stage}"));
        law(!left, || "a drain refused, and leaves its cordon".into())
    }
}
