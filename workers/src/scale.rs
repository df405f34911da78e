//! Does what the process manager of scale operations asks for: the wanted number and the stage in one append, and a bad end
//! gives the former number back in the append that ends it. The trap: a number that rests on a service which somebody detached
//! meanwhile; all that its gates looked at is asserted, and what is put on record as ready is as it was read.

use crate::{
    process::{AdvanceError, Drive, Outcome, decide, named},
    scheduler,
};
use rhone_domain::{
    allocation::Allocation,
    ids::{AllocationId, HostId},
    numbers::Version,
    operation::{Evidence, Stage},
    scale::{self, Scale, Step, Want, World},
    scheduling,
};
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        operations,
    },
    scale_facts::ScaleFacts,
};

/// Does the next step of a scale operation.
pub(crate) async fn advance(mut drive: Drive<'_>, scale: &Scale) -> Result<Outcome, AdvanceError> {
    let mut facts = ScaleFacts::load(&drive.door, scale.environment).await?;
    let around = Around::read(&drive, scale).await?;
    let step = next(&drive, &facts, scale, &around);
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(_, evidence) => {
            facts.assert(&mut unit);
            allocations::assert_proof(&evidence.allocations, &around.rows, &mut unit);
        }
        Step::Do(Want(command)) => {
            facts.assert(&mut unit);
            decide(&mut unit, &mut facts.environment, command)?;
            let scaling = drive.entering(Stage::Scaling, Evidence::default());
            decide(&mut unit, &mut drive.operation, scaling)?;
        }
        Step::Fail(_) | Step::Cancel => {
            if let Some(command) = scale::give_back(&drive.requested, scale, &facts.environment.state) {
                decide(&mut unit, &mut facts.environment, command)?;
            }
        }
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, |_| format!("want {} allocations", scale.replicas))).await
}

/// What runs there, and what of it does not count, as it was read.
struct Around {
    rows: Vec<(Allocation, Version)>,
    leaving: Vec<AllocationId>,
    lost: Vec<HostId>,
}

impl Around {
    async fn read(drive: &Drive<'_>, scale: &Scale) -> Result<Self, AdvanceError> {
        let mut connection = drive.config.pool.acquire().await?;
        let rows = allocations::of_environment(&mut connection, scale.environment, None, Ended::Excluded).await?;
        let running = operations::running(&mut connection, scale.environment).await?;
        let leaving = running.iter().flat_map(|(operation, _)| scheduling::leaving(operation)).copied().collect();
        let lost = scheduler::silent(&mut connection, &rows).await?;
        Ok(Self { rows, leaving, lost })
    }
}

fn next(drive: &Drive<'_>, facts: &ScaleFacts, scale: &Scale, around: &Around) -> Step {
    let allocations = around.rows.iter().map(|(state, _)| state.clone()).collect::<Vec<_>>();
    scale::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        facts: facts.facts(scale),
        allocations: &allocations,
        leaving: &around.leaving,
        lost: &around.lost,
    })
}
