//! A worker's part of migrations, as `workers/src/migration.rs`: the record and the stage that says so are one append.

use super::{Turn, enter, told};
use crate::{
    sins::{Sin, Sinful, committed},
    world::{World, now},
};
use rhone_domain::{
    artifact::Artifact,
    deployment::Deployment,
    migration::{self, Act, Facts, Migration},
    migrations::{self, Migrations},
    operation::{Evidence, Operation, Stage},
    process::Step,
    route_owner::RouteOwner,
};
use rhone_eventstore::Loaded;

pub(super) fn turn(world: &World, operation: Loaded<Sinful<Operation>>, work: &Migration) -> Turn {
    let owner = world.load::<RouteOwner>(work.environment.0);
    let migrations = world.load::<Migrations>(work.environment.0);
    let deployment = world.load::<Deployment>(work.deployment.0);
    let bytes = deployment.state.0.created.as_ref().map(|created| created.artifact);
    let artifact = bytes.map(|id| now(world.door.load::<Artifact>(id)).expect("a log in memory can be read"));
    let created = artifact.as_ref().and_then(|artifact| artifact.state.created.as_ref());
    let step = migration::next(&migration::World {
        now: world.now(),
        operation: &operation.state.0,
        facts: Facts {
            told: work,
            migrations: &migrations.state.0,
            deployment: &deployment.state.0,
            artifact: created.map(|created| &created.facts),
        },
        epoch: owner.state.0.epoch,
    });
    told(operation, step, move |unit, operation, step| {
        match step {
            Step::Enter(..) => {
                unit.assert(&migrations);
                unit.assert(&deployment);
            }
            Step::Do(Act::Record(recorded)) => {
                unit.assert(&owner);
                if !committed(Sin::MigrationNotRecorded) {
                    let record = migrations::Command::Record(recorded.clone());
                    unit.decide(&mut migrations.clone(), record).ok()?;
                }
                enter(unit, operation, Stage::Verified, Evidence::default())?;
            }
            Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done => {}
        }
        Some(())
    })
}
