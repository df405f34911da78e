//! Does what the process manager of wakes asks for: loads its world, carries out one step in one append. A bad end and an
//! early one leave the route asleep under another generation, in the same append, so that it can be asked for again. The trap:
//! an allocation on a host that was cordoned meanwhile; its version is asserted.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use rhone_domain::{
    aggregate::Aggregate,
    allocation::{self, Allocation},
    deployment::Deployment,
    envelope::StreamId,
    environment::{DrainPolicy, Environment},
    ids::HostId,
    numbers::Version,
    operation::Stage,
    route_owner::{self, RouteOwner, Turn},
    wake::{self, ATTEMPTS, Act, Others, Step, Wake, World},
};
use rhone_eventstore::{Loaded, Unit};
use rhone_projections::authority::{
    allocations::{self, Ended},
    hosts,
    operations::{self, Begun},
};

/// The world as it was read, to be asserted.
struct Read {
    owner: Loaded<RouteOwner>,
    deployment: Loaded<Deployment>,
    drain: DrainPolicy,
    attempts: Vec<Loaded<Allocation>>,
    others: Vec<Loaded<Allocation>>,
    hosts: Vec<HostId>,
    begun: Others,
}

/// Does the next step of a wake.
pub(crate) async fn advance(mut drive: Drive<'_>, work: &Wake) -> Result<Outcome, AdvanceError> {
    let mut read = read(&drive, work).await?;
    let step = next(&drive, work, &read);
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => unit.assert(&read.owner),
        Step::Do(Act::Plan(planned)) => {
            let stream = StreamId::new(Allocation::CATEGORY, planned.id.0);
            let mut fresh = Loaded { stream, version: Version(0), state: Allocation::default(), last_event: None };
            unit.assert(&drive.operation);
            unit.assert(&read.owner);
            unit.assert(&read.deployment);
            drive.place_on(&mut unit, planned.host).await?;
            decide(&mut unit, &mut fresh, allocation::Command::Plan(*planned))?;
        }
        Step::Do(Act::Serve(turn)) => serve(&mut unit, &mut drive, &mut read, work, turn)?,
        Step::Fail(_) | Step::Cancel => sleep_on(&mut unit, &drive, &mut read, work)?,
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, act)).await
}

fn next(drive: &Drive<'_>, work: &Wake, read: &Read) -> Step {
    let states = |all: &[Loaded<Allocation>]| all.iter().map(|loaded| loaded.state.clone()).collect::<Vec<_>>();
    wake::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        wake: work,
        owner: &read.owner.state,
        deployment: &read.deployment.state,
        drain: read.drain,
        attempts: &states(&read.attempts),
        others: &states(&read.others),
        hosts: &read.hosts,
        begun: read.begun,
    })
}

async fn read(drive: &Drive<'_>, work: &Wake) -> Result<Read, AdvanceError> {
    let owner = drive.door.load::<RouteOwner>(work.environment).await?;
    let deployment = drive.door.load::<Deployment>(work.deployment).await?;
    let settings = drive.door.load::<Environment>(work.environment).await?.state;
    let mut attempts = Vec::with_capacity(ATTEMPTS);
    for number in 0..ATTEMPTS {
        attempts.push(drive.door.load::<Allocation>(work.attempt(drive.requested.id, number)).await?);
    }
    let mut connection = drive.config.pool.acquire().await?;
    let deployed = Some(work.deployment);
    let rows = allocations::of_environment(&mut connection, work.environment, deployed, Ended::Excluded).await?;
    let hosts = match drive.requested.cell {
        Some(cell) => hosts::hosts_of_cell(&mut connection, cell, 15.0).await?,
        None => Vec::new(),
    };
    let begun = operations::wakes(&mut connection, &drive.requested, Begun::Only).await?;
    let others = rows
        .into_iter()
        .filter_map(|(state, version)| {
            let stream = StreamId::new(Allocation::CATEGORY, state.planned.as_ref()?.id.0);
            Some(Loaded { stream, version, state, last_event: None })
        })
        .collect();
    let drain = settings.drain();
    Ok(Read { owner, deployment, drain, attempts, others, hosts, begun })
}

/// Route and operation in one append, on the allocation that is ready.
fn serve(unit: &mut Unit, drive: &mut Drive<'_>, read: &mut Read, work: &Wake, turn: Turn) -> Result<(), AdvanceError> {
    let hot = read.attempts.iter().chain(&read.others).find(|one| wake::is_hot(work, &read.owner.state, &one.state));
    if let Some(hot) = hot {
        unit.assert(hot);
    }
    unit.assert(&read.deployment);
    decide(unit, &mut read.owner, route_owner::Command::Wake(turn))?;
    let evidence = wake::proof(work, &read.owner.state, hot.map(|one| &one.state));
    let hot = drive.entering(Stage::Hot, evidence);
    decide(unit, &mut drive.operation, hot)
}

/// The wake came to nothing; a route that has moved on meanwhile is left alone.
fn sleep_on(unit: &mut Unit, drive: &Drive<'_>, read: &mut Read, work: &Wake) -> Result<(), AdvanceError> {
    let turn = work.turn(drive.requested.id, drive.config.clock.now());
    if read.owner.state.may_wake(turn.expected, turn.generation).is_ok() {
        decide(unit, &mut read.owner, route_owner::Command::FailWake(turn))?;
    }
    Ok(())
}

fn act(act: &Act) -> String {
    match act {
        Act::Plan(planned) => format!("plan allocation {}", planned.id),
        Act::Serve(_) => "let the route serve".to_owned(),
    }
}
