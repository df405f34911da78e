//! Does what the process manager of host drains asks for. What is done to the host is one append with the stage it leads to;
//! what is done to a tenant's allocation is an append of that tenant's, under the operation's fence and version. The traps: a
//! replacement on a host that was cordoned meanwhile, and one that answers no longer when what it replaces is told to finish;
//! both versions are asserted.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    allocation::{self, Allocation, Planned, State},
    edge_status::Sessions,
    envelope::StreamId,
    host::{self, Host},
    host_drain::{self, Act, HostDrain, Step, World, headroom::Standing},
    ids::{AllocationId, WorkspaceId},
    numbers::Version,
    operation::{Evidence, Stage},
    promotion::EDGE_LIVE,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_projections::{
    authority::{allocations, hosts},
    edges,
};

/// The world as it was read.
struct Read {
    host: Loaded<Host>,
    heard_at: Option<DateTime<Utc>>,
    hosts: Vec<Standing>,
    allocations: Vec<Allocation>,
    replacements: Vec<Allocation>,
    sessions: Vec<Sessions>,
}

/// Does the next step of a host drain.
pub(crate) async fn advance(mut drive: Drive<'_>, drain: HostDrain) -> Result<Outcome, AdvanceError> {
    let mut read = read(&drive, drain).await?;
    let step = next(&drive, &read, drain);
    let unit = match &step {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Do(Act::Plan(planned)) => plan(&drive, planned).await?,
        Step::Do(Act::Drain(old)) => finish(&drive, &read, *old).await?,
        Step::Enter(..) | Step::Fail(_) | Step::Cancel | Step::Do(_) => {
            let mut unit = drive.unit();
            let then = on_host(&mut unit, &mut read.host, &step)?;
            drive.go_on(&mut unit, then.as_ref().unwrap_or(&step))?;
            unit
        }
    };
    drive.commit(unit, named(&step, act)).await
}

fn next(drive: &Drive<'_>, read: &Read, drain: HostDrain) -> Step {
    host_drain::next(&World {
        now: drive.config.clock.now(),
        drain,
        operation: &drive.operation.state,
        host: &read.host.state,
        heard_at: read.heard_at,
        hosts: &read.hosts,
        allocations: &read.allocations,
        replacements: &read.replacements,
        sessions: &read.sessions,
        new_allocation: drive.config.clock.new_id(),
    })
}

async fn read(drive: &Drive<'_>, drain: HostDrain) -> Result<Read, AdvanceError> {
    let host = drive.door.load::<Host>(drain.host).await?;
    let mut connection = drive.config.pool.acquire().await?;
    #[expect(clippy::cast_precision_loss, reason = "fifteen")]
    let lately = EDGE_LIVE.num_seconds() as f64;
    let cell = match &host.state.created {
        Some(created) => hosts::of_cell(&mut connection, created.cell, lately).await?,
        None => Vec::new(),
    };
    let mine = |one: &&hosts::Standing| one.host.created.as_ref().is_some_and(|created| created.id == drain.host);
    let heard_at = cell.iter().find(mine).and_then(|one| one.seen_at);
    let allocations = allocations::on_host(&mut connection, drain.host).await?;
    let ids: Vec<AllocationId> = allocations.iter().filter_map(|one| Some(one.planned.as_ref()?.id)).collect();
    let replacements = allocations::replacing(&mut connection, &ids).await?;
    let live = edges::live(&mut connection, drive.requested.region, lately).await?;
    let sessions = live.into_iter().flat_map(|edge| edge.sessions).collect();
    let hosts = cell.iter().filter_map(standing).collect();
    Ok(Read { host, heard_at, hosts, allocations, replacements, sessions })
}

fn standing(one: &hosts::Standing) -> Option<Standing> {
    let (host, state) = (one.host.created.as_ref()?.id, one.host.state?);
    Some(Standing { host, state, capacity: one.host.capacity(), held: one.held, heard: one.heard })
}

/// The host's part of a step, and the operation's that goes with it.
fn on_host(unit: &mut Unit, host: &mut Loaded<Host>, step: &Step) -> Result<Option<Step>, AdvanceError> {
    let enter = |stage| Step::Enter(stage, Evidence::default());
    let (command, then): (&host::Command, Step) = match step {
        Step::Do(Act::Cordon(command)) => (command, enter(Stage::Cordoned)),
        Step::Do(Act::Evacuate(command, evidence)) => (command, Step::Enter(Stage::Evacuating, evidence.clone())),
        Step::Do(Act::Release(command)) => (command, enter(Stage::Uncordoned)),
        Step::Do(Act::GiveUp(command, failure)) => (command, Step::Fail(failure.clone())),
        Step::Do(Act::Undo(command)) => (command, Step::Cancel),
        Step::Do(Act::Plan(_) | Act::Drain(_))
        | Step::Enter(..)
        | Step::Fail(_)
        | Step::Cancel
        | Step::Wait(_)
        | Step::Done => {
            unit.assert(host);
            return Ok(None);
        }
    };
    decide(unit, host, command.clone())?;
    Ok(Some(then))
}

/// An append about a tenant's allocation, for this operation.
fn of_tenant(drive: &Drive<'_>, planned: &Planned) -> Unit {
    let (workspace, cause): (WorkspaceId, _) = (planned.workspace, drive.operation.last_event);
    let context = drive.config.context(Writer::Platform, workspace, drive.requested.id.into(), cause);
    let mut unit = drive.door.unit(context);
    unit.place(Some(planned.region), Some(planned.cell));
    unit.assert(&drive.operation);
    unit
}

async fn plan(drive: &Drive<'_>, planned: &Planned) -> Result<Unit, AdvanceError> {
    let stream = StreamId::new(Allocation::CATEGORY, planned.id.0);
    let mut fresh = Loaded { stream, version: Version(0), state: Allocation::default(), last_event: None };
    let mut unit = of_tenant(drive, planned);
    drive.place_on(&mut unit, planned.host).await?;
    decide(&mut unit, &mut fresh, allocation::Command::Plan(planned.clone()))?;
    Ok(unit)
}

/// On its replacement, at the version at which it answers.
async fn finish(drive: &Drive<'_>, read: &Read, old: AllocationId) -> Result<Unit, AdvanceError> {
    let mut allocation = drive.door.load::<Allocation>(old).await?;
    let Some(planned) = allocation.state.planned.clone() else {
        return Err(AdvanceError::Refused(format!("there is no allocation {old}")));
    };
    let Some(stands_in) = host_drain::stands_in(&read.replacements, old) else {
        return Err(AdvanceError::Refused(format!("nothing answers in the place of allocation {old}")));
    };
    let replacement = drive.door.load::<Allocation>(stands_in).await?;
    if replacement.state.state != Some(State::Ready) {
        return Err(AdvanceError::Refused(format!("what replaces allocation {old} answers no longer")));
    }
    let mut unit = of_tenant(drive, &planned);
    unit.assert(&replacement);
    let reason = "its host is drained, and its replacement answers".to_owned();
    let by_policy = i64::try_from(planned.drain_timeout_ms).unwrap_or(i64::MAX / 1_000);
    let deadline = Some(unit.now() + TimeDelta::milliseconds(by_policy));
    decide(&mut unit, &mut allocation, allocation::Command::Drain { reason, deadline })?;
    Ok(unit)
}

fn act(act: &Act) -> String {
    match act {
        Act::Cordon(_) => "cordon the host".to_owned(),
        Act::Evacuate(..) => "begin to evacuate the host".to_owned(),
        Act::Plan(planned) => format!("plan replacement {}", planned.id),
        Act::Drain(old) => format!("drain allocation {old}"),
        Act::Release(_) => "take the host back".to_owned(),
        Act::GiveUp(_, failure) => format!("undo the cordon and fail with {}", failure.code),
        Act::Undo(_) => "undo the cordon and cancel".to_owned(),
    }
}
