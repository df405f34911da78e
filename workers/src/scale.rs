//! Does what the process manager of scale operations asks for: the wanted number and the stage in one append, and a bad end
//! gives the former number back in the append that ends it. The trap: a number that rests on a service which somebody detached
//! meanwhile; all that its gates looked at is asserted.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use rhone_domain::{
    operation::{self, Evidence, Stage},
    scale::{self, Scale, Step, Want, World},
};
use rhone_projections::{
    authority::allocations::{self, Ended},
    scale_facts::ScaleFacts,
};

/// Does the next step of a scale operation.
pub(crate) async fn advance(mut drive: Drive<'_>, scale: &Scale) -> Result<Outcome, AdvanceError> {
    let mut facts = ScaleFacts::load(&drive.door, scale.environment).await?;
    let step = next(&drive, &facts, scale).await?;
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => facts.assert(&mut unit),
        Step::Do(Want(command)) => {
            facts.assert(&mut unit);
            decide(&mut unit, &mut facts.environment, command)?;
            let scaling = operation::Command::Enter { stage: Stage::Scaling, evidence: Evidence::default() };
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

async fn next(drive: &Drive<'_>, facts: &ScaleFacts, scale: &Scale) -> Result<Step, AdvanceError> {
    let mut connection = drive.config.pool.acquire().await?;
    let rows = allocations::of_environment(&mut connection, scale.environment, None, Ended::Excluded).await?;
    let allocations = rows.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
    Ok(scale::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        facts: facts.facts(scale),
        allocations: &allocations,
    }))
}
