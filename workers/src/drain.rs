//! Does what the process manager of drain operations asks for: every allocation is told and the stage entered in one append,
//! which asserts that those that are to stay are still ready.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use rhone_domain::{
    allocation::{self, Allocation},
    drain::{self, Drain, Step, World},
    operation::{Evidence, Stage},
};
use rhone_projections::drain_facts::DrainFacts;

/// Does the next step of a drain operation.
pub(crate) async fn advance(mut drive: Drive<'_>, drain: &Drain) -> Result<Outcome, AdvanceError> {
    let mut connection = drive.config.pool.acquire().await?;
    let (environment, deployment) = (drain.environment, drain.deployment);
    let facts = DrainFacts::load::<_, AdvanceError>(&drive.door, &mut connection, environment, deployment).await?;
    drop(connection);
    let now = drive.config.clock.now();
    let step = drain::next(&World { now, operation: &drive.operation.state, facts: facts.facts(drain) });
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) | Step::Fail(_) | Step::Cancel => {}
        Step::Do(tell) => {
            facts.assert(drain, &mut unit);
            for id in tell.allocations {
                let mut one = drive.door.load::<Allocation>(id).await?;
                let reason = format!("drain operation {}", drive.requested.id);
                let command = allocation::Command::Drain { reason, deadline: Some(tell.deadline) };
                decide(&mut unit, &mut one, command)?;
            }
            let draining = drive.entering(Stage::Draining, Evidence::default());
            decide(&mut unit, &mut drive.operation, draining)?;
        }
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, |tell| format!("tell {} allocations to drain", tell.allocations.len()))).await
}
