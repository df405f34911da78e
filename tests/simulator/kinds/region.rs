//! A worker's part of region enablements, as `workers/src/region_enablement.rs`: the proof is planned on a host that takes it, and
//! however the operation ends, its proof is told to finish in the append that ends it.

use super::{Turn, enter, id_of, told};
use crate::{
    fleet::order,
    sins::{Sin, Sinful, committed},
    world::{World, now},
};
use rhone_domain::{
    allocation::{Allocation, State},
    environment::Environment,
    host::Host,
    ids::AllocationId,
    operation::{Operation, Stage},
    process::Step,
    region_enablement::{self, Act, Enablement, leftover, let_go},
};
use rhone_eventstore::{Loaded, Unit};
use rhone_projections::region_facts::RegionFacts;

type Proofs = Vec<Loaded<Sinful<Allocation>>>;

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, work: Enablement) -> Turn {
    let mut facts = now(RegionFacts::load(&world.door, work)).expect("a log in memory can be read");
    let environment = world.load::<Environment>(work.environment.0);
    let proofs = proofs(world, &operation);
    let states = states(&facts, &proofs);
    if committed(Sin::RegionNeedsNothing) {
        facts.artifact = None;
    }
    let hosts = world.takers(work.cell);
    let step = region_enablement::next(&region_enablement::World {
        now: world.now(),
        operation: &operation.state.0,
        facts: facts.facts(),
        deployment: &facts.deployment.state,
        proofs: &states,
        hosts: &hosts,
        new_allocation: world.door.clock().new_id(),
    });
    let host = if let Step::Do(Act::Plan(planned)) = &step { Some(world.load::<Host>(planned.host.0)) } else { None };
    told(operation, step, move |unit, operation, step| {
        match step {
            Step::Enter(..) => facts.assert(unit),
            Step::Do(Act::Plan(planned)) => {
                unit.assert(operation);
                facts.assert(unit);
                order(unit, host.as_ref()?, planned.clone())?;
            }
            Step::Do(Act::Drain(id)) => {
                unit.assert(operation);
                finish(unit, &proofs, *id)?;
            }
            Step::Do(Act::Enable(command, proof, evidence)) => {
                facts.assert_others(unit);
                unit.decide(&mut environment.clone(), command.clone()).ok()?;
                finish(unit, &proofs, *proof)?;
                enter(unit, operation, Stage::Eligible, evidence.clone())?;
            }
            Step::Fail(_) | Step::Cancel if committed(Sin::ProofLeft) => {}
            Step::Fail(_) | Step::Cancel => {
                let left = leftover(&proofs.iter().map(|one| one.state.0.clone()).collect::<Vec<_>>());
                left.into_iter().try_for_each(|id| finish(unit, &proofs, id))?;
            }
            Step::Wait(_) | Step::Done => {}
        }
        Some(())
    })
}

fn proofs(world: &World, operation: &Loaded<Sinful<Operation>>) -> Proofs {
    let by = id_of(operation);
    let mine = world.allocations(|one| one.planned.as_ref().is_some_and(|planned| planned.proves == Some(by)));
    mine.iter().filter_map(|one| Some(world.load::<Allocation>(one.planned.as_ref()?.id.0))).collect()
}

/// As the process manager sees them: with the sin of whoever takes an order for a proof.
fn states(facts: &RegionFacts, proofs: &Proofs) -> Vec<Allocation> {
    let mut states = proofs.iter().map(|one| one.state.0.clone()).collect::<Vec<_>>();
    if committed(Sin::RegionEnabledUnproven) {
        let digest = facts.owner.state.owner.as_ref().map(|owner| owner.artifact);
        for one in states.iter_mut().filter(|one| one.is_alive()) {
            (one.state, one.verified) = (Some(State::Ready), digest);
        }
    }
    states
}

fn finish(unit: &mut Unit, proofs: &Proofs, id: AllocationId) -> Option<()> {
    let mut proof = proofs.iter().find(|one| one.stream.id() == id.0)?.clone();
    let command = let_go(unit.now());
    unit.decide(&mut proof, command).ok().map(drop)
}
