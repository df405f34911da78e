//! A worker's part of wakes, as `workers/src/wake.rs`: an allocation is planned or found, the route serves again in the append
//! that says so, and a bad or early end leaves it asleep under another generation.

use super::{Turn, enter, told};
use crate::{
    fleet::order,
    sins::{Sin, Sinful, committed},
    world::World,
};
use rhone_domain::{
    allocation::{Allocation, State},
    deployment::Deployment,
    host::Host,
    operation::{Operation, Stage},
    process::Step,
    route_owner::{self, RouteOwner},
    wake::{self, ATTEMPTS, Act, Others, Wake},
};
use rhone_eventstore::Loaded;
use rhone_tests::rules::DRAIN;

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, work: Wake) -> Turn {
    let Some(requested) = operation.state.0.requested.clone() else { return Turn::Ended };
    let owner = world.load::<RouteOwner>(work.environment.0);
    let deployment = world.load::<Deployment>(work.deployment.0);
    let attempts = (0..ATTEMPTS).map(|n| world.load::<Allocation>(work.attempt(requested.id, n).0));
    let attempts = attempts.collect::<Vec<_>>();
    let others = others(world, &work);
    let hosts = requested.cell.map_or_else(Vec::new, |cell| world.takers(cell));
    let step = wake::next(&wake::World {
        now: world.now(),
        operation: &operation.state.0,
        wake: &work,
        owner: &owner.state.0,
        deployment: &deployment.state.0,
        drain: DRAIN,
        attempts: &states(&attempts),
        others: &states(&others),
        hosts: &hosts,
        begun: Others::default(),
    });
    let host = if let Step::Do(Act::Plan(planned)) = &step { Some(world.load::<Host>(planned.host.0)) } else { None };
    let moment = world.now();
    told(operation, step, move |unit, operation, step| {
        let mut owner = owner.clone();
        match step {
            Step::Enter(..) => unit.assert(&owner),
            Step::Do(Act::Plan(planned)) => {
                unit.assert(operation);
                unit.assert(&owner);
                unit.assert(&deployment);
                order(unit, host.as_ref()?, (**planned).clone())?;
            }
            Step::Do(Act::Serve(turn)) => {
                let serves = |one: &&Loaded<Sinful<Allocation>>| wake::is_hot(&work, &owner.state.0, &one.state.0);
                let awake = attempts.iter().chain(&others).find(serves);
                if let Some(awake) = awake {
                    unit.assert(awake);
                }
                unit.assert(&deployment);
                unit.decide(&mut owner, route_owner::Command::Wake(*turn)).ok()?;
                let named = awake.filter(|_| !committed(Sin::WakeNamesNobody));
                let evidence = wake::proof(&work, &owner.state.0, named.map(|one| &one.state.0));
                enter(unit, operation, Stage::Hot, evidence)?;
            }
            Step::Fail(_) | Step::Cancel => {
                let turn = work.turn(requested.id, moment);
                let wakes = owner.state.0.may_wake(turn.expected, turn.generation).is_ok();
                if wakes && !committed(Sin::FailedWakeForgotten) {
                    unit.decide(&mut owner, route_owner::Command::FailWake(turn)).ok()?;
                }
            }
            Step::Wait(_) | Step::Done => {}
        }
        Some(())
    })
}

fn others(world: &World, work: &Wake) -> Vec<Loaded<Sinful<Allocation>>> {
    let there = super::living(world, work.environment);
    let its = there.iter().filter_map(|one| one.planned.as_ref()).filter(|one| one.deployment == work.deployment);
    its.map(|planned| world.load::<Allocation>(planned.id.0)).collect()
}

/// As the process manager sees them: with the sin of whoever takes what is on its way for what answers.
fn states(all: &[Loaded<Sinful<Allocation>>]) -> Vec<Allocation> {
    let mut states = all.iter().map(|one| one.state.0.clone()).collect::<Vec<_>>();
    if committed(Sin::WokenTooEarly) {
        states.iter_mut().filter(|one| one.is_alive()).for_each(|one| one.state = Some(State::Ready));
    }
    states
}
