//! Does what the process manager of region enablements asks for: loads its world, carries out one step in one append; however
//! it ends, its proof is told to finish in the append that ends it. The trap: a proof on a host that was cordoned meanwhile;
//! its version is asserted.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use rhone_domain::{
    aggregate::Aggregate,
    allocation::{self, Allocation, Planned},
    envelope::StreamId,
    ids::{AllocationId, HostId},
    numbers::Version,
    operation::Stage,
    region_enablement::{self, Act, Enablement, Step, World, leftover, let_go},
};
use rhone_eventstore::{Loaded, Unit};
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        hosts,
    },
    region_facts::RegionFacts,
};

/// The world as it was read.
struct Read {
    facts: RegionFacts,
    proofs: Vec<Allocation>,
    hosts: Vec<HostId>,
}

/// Does the next step of an enablement.
pub(crate) async fn advance(mut drive: Drive<'_>, wanted: Enablement) -> Result<Outcome, AdvanceError> {
    let mut read = read(&drive, wanted).await?;
    let step = next(&drive, &read);
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => read.facts.assert(&mut unit),
        Step::Do(Act::Plan(planned)) => plan(&drive, &read, &mut unit, planned).await?,
        Step::Do(Act::Drain(id)) => {
            unit.assert(&drive.operation);
            finish(&drive, &mut unit, id).await?;
        }
        Step::Do(Act::Enable(command, proof, evidence)) => {
            read.facts.assert_others(&mut unit);
            decide(&mut unit, &mut read.facts.environment, command)?;
            finish(&drive, &mut unit, proof).await?;
            let eligible = drive.entering(Stage::Eligible, evidence);
            decide(&mut unit, &mut drive.operation, eligible)?;
        }
        Step::Fail(_) | Step::Cancel => {
            for id in leftover(&read.proofs) {
                finish(&drive, &mut unit, id).await?;
            }
        }
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, act)).await
}

fn next(drive: &Drive<'_>, read: &Read) -> Step {
    region_enablement::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        facts: read.facts.facts(),
        deployment: &read.facts.deployment.state,
        proofs: &read.proofs,
        hosts: &read.hosts,
        new_allocation: drive.config.clock.new_id(),
    })
}

async fn read(drive: &Drive<'_>, wanted: Enablement) -> Result<Read, AdvanceError> {
    let facts = RegionFacts::load(&drive.door, wanted).await?;
    let mut connection = drive.config.pool.acquire().await?;
    let rows = allocations::of_environment(&mut connection, wanted.environment, None, Ended::Included).await?;
    let hosts = hosts::hosts_of_cell(&mut connection, wanted.cell, 15.0).await?;
    let mine = |one: &Allocation| one.planned.as_ref().is_some_and(|p| p.proves == Some(drive.requested.id));
    let proofs = rows.into_iter().map(|(state, _)| state).filter(mine).collect();
    Ok(Read { facts, proofs, hosts })
}

async fn plan(drive: &Drive<'_>, read: &Read, unit: &mut Unit, planned: Planned) -> Result<(), AdvanceError> {
    drive.place_on(unit, planned.host).await?;
    let stream = StreamId::new(Allocation::CATEGORY, planned.id.0);
    let mut fresh = Loaded { stream, version: Version(0), state: Allocation::default(), last_event: None };
    unit.assert(&drive.operation);
    read.facts.assert(unit);
    decide(unit, &mut fresh, allocation::Command::Plan(planned))
}

async fn finish(drive: &Drive<'_>, unit: &mut Unit, id: AllocationId) -> Result<(), AdvanceError> {
    let mut proof = drive.door.load::<Allocation>(id).await?;
    let command = let_go(unit.now());
    decide(unit, &mut proof, command)
}

fn act(act: &Act) -> String {
    match act {
        Act::Plan(planned) => format!("plan proof allocation {}", planned.id),
        Act::Drain(id) => format!("drain proof allocation {id}"),
        Act::Enable(..) => "enable the region".to_owned(),
    }
}
