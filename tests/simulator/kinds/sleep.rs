//! A worker's part of sleeps, as `workers/src/sleep.rs`: the route's posture and the stage in one append, judged on what the
//! edges said last.

use super::{Turn, enter, id_of, living, told};
use crate::{
    sins::{Sin, Sinful, committed},
    world::World,
};
use rhone_domain::{
    operation::{Evidence, Operation, Stage},
    process::Step,
    route_owner::{self, RouteOwner},
    sleep::{self, Act, Sleep, Use},
};
use rhone_eventstore::Loaded;

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, work: &Sleep) -> Turn {
    let owner = world.load::<RouteOwner>(work.environment.0);
    let region = owner.state.0.place().map(|place| place.region);
    let (allocations, edges) = (living(world, work.environment), world.statuses(region));
    let others = world.running(work.environment).iter().filter(|one| **one != id_of(&operation)).count();
    let usage = Use { now: world.now(), owner: &owner.state.0, allocations: &allocations, edges: &edges, silent: 0 };
    let step = sleep::next(&sleep::World { operation: &operation.state.0, sleep: work, usage, others });
    told(operation, step, move |unit, operation, step| {
        match step {
            Step::Enter(..) => unit.assert(&owner),
            Step::Do(Act::Sleep(turn)) => {
                let mut owner = owner.clone();
                if !committed(Sin::SleepsInNameOnly) {
                    unit.decide(&mut owner, route_owner::Command::Sleep(*turn)).ok()?;
                }
                let evidence = Evidence { epoch: Some(owner.state.0.epoch), ..Evidence::default() };
                enter(unit, operation, Stage::Sleeping, evidence)?;
            }
            Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done => {}
        }
        Some(())
    })
}
