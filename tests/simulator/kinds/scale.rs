//! A worker's part of scales, as `workers/src/scale.rs`: the number and the stage in one append, and a bad end gives the former
//! number back in the append that ends it.

use super::{Turn, enter, told};
use crate::{
    sins::{Sin, Sinful, committed},
    world::{World, now},
};
use rhone_domain::{
    allocation::{Allocation, State},
    environment::Environment,
    ids::EnvironmentId,
    numbers::Version,
    operation::{Evidence, Operation, Stage},
    process::Step,
    provider::Needs,
    scale::{self, Scale, Want},
};
use rhone_eventstore::Loaded;
use rhone_projections::{authority::allocations::assert_proof, scale_facts::ScaleFacts};

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, work: Scale) -> Turn {
    let mut facts = now(ScaleFacts::load(&world.door, work.environment)).expect("a log in memory can be read");
    let rows = living(world, work.environment);
    let mut allocations = rows.iter().map(|(state, _)| state.clone()).collect::<Vec<_>>();
    let lost = facts.owner.state.place().map(|place| world.lost(place.cell)).unwrap_or_default();
    sin(&mut facts, &work);
    if committed(Sin::ScaledOnPaper) {
        allocations.iter_mut().filter(|one| one.is_alive()).for_each(|one| one.state = Some(State::Ready));
    }
    let step = scale::next(&scale::World {
        now: world.now(),
        operation: &operation.state.0,
        facts: facts.facts(&work),
        allocations: &allocations,
        leaving: &world.leaving(work.environment),
        lost: &lost,
    });
    let environment = world.load::<Environment>(work.environment.0);
    told(operation, step, move |unit, operation, step| {
        let mut environment = environment.clone();
        match step {
            Step::Enter(_, evidence) => {
                facts.assert(unit);
                assert_proof(&evidence.allocations, &rows, unit);
            }
            Step::Do(Want(command)) => {
                facts.assert(unit);
                unit.decide(&mut environment, command.clone()).ok()?;
                enter(unit, operation, Stage::Scaling, Evidence::default())?;
            }
            Step::Fail(_) | Step::Cancel if committed(Sin::NumberKept) => {}
            Step::Fail(_) | Step::Cancel => {
                let requested = operation.state.0.requested.clone()?;
                if let Some(command) = scale::give_back(&requested, &work, &environment.state.0) {
                    unit.decide(&mut environment, command).ok()?;
                }
            }
            Step::Wait(_) | Step::Done => {}
        }
        Some(())
    })
}

/// What lives in an environment, each at the version it was read at.
fn living(world: &World, environment: EnvironmentId) -> Vec<(Allocation, Version)> {
    let versioned = |one: Allocation| {
        let id = one.planned.as_ref()?.id;
        Some((one, world.load::<Allocation>(id.0).version))
    };
    super::living(world, environment).into_iter().filter_map(versioned).collect()
}

fn sin(facts: &mut ScaleFacts, work: &Scale) {
    if committed(Sin::ScaleNeedsNothing) {
        facts.needs = Needs::default();
        facts.standings = everything();
    }
    if committed(Sin::ScaleOnAnyNumber) {
        facts.environment.state.replicas = work.from;
    }
}

/// What several allocations share, as if it were there.
fn everything() -> rhone_domain::runtime_service::Standings {
    use rhone_domain::runtime_service::{Backend, Standing};
    let proven = |service: &rhone_domain::runtime_service::Service| (*service, Standing::Verified(Backend::Postgres));
    rhone_domain::scale_readiness::SHARED.iter().map(proven).collect()
}
