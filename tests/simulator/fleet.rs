//! The hosts of two regions: which of them are heard, how many allocations each holds, who was told that it takes none. Some fall
//! silent and come back, some are cordoned by hand, and some may hold less than they do. The trap avoided: one host that takes
//! everything; a place that is full, or that nobody hears, is where orders go wrong.

use crate::{
    sins::{Sin, Sinful, committed, reason},
    world::World,
};
use rhone_domain::{
    actor::Writer,
    allocation::{self, Planned, State},
    host::{self, Host},
    host_drain::headroom::Standing,
    ids::{CellId, CorrelationId, HostId, OperationId, RegionId},
    operation::Stage,
    promotion::EDGE_LIVE,
    scheduling::HOST_LOST,
    text::{Name, Slug},
};
use rhone_eventstore::{Loaded, Unit};
use rhone_tests::rules::{CELL, HOST, LYON, at};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Another region.
pub(crate) const BERGEN: RegionId = RegionId(Uuid::from_u128(0xbe26));
/// Its cell.
pub(crate) const FJORD: CellId = CellId(Uuid::from_u128(0xf705));
const HOST_2: HostId = HostId(Uuid::from_u128(0x4058));
const FAR_HOST: HostId = HostId(Uuid::from_u128(0x4059));
/// Every host, and where it is.
pub(crate) const HOSTS: [(HostId, RegionId, CellId); 3] =
    [(HOST, LYON, CELL), (HOST_2, LYON, CELL), (FAR_HOST, BERGEN, FJORD)];
/// How many allocations a host holds.
const CAPACITY: u32 = 12;
/// How many where there is little room.
const LITTLE: u32 = 3;

/// Who was heard when.
pub(crate) struct Fleet {
    heard: BTreeMap<HostId, i64>,
    silent: BTreeSet<HostId>,
    /// How many allocations each host holds at first.
    capacity: u32,
}

impl Fleet {
    /// There is little room in every fifth life.
    pub(crate) fn new(seed: u64) -> Self {
        let capacity = if seed % 5 == 1 { LITTLE } else { CAPACITY };
        Self { heard: HOSTS.iter().map(|(host, ..)| (*host, 0)).collect(), silent: BTreeSet::new(), capacity }
    }

    /// Time passes: whoever is not silent is heard.
    pub(crate) fn pass(&mut self, now: i64) {
        let Self { heard, silent, .. } = self;
        heard.iter_mut().filter(|(host, _)| !silent.contains(host)).for_each(|(_, at)| *at = now);
    }

    pub(crate) fn is_silent(&self, host: HostId) -> bool {
        self.silent.contains(&host)
    }

    pub(crate) fn heal(&mut self) {
        self.silent.clear();
    }

    /// How its hosts come to be.
    pub(crate) fn created(&self) -> impl Iterator<Item = (HostId, [host::Command; 2])> + use<> {
        let allocations = self.capacity;
        HOSTS.into_iter().zip(1..).map(move |((id, region, cell), n)| {
            let slug = Slug::parse("slug", &format!("host-{n}")).expect("a slug");
            let create = host::Command::Create(host::Created { id, region, cell, slug });
            (id, [create, host::Command::SetCapacity { allocations }])
        })
    }

    pub(crate) fn heard_at(&self, host: HostId) -> Option<i64> {
        self.heard.get(&host).copied()
    }
}

impl World {
    /// Every host of a cell, as the rows say.
    pub(crate) fn standings(&self, cell: CellId) -> Vec<Standing> {
        let held = self.held();
        let here = HOSTS.iter().filter(|(_, _, its)| *its == cell);
        let standing = |(id, ..): &(HostId, RegionId, CellId)| {
            let host = self.load::<Host>(id.0).state.0;
            let heard = self.fleet.heard_at(*id).is_some_and(|at| self.seconds - at < EDGE_LIVE.num_seconds());
            let held = held.get(id).copied().unwrap_or_default();
            Some(Standing { host: *id, state: host.state?, capacity: host.capacity(), held, heard })
        };
        here.filter_map(standing).collect()
    }

    fn held(&self) -> BTreeMap<HostId, u32> {
        let mut held = BTreeMap::new();
        for one in self.allocations(|one| one.state.is_some_and(|state| !state.is_final())) {
            if let Some(planned) = &one.planned {
                *held.entry(planned.host).or_default() += 1;
            }
        }
        held
    }

    /// A cell's hosts that take allocations, have room and are heard; the least busy first.
    pub(crate) fn takers(&self, cell: CellId) -> Vec<HostId> {
        let open = |one: &Standing| {
            let active = one.state == host::State::Active || committed(Sin::CordonIgnored);
            let room = one.held < one.capacity || committed(Sin::CapacityIgnored);
            active && room && one.heard
        };
        let mut takers = self.standings(cell).into_iter().filter(open).collect::<Vec<_>>();
        takers.sort_by_key(|one| (one.held, one.host));
        if committed(Sin::CapacityIgnored) {
            takers.sort_by_key(|one| (one.capacity.saturating_sub(one.held), one.host));
        }
        takers.into_iter().map(|one| one.host).collect()
    }

    /// A cell's hosts that were not heard for long, while another one was.
    pub(crate) fn lost(&self, cell: CellId) -> Vec<HostId> {
        let latest = HOSTS.iter().filter_map(|(id, ..)| self.fleet.heard_at(*id)).max().unwrap_or_default();
        let gone = |id: HostId| self.fleet.heard_at(id).is_some_and(|at| latest - at > HOST_LOST.num_seconds());
        HOSTS.iter().filter(|(id, _, its)| *its == cell && gone(*id)).map(|(id, ..)| *id).collect()
    }

    /// Something happens to a host: it falls silent or is heard again, a person says what it takes, or that it was upgraded.
    pub(super) fn meddle_with_a_host(&mut self) {
        let (id, ..) = HOSTS[self.dice.below(HOSTS.len())];
        let by = None;
        match self.dice.below(12) {
            0 | 1 => drop(self.fleet.silent.insert(id)),
            2..=5 => self.fleet.silent.clear(),
            6 => self.tell_host(id, host::Command::Cordon { reason: reason(), by }),
            7 | 8 => self.tell_host(id, host::Command::Uncordon { reason: reason(), by }),
            9 | 10 => {
                let allocations = u32::try_from(self.dice.below(10)).expect("small") + 3;
                self.tell_host(id, host::Command::SetCapacity { allocations });
            }
            _ => self.confirm_upgrades(),
        }
    }

    /// An operator says of every host that waits for it that its system is as it should be.
    pub(crate) fn confirm_upgrades(&mut self) {
        let name = |text| Name::parse("name", text).expect("a name");
        for (id, ..) in HOSTS {
            let Some(by) = self.load::<Host>(id.0).state.0.held_by.filter(|by| self.is_upgrading(*by)) else {
                continue;
            };
            let upgrade =
                host::Upgrade { by, os: name("debian 13"), runner: name("2"), note: reason(), at: at(self.seconds) };
            self.tell_host(id, host::Command::ConfirmUpgrade(upgrade));
        }
    }

    fn is_upgrading(&self, id: OperationId) -> bool {
        let tables = self.door.log().tables();
        tables.operations.get(&id).is_some_and(|(one, _)| one.stage == Some(Stage::Upgrading))
    }

    fn tell_host(&mut self, id: HostId, command: host::Command) {
        let mut loaded = self.load::<Host>(id.0);
        let mut unit = self.unit(Writer::Platform, 9, CorrelationId(id.0), None);
        if unit.decide(&mut loaded, command).is_ok() {
            let _refused = self.commit(unit, None, None);
        }
    }
}

/// Puts an order into a unit, as every worker does it: on a host that takes it, at the version at which it was read.
pub(crate) fn order(unit: &mut Unit, host: &Loaded<Sinful<Host>>, planned: Planned) -> Option<()> {
    if !committed(Sin::CordonIgnored) {
        host.state.0.may_take(0).ok()?;
        unit.assert(host);
    }
    unit.decide(&mut crate::worker::fresh(planned.id), allocation::Command::Plan(planned)).ok().map(drop)
}

/// Whether an allocation lives.
pub(crate) fn lives(one: &allocation::Allocation) -> bool {
    one.state.is_some_and(|state: State| !state.is_final())
}
