//! Does what the process manager of migration operations asks for: loads its world, carries out one step in one append. The
//! record and the stage that says so are one append. Trap: a record without its operation, or the other way about.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use rhone_domain::{
    artifact::Artifact,
    deployment::Deployment,
    migration::{self, Act, Facts, Migration, Step, World},
    migrations::{self, Migrations},
    operation::{Evidence, Stage},
    route_owner::RouteOwner,
};
use rhone_eventstore::{Loaded, Unit};

/// The world as it was read, to be asserted.
struct Read {
    owner: Loaded<RouteOwner>,
    migrations: Loaded<Migrations>,
    deployment: Loaded<Deployment>,
    artifact: Option<Loaded<Artifact>>,
}

/// Does the next step of a migration operation.
pub(crate) async fn advance(mut drive: Drive<'_>, told: &Migration) -> Result<Outcome, AdvanceError> {
    let mut read = read(&drive, told).await?;
    let step = next(&drive, &read, told);
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => read.assert(&mut unit),
        Step::Do(Act::Record(recorded)) => {
            unit.assert(&read.owner);
            decide(&mut unit, &mut read.migrations, migrations::Command::Record(recorded))?;
            let verified = drive.entering(Stage::Verified, Evidence::default());
            decide(&mut unit, &mut drive.operation, verified)?;
        }
        Step::Fail(_) | Step::Cancel => {}
    }
    drive.go_on(&mut unit, &step)?;
    let step = named(&step, |Act::Record(recorded)| format!("record migration {}", recorded.id));
    drive.commit(unit, step).await
}

fn next(drive: &Drive<'_>, read: &Read, told: &Migration) -> Step {
    let artifact = read.artifact.as_ref().and_then(|artifact| artifact.state.created.as_ref());
    migration::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        facts: Facts {
            told,
            migrations: &read.migrations.state,
            deployment: &read.deployment.state,
            artifact: artifact.map(|created| &created.facts),
        },
        epoch: read.owner.state.epoch,
    })
}

async fn read(drive: &Drive<'_>, told: &Migration) -> Result<Read, AdvanceError> {
    let (owner, migrations, deployment) = tokio::try_join!(
        drive.door.load::<RouteOwner>(told.environment),
        drive.door.load::<Migrations>(told.environment),
        drive.door.load::<Deployment>(told.deployment)
    )?;
    let artifact = match &deployment.state.created {
        Some(created) => Some(drive.door.load::<Artifact>(created.artifact).await?),
        None => None,
    };
    Ok(Read { owner, migrations, deployment, artifact })
}

impl Read {
    fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.migrations);
        unit.assert(&self.deployment);
        if let Some(artifact) = &self.artifact {
            unit.assert(artifact);
        }
    }
}
