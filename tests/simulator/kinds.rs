//! What a worker does for the kinds of operations that need nothing but the log and its rows: it reads the world, asks the real
//! process manager what is next, and carries it out as `workers/src/<kind>.rs` does, all of it in one append. One file a kind.
//! The trap avoided: a step that is made of what is so when it is appended; it is made of what was read when it was decided,
//! and whoever carries it out may have been paused in between.

mod drain;
mod host_drain;
mod migration;
mod region;
mod scale;
mod sleep;
mod wake;

use crate::{sins::Sinful, world::World};
use rhone_domain::{
    allocation::Allocation,
    ids::{EnvironmentId, OperationId},
    operation::{self, Operation, Work},
    process::Step,
};
use rhone_eventstore::{Loaded, Unit};
use std::fmt::Debug;

/// What a turn came to.
pub(crate) enum Turn {
    /// This is to be appended.
    Told(Box<Told>),
    /// Nothing can be done now.
    Waits,
    /// It has ended, or is of a kind that is driven elsewhere.
    Ended,
}

type Carry = dyn Fn(&World, usize) -> Option<Unit>;

/// A step, made of what was read.
pub(crate) struct Told {
    /// In words.
    pub(crate) step: String,
    carry: Box<Carry>,
}

impl Told {
    /// The step as an append of this worker; none if it is refused.
    pub(crate) fn carry_out(&self, world: &World, worker: usize) -> Option<Unit> {
        (self.carry)(world, worker)
    }
}

/// Reads the world and asks what is next.
pub(crate) fn decide(world: &mut World, operation: Loaded<Sinful<Operation>>) -> Turn {
    let Some(requested) = operation.state.0.requested.clone() else { return Turn::Ended };
    match requested.work {
        Work::Scale(work) => scale::turn(world, operation, work),
        Work::Drain(work) => drain::turn(world, operation, work),
        Work::Sleep(work) => sleep::turn(world, operation, &work),
        Work::Wake(work) => wake::turn(world, operation, work),
        Work::Migration(work) => migration::turn(world, operation, &work),
        Work::RegionEnablement(work) => region::turn(world, operation, work),
        Work::HostDrain(work) => host_drain::turn(world, operation, work),
        Work::Promotion(_)
        | Work::Rollback(_)
        | Work::RegionFailover(_)
        | Work::Deploy(_)
        | Work::ProviderBinding(_)
        | Work::RuntimeServiceBinding(_) => Turn::Ended,
    }
}

/// A step and what goes with it in the append: as `Drive` does, the stage or the end that it says comes last.
fn told<A: Clone + Debug + 'static>(
    operation: Loaded<Sinful<Operation>>,
    step: Step<A>,
    carry: impl Fn(&mut Unit, &mut Loaded<Sinful<Operation>>, &Step<A>) -> Option<()> + 'static,
) -> Turn {
    let (Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel) = &step else {
        return if step_waits(&step) { Turn::Waits } else { Turn::Ended };
    };
    let words = format!("{step:?}").chars().take(40).collect();
    let carry = move |world: &World, worker: usize| {
        let requested = operation.state.0.requested.as_ref()?;
        let mut unit = world.unit(requested.machine().writer, worker, requested.id.into(), None);
        let mut operation = operation.clone();
        carry(&mut unit, &mut operation, &step)?;
        go_on(&mut unit, &mut operation, &step)?;
        Some(unit)
    };
    Turn::Told(Box::new(Told { step: words, carry: Box::new(carry) }))
}

fn step_waits<A>(step: &Step<A>) -> bool {
    matches!(step, Step::Wait(_))
}

fn go_on<A>(unit: &mut Unit, operation: &mut Loaded<Sinful<Operation>>, step: &Step<A>) -> Option<()> {
    let command = match step {
        Step::Enter(stage, evidence) => operation::Command::Enter { stage: *stage, evidence: evidence.clone() },
        Step::Fail(failure) => operation::Command::Fail(failure.clone()),
        Step::Cancel => operation::Command::Cancel,
        Step::Do(_) | Step::Wait(_) | Step::Done => return Some(()),
    };
    unit.decide(operation, command).ok().map(drop)
}

/// Enters a stage with the act that leads to it.
fn enter(
    unit: &mut Unit,
    operation: &mut Loaded<Sinful<Operation>>,
    stage: operation::Stage,
    evidence: operation::Evidence,
) -> Option<()> {
    unit.decide(operation, operation::Command::Enter { stage, evidence }).ok().map(drop)
}

fn id_of(operation: &Loaded<Sinful<Operation>>) -> OperationId {
    OperationId(operation.stream.id())
}

/// The allocations of an environment that live.
fn living(world: &World, environment: EnvironmentId) -> Vec<Allocation> {
    world.allocations(|one| {
        crate::fleet::lives(one) && one.planned.as_ref().is_some_and(|planned| planned.environment == environment)
    })
}
