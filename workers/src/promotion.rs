//! Does what the process manager of promotions, rollbacks and failovers asks for: loads its world, carries out one step in one append.
//! Streams that were judged but not written are asserted at the versions that were read.

use crate::process::{AdvanceError, Drive, Outcome, decide, named};
use rhone_domain::{
    aggregate::Aggregate,
    allocation::{self, Allocation},
    edge_status::EdgeStatus,
    envelope::StreamId,
    ids::HostId,
    numbers::Version,
    operation::{Evidence, Gate, RouteChange, Stage},
    promotion::{self, Act, EDGE_LIVE, Step, World},
    route_owner,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        hosts,
    },
    edges,
    gate_facts::GateFacts,
};

/// The world as it was read, to be asserted.
struct Read {
    gates: GateFacts,
    hosts: Vec<HostId>,
    edges: Vec<EdgeStatus>,
    left: Vec<EdgeStatus>,
}

/// Does the next step of a promotion, rollback or failover.
pub(crate) async fn advance(mut drive: Drive<'_>, change: &RouteChange) -> Result<Outcome, AdvanceError> {
    // In a box, for its size: it holds what the gates look at twice over.
    let mut read = Box::pin(read(&drive, change)).await?;
    let step = next(&drive, &read);
    let mut unit = drive.unit();
    match step.clone() {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Enter(..) => read.gates.assert(&mut unit),
        Step::Do(Act::Plan(planned)) => {
            let stream = StreamId::new(Allocation::CATEGORY, planned.id.0);
            let mut fresh = Loaded { stream, version: Version(0), state: Allocation::default(), last_event: None };
            drive.place_on(&mut unit, planned.host).await?;
            unit.assert(&drive.operation);
            unit.assert(&read.gates.deployment);
            decide(&mut unit, &mut fresh, allocation::Command::Plan(planned))?;
        }
        Step::Do(Act::ChangeRoute(command, gates)) => change_route(&mut unit, &mut drive, &mut read, command, gates)?,
        Step::Fail(_) | Step::Cancel => {}
    }
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, act)).await
}

fn next(drive: &Drive<'_>, read: &Read) -> Step {
    let Some(facts) = read.gates.facts(&drive.requested) else { return Step::Done };
    promotion::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        facts,
        hosts: &read.hosts,
        edges: &read.edges,
        left: &read.left,
        new_allocation: drive.config.clock.new_id(),
    })
}

async fn read(drive: &Drive<'_>, change: &RouteChange) -> Result<Read, AdvanceError> {
    let mut connection = drive.config.pool.acquire().await?;
    let (environment, deployment) = (change.environment, change.deployment);
    let rows = allocations::of_environment(&mut connection, environment, Some(deployment), Ended::Included).await?;
    let hosts = match drive.requested.cell {
        Some(cell) => hosts::hosts_of_cell(&mut connection, cell, 15.0).await?,
        None => Vec::new(),
    };
    #[expect(clippy::cast_precision_loss, reason = "fifteen")]
    let live = EDGE_LIVE.num_seconds() as f64;
    let edges = edges::live(&mut connection, drive.requested.region, live).await?;
    let left = match drive.requested.work.failover() {
        Some(failover) => edges::live(&mut connection, failover.from.region, live).await?,
        None => Vec::new(),
    };
    drop(connection);
    let gates = GateFacts::load(&drive.door, environment, deployment, rows).await?.with_hosts(&drive.door).await?;
    Ok(Read { gates, hosts, edges, left })
}

/// The one place where a route changes: route and operation in one append, on everything that was judged.
fn change_route(
    unit: &mut Unit,
    drive: &mut Drive<'_>,
    read: &mut Read,
    command: route_owner::Command,
    gates: Vec<Gate>,
) -> Result<(), AdvanceError> {
    read.gates.assert(unit);
    read.gates.assert_ready(&drive.requested, unit);
    decide(unit, &mut read.gates.owner, command)?;
    let evidence = Evidence { epoch: Some(read.gates.owner.state.epoch), gates, ..Evidence::default() };
    let changed = drive.entering(Stage::RouteCas, evidence);
    decide(unit, &mut drive.operation, changed)?;
    let propagating = drive.entering(Stage::EdgePropagating, Evidence::default());
    decide(unit, &mut drive.operation, propagating)
}

fn act(act: &Act) -> String {
    match act {
        Act::Plan(planned) => format!("plan allocation {}", planned.id),
        Act::ChangeRoute(..) => "change the route".to_owned(),
    }
}
