//! A worker's part of host drains, as `workers/src/host_drain.rs`: what is done to the host is one append with the stage it leads
//! to; what is done to an allocation is an append of its own, under the operation's version.

use super::{Turn, enter, told};
use crate::{
    fleet::{HOSTS, lives, order},
    sins::{Sin, Sinful, committed},
    world::World,
};
use rhone_domain::{
    allocation::{self, Allocation, State},
    host::{self, Host},
    host_drain::{self, Act, HostDrain, headroom::Standing},
    ids::{AllocationId, CellId, HostId},
    operation::{Evidence, Operation, Stage},
    process::Step,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_tests::rules::at;

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, drain: HostDrain) -> Turn {
    let host = world.load::<Host>(drain.host.0);
    let Some(cell) = cell_of(drain.host) else { return Turn::Ended };
    let allocations = world.allocations(|one| lives(one) && on(one, drain.host));
    let ids = allocations.iter().filter_map(|one| Some(one.planned.as_ref()?.id)).collect::<Vec<_>>();
    let replaces = |one: &Allocation| one.planned.as_ref().and_then(|planned| planned.replaces);
    let replacements = world.allocations(|one| replaces(one).is_some_and(|old| ids.contains(&old)));
    let sessions = world.statuses(region_of(drain.host)).into_iter().flat_map(|edge| edge.sessions).collect::<Vec<_>>();
    let step = host_drain::next(&host_drain::World {
        now: world.now(),
        drain,
        operation: &operation.state.0,
        host: &host.state.0,
        heard_at: world.fleet.heard_at(drain.host).map(at),
        hosts: &seen(world.standings(cell)),
        allocations: &allocations,
        replacements: &as_seen(&replacements),
        sessions: &sessions,
        new_allocation: world.door.clock().new_id(),
    });
    let there = if let Step::Do(Act::Plan(planned)) = &step { Some(world.load::<Host>(planned.host.0)) } else { None };
    let old = if let Step::Do(Act::Drain(old)) = &step { Some(Old::read(world, *old, &replacements)) } else { None };
    told(operation, step, move |unit, operation, step| match step {
        Step::Do(Act::Plan(planned)) => {
            unit.assert(operation);
            order(unit, there.as_ref()?, planned.clone())
        }
        Step::Do(Act::Drain(_)) => {
            unit.assert(operation);
            old.as_ref()?.finish(unit)
        }
        Step::Enter(..) | Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done => {
            unit.assert(&host);
            Some(())
        }
        Step::Do(act) => on_host(unit, operation, &mut host.clone(), act),
    })
}

/// What is told to finish, and what stands in for it.
struct Old {
    allocation: Loaded<Sinful<Allocation>>,
    replacement: Option<Loaded<Sinful<Allocation>>>,
}

impl Old {
    fn read(world: &World, old: AllocationId, replacements: &[Allocation]) -> Self {
        let replacement = host_drain::stands_in(replacements, old);
        let replacement = replacement.map(|id| world.load::<Allocation>(id.0));
        Self { allocation: world.load::<Allocation>(old.0), replacement }
    }

    fn finish(&self, unit: &mut Unit) -> Option<()> {
        if let Some(replacement) = &self.replacement {
            unit.assert(replacement);
        }
        let reason = "its host is drained, and its replacement answers".to_owned();
        let deadline = Some(unit.now() + chrono::TimeDelta::seconds(30));
        unit.decide(&mut self.allocation.clone(), allocation::Command::Drain { reason, deadline }).ok().map(drop)
    }
}

/// The host's part of a step, and the operation's that goes with it.
fn on_host(
    unit: &mut Unit,
    operation: &mut Loaded<Sinful<Operation>>,
    host: &mut Loaded<Sinful<Host>>,
    act: &Act,
) -> Option<()> {
    let none = Evidence::default;
    let mut tell = |unit: &mut Unit, command: &host::Command| unit.decide(host, command.clone()).ok().map(drop);
    match act {
        Act::Cordon(command) => {
            tell(unit, command)?;
            enter(unit, operation, Stage::Cordoned, none())
        }
        Act::Evacuate(command, evidence) => {
            tell(unit, command)?;
            enter(unit, operation, Stage::Evacuating, evidence.clone())
        }
        Act::Release(command) => {
            tell(unit, command)?;
            enter(unit, operation, Stage::Uncordoned, none())
        }
        Act::GiveUp(command, failure) => {
            if !committed(Sin::CordonLeft) {
                tell(unit, command)?;
            }
            unit.decide(operation, rhone_domain::operation::Command::Fail(failure.clone())).ok().map(drop)
        }
        Act::Undo(command) => {
            tell(unit, command)?;
            unit.decide(operation, rhone_domain::operation::Command::Cancel).ok().map(drop)
        }
        Act::Plan(_) | Act::Drain(_) => None,
    }
}

/// The sin of whoever counts an order for an answer.
fn as_seen(replacements: &[Allocation]) -> Vec<Allocation> {
    let mut seen = replacements.to_vec();
    if committed(Sin::EvacuatedOnPaper) {
        seen.iter_mut().filter(|one| one.is_alive()).for_each(|one| one.state = Some(State::Ready));
    }
    seen
}

/// The sin of whoever takes a cordon for room.
fn seen(mut hosts: Vec<Standing>) -> Vec<Standing> {
    if committed(Sin::RoomInvented) {
        for one in &mut hosts {
            (one.capacity, one.state) = (one.capacity + 100, host::State::Active);
        }
    }
    hosts
}

fn on(one: &Allocation, host: HostId) -> bool {
    one.planned.as_ref().is_some_and(|planned| planned.host == host)
}

fn cell_of(host: HostId) -> Option<CellId> {
    HOSTS.iter().find(|(id, ..)| *id == host).map(|(_, _, cell)| *cell)
}

fn region_of(host: HostId) -> Option<rhone_domain::ids::RegionId> {
    HOSTS.iter().find(|(id, ..)| *id == host).map(|(_, region, _)| *region)
}
