//! A worker's part of drains, as `workers/src/drain.rs`: every allocation is told and the stage entered in one append, which
//! asserts that those that are to stay are still ready.

use super::{Turn, enter, id_of, told};
use crate::{
    sins::{Sin, Sinful, committed},
    world::World,
};
use rhone_domain::{
    allocation::{self, Allocation, State},
    drain::{self, Drain, Facts},
    environment::{Environment, Replicas},
    ids::AllocationId,
    operation::{Evidence, Operation, Stage},
    process::Step,
    route_owner::RouteOwner,
};
use rhone_eventstore::Loaded;

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, work: Drain) -> Turn {
    let owner = world.load::<RouteOwner>(work.environment.0);
    let environment = world.load::<Environment>(work.environment.0);
    let loaded = of_deployment(world, &work);
    let allocations = loaded.iter().map(|one| one.state.0.clone()).collect::<Vec<_>>();
    let replicas = if committed(Sin::DrainedToNothing) { Replicas(0) } else { environment.state.0.replicas };
    let facts = Facts { drain: &work, owner: &owner.state.0, replicas, allocations: &allocations };
    let mut step = drain::next(&drain::World { now: world.now(), operation: &operation.state.0, facts });
    if committed(Sin::DrainEndsAtOnce) && operation.state.0.stage == Some(Stage::Draining) && step == waits() {
        step = Step::Enter(Stage::Verified, Evidence::default());
    }
    told(operation, step, move |unit, operation, step| {
        let Step::Do(tell) = step else { return Some(()) };
        unit.assert(&environment);
        unit.assert(&owner);
        let stays = |one: &&Loaded<Sinful<Allocation>>| {
            !is_among(&work.allocations, &one.state.0) && one.state.0.state == Some(State::Ready)
        };
        loaded.iter().filter(stays).for_each(|one| unit.assert(one));
        for one in loaded.iter().filter(|one| is_among(&tell.allocations, &one.state.0)) {
            let reason = format!("drain operation {}", id_of(operation));
            let command = allocation::Command::Drain { reason, deadline: Some(tell.deadline) };
            unit.decide(&mut one.clone(), command).ok()?;
        }
        enter(unit, operation, Stage::Draining, Evidence::default())
    })
}

fn waits() -> drain::Step {
    Step::Wait("sessions finish, until the drain deadline")
}

fn of_deployment(world: &World, work: &Drain) -> Vec<Loaded<Sinful<Allocation>>> {
    let all = world.allocations(|one| {
        let its = one.planned.as_ref().map(|planned| (planned.environment, planned.deployment));
        its == Some((work.environment, work.deployment))
    });
    all.iter().filter_map(|one| Some(world.load::<Allocation>(one.planned.as_ref()?.id.0))).collect()
}

fn is_among(ids: &[AllocationId], one: &Allocation) -> bool {
    one.planned.as_ref().is_some_and(|planned| ids.contains(&planned.id))
}
