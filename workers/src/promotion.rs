//! Does what the process manager of promotions and rollbacks asks for: loads its world, carries out one step in one append.
//! Streams that were judged but not written are asserted at the versions that were read.

use crate::config::{Config, Door};
use metrics::histogram;
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    allocation::{self, Allocation, State},
    deployment::Deployment,
    edge_status::EdgeStatus,
    envelope::StreamId,
    ids::{HostId, OperationId},
    operation::{self, Evidence, Kind, Operation, Requested, Stage},
    promotion::{self, EDGE_LIVE, Step, World},
    route_owner::{self, RouteOwner},
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, ReadError, Unit};
use rhone_projections::{
    authority::allocations::{self, Ended},
    edges,
};

/// What a step came to.
pub(crate) enum Outcome {
    /// Something was appended.
    Advanced,
    /// Nothing to do until something changes.
    Waiting,
    /// It has ended.
    Ended,
}

/// Why a step did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdvanceError {
    /// The world could not be read.
    #[error("a stream could not be read")]
    Read(#[from] ReadError),
    /// The world could not be read.
    #[error("rows could not be read")]
    Rows(#[from] sqlx::Error),
    /// The append was refused or failed.
    #[error("step `{step}` was not appended")]
    Append {
        /// What it wanted to append.
        step: String,
        /// Why not.
        #[source]
        source: AppendError,
    },
    /// A rule refused what the process manager wanted: judge again.
    #[error("step refused: {0}")]
    Refused(String),
}

/// The world as it was read, to be asserted.
struct Read {
    operation: Loaded<Operation>,
    owner: Loaded<RouteOwner>,
    deployment: Loaded<Deployment>,
    allocations: Vec<Loaded<Allocation>>,
    hosts: Vec<HostId>,
    edges: Vec<EdgeStatus>,
}

/// Does the next step of an operation.
pub(crate) async fn advance(config: &Config, id: OperationId, fence: &FenceCheck) -> Result<Outcome, AdvanceError> {
    let door = config.door();
    let operation = door.load::<Operation>(id).await?;
    let (Some(requested), Some(stage)) = (operation.state.requested.clone(), operation.state.stage) else {
        return Ok(Outcome::Ended);
    };
    if stage.is_final() {
        return Ok(Outcome::Ended);
    }
    let mut read = read(config, &door, operation, &requested).await?;
    let states = read.allocations.iter().map(|loaded| loaded.state.clone()).collect::<Vec<_>>();
    let step = promotion::next(&World {
        now: config.clock.now(),
        operation: &read.operation.state,
        owner: &read.owner.state,
        deployment: &read.deployment.state,
        allocations: &states,
        hosts: &read.hosts,
        edges: &read.edges,
        new_allocation: config.clock.new_id(),
    });
    let unit = match &step {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => {
            tracing::trace!(operation.id = %id, %what, "waiting");
            return Ok(Outcome::Waiting);
        }
        Step::Enter(..) | Step::Plan(_) | Step::ChangeRoute(_) | Step::Fail(_) | Step::Cancel => {
            carry_out(config, &door, &mut read, &requested, step.clone())?
        }
    };
    let name = named(&step);
    door.commit(unit, None, Some(fence.clone()))
        .await
        .map_err(|source| AdvanceError::Append { step: name.clone(), source })?;
    tracing::info!(operation.id = %id, environment.id = %requested.environment, step = %name, "a step was taken");
    Ok(if read.operation.state.stage.is_some_and(Stage::is_final) {
        ended(config, &requested, &read.operation.state);
        Outcome::Ended
    } else {
        Outcome::Advanced
    })
}

async fn read(
    config: &Config,
    door: &Door,
    operation: Loaded<Operation>,
    requested: &Requested,
) -> Result<Read, AdvanceError> {
    let (owner, deployment) = tokio::try_join!(
        door.load::<RouteOwner>(requested.environment),
        door.load::<Deployment>(requested.deployment)
    )?;
    let mut connection = config.pool.acquire().await?;
    let deployed = Some(requested.deployment);
    let rows = allocations::of_environment(&mut connection, requested.environment, deployed, Ended::Included).await?;
    let hosts = allocations::hosts_of_cell(&mut connection, requested.cell, 15.0).await?;
    #[expect(clippy::cast_precision_loss, reason = "fifteen")]
    let live = EDGE_LIVE.num_seconds() as f64;
    let edges = edges::live(&mut connection, requested.region, live).await?;
    let allocations = rows
        .into_iter()
        .filter_map(|(state, version)| {
            let stream = StreamId::new(Allocation::CATEGORY, state.planned.as_ref()?.id.0);
            Some(Loaded { stream, version, state, last_event: None })
        })
        .collect();
    Ok(Read { operation, owner, deployment, allocations, hosts, edges })
}

fn carry_out(
    config: &Config,
    door: &Door,
    read: &mut Read,
    requested: &Requested,
    step: Step,
) -> Result<Unit, AdvanceError> {
    let writer = if requested.kind == Kind::Rollback { Writer::Rollback } else { Writer::Promotion };
    let context = config.context(writer, requested.workspace, requested.id.into(), read.operation.last_event);
    let mut unit = door.unit(context);
    unit.place(Some(requested.region), Some(requested.cell));
    match step {
        Step::Enter(stage, evidence) => {
            unit.assert(&read.owner);
            unit.assert(&read.deployment);
            decide(&mut unit, &mut read.operation, operation::Command::Enter { stage, evidence })?;
        }
        Step::Plan(planned) => {
            let stream = StreamId::new(Allocation::CATEGORY, planned.id.0);
            let none = rhone_domain::numbers::Version(0);
            let mut fresh = Loaded { stream, version: none, state: Allocation::default(), last_event: None };
            unit.assert(&read.operation);
            unit.assert(&read.deployment);
            decide(&mut unit, &mut fresh, allocation::Command::Plan(planned))?;
        }
        Step::ChangeRoute(command) => change_route(&mut unit, read, command)?,
        Step::Fail(failure) => decide(&mut unit, &mut read.operation, operation::Command::Fail(failure))?,
        Step::Cancel => decide(&mut unit, &mut read.operation, operation::Command::Cancel)?,
        Step::Wait(_) | Step::Done => {}
    }
    Ok(unit)
}

/// The one place where a route changes: route and operation in one append, on everything that was judged.
fn change_route(unit: &mut Unit, read: &mut Read, command: route_owner::Command) -> Result<(), AdvanceError> {
    unit.assert(&read.deployment);
    if let Some(ready) = read.allocations.iter().find(|one| one.state.state == Some(State::Ready)) {
        unit.assert(ready);
    }
    decide(unit, &mut read.owner, command)?;
    let evidence = Evidence { epoch: Some(read.owner.state.epoch), ..Evidence::default() };
    decide(unit, &mut read.operation, operation::Command::Enter { stage: Stage::RouteCas, evidence })?;
    let propagating = operation::Command::Enter { stage: Stage::EdgePropagating, evidence: Evidence::default() };
    decide(unit, &mut read.operation, propagating)
}

fn decide<A: Aggregate>(unit: &mut Unit, loaded: &mut Loaded<A>, command: A::Command) -> Result<(), AdvanceError> {
    unit.decide(loaded, command).map(drop).map_err(|rejection| AdvanceError::Refused(rejection.to_string()))
}

fn named(step: &Step) -> String {
    match step {
        Step::Enter(stage, _) => format!("enter {stage}"),
        Step::Plan(planned) => format!("plan allocation {}", planned.id),
        Step::ChangeRoute(_) => "change the route".to_owned(),
        Step::Fail(failure) => format!("fail with {}", failure.code),
        Step::Cancel => "cancel".to_owned(),
        Step::Wait(what) => format!("wait: {what}"),
        Step::Done => "done".to_owned(),
    }
}

fn ended(config: &Config, requested: &Requested, operation: &Operation) {
    let stage = operation.stage.map_or("", Stage::as_str);
    let began = requested.id.0.get_timestamp().map(|time| time.to_unix());
    let Some((seconds, nanos)) = began else { return };
    let began = chrono::DateTime::from_timestamp(i64::try_from(seconds).unwrap_or_default(), nanos).unwrap_or_default();
    let took = (config.clock.now() - began).as_seconds_f64();
    histogram!("rhone_operation_seconds", "kind" => requested.kind.as_str(), "end" => stage).record(took.max(0.0));
}
