//! The allocation reconciler: no input of its own, idempotent. It follows route owners, drains what no longer owns anything
//! and replaces what an owner has lost. One worker does it at a time; a second one doing it too would change nothing.

use crate::config::{Config, Door};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    allocation::{self, Allocation, Planned},
    deployment::Deployment,
    envelope::StreamId,
    environment::Environment,
    ids::{AllocationId, CorrelationId, EnvironmentId},
    numbers::Version,
    route_owner::RouteOwner,
    scheduling::{Lane, Order, orders},
};
use rhone_eventstore::{AppendError, Loaded, ReadError, lease::Leases};
use rhone_projections::authority::{
    allocations::{self, Ended},
    operations, route_owners,
};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_secs(1);

/// Why a turn was cut short.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("rows could not be read")]
    Rows(#[from] sqlx::Error),
    #[error("a stream could not be read")]
    Read(#[from] ReadError),
    #[error("an order could not be appended")]
    Append(#[from] AppendError),
}

/// Reconciles for ever.
pub(crate) async fn run(config: Config) {
    let leases = Leases::new(config.pool.clone());
    loop {
        match leases.claim("scheduler", &config.owner(), LEASE).await {
            Ok(Some(_)) => {
                if let Err(error) = turn(&config).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the scheduler pauses");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the scheduler has no lease"),
        }
        tokio::time::sleep(TURN).await;
    }
}

async fn turn(config: &Config) -> Result<(), TurnError> {
    let mut connection = config.pool.acquire().await?;
    let lanes = route_owners::lanes(&mut connection).await?;
    drop(connection);
    for (owner, version) in lanes {
        match lane(config, &owner, version).await {
            // Somebody else moved it meanwhile; the next turn looks again.
            Err(TurnError::Append(AppendError::Conflict { .. })) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn lane(config: &Config, owner: &RouteOwner, version: Version) -> Result<(), TurnError> {
    let Some(environment) = owner.opened.as_ref().map(|opened| opened.environment) else { return Ok(()) };
    let mut connection = config.pool.acquire().await?;
    let rows = allocations::of_environment(&mut connection, environment, None, Ended::Excluded).await?;
    let running = operations::running(&mut connection, environment).await?;
    drop(connection);
    let door = config.door();
    let settings = door.load::<Environment>(environment).await?;
    let Some(drain) = settings.state.created.as_ref().map(|created| created.drain) else { return Ok(()) };
    let awaited = running.iter().filter_map(|(o, _)| o.requested.as_ref().map(|r| r.deployment)).collect::<Vec<_>>();
    let states = rows.iter().map(|(state, _)| state.clone()).collect::<Vec<_>>();
    let look = Lane { now: config.clock.now(), owner, drain, allocations: &states, awaited: &awaited };
    for order in orders(&look) {
        match order {
            Order::Drain(id, reason) => drain_one(config, &door, owner, version, id, reason).await?,
            Order::ReplaceOwner => replace(config, &door, owner, version, environment, drain.drain_seconds).await?,
        }
    }
    Ok(())
}

async fn drain_one(
    config: &Config,
    door: &Door,
    owner: &RouteOwner,
    version: Version,
    id: AllocationId,
    reason: &str,
) -> Result<(), TurnError> {
    let Some(opened) = &owner.opened else { return Ok(()) };
    let mut loaded = door.load::<Allocation>(id).await?;
    let correlation = CorrelationId(id.0);
    let mut unit = door.unit(config.context(Writer::Scheduler, opened.workspace, correlation, loaded.last_event));
    unit.place(Some(opened.region), Some(opened.cell));
    unit.assert(&as_read(owner, version, opened.environment));
    if unit.decide(&mut loaded, allocation::Command::Drain { reason: reason.to_owned() }).is_ok() {
        door.commit(unit, None, None).await?;
        tracing::info!(allocation.id = %id, reason, "an allocation is drained");
    }
    Ok(())
}

async fn replace(
    config: &Config,
    door: &Door,
    owner: &RouteOwner,
    version: Version,
    environment: EnvironmentId,
    drain_seconds: u64,
) -> Result<(), TurnError> {
    let (Some(opened), Some(of)) = (&owner.opened, &owner.owner) else { return Ok(()) };
    let deployment = door.load::<Deployment>(of.deployment).await?;
    let Some(validated) = &deployment.state.validated else { return Ok(()) };
    let mut connection = config.pool.acquire().await?;
    let hosts = allocations::hosts_of_cell(&mut connection, opened.cell, 15.0).await?;
    drop(connection);
    let Some(host) = hosts.first() else { return Ok(()) };
    let id: AllocationId = config.clock.new_id();
    let planned = Planned {
        id,
        workspace: opened.workspace,
        app: opened.app,
        environment,
        deployment: of.deployment,
        env_set: of.env_set,
        artifact: of.artifact,
        region: opened.region,
        cell: opened.cell,
        host: *host,
        min_epoch: owner.epoch,
        command: validated.command.clone(),
        health_path: validated.health_path.clone(),
        ready_timeout_ms: 30_000,
        drain_timeout_ms: drain_seconds.saturating_mul(1_000),
    };
    let stream = StreamId::new(Allocation::CATEGORY, id.0);
    let mut fresh = Loaded { stream, version: Version(0), state: Allocation::default(), last_event: None };
    let mut unit = door.unit(config.context(Writer::Scheduler, opened.workspace, CorrelationId(id.0), None));
    unit.place(Some(opened.region), Some(opened.cell));
    unit.assert(&as_read(owner, version, environment));
    if unit.decide(&mut fresh, allocation::Command::Plan(planned)).is_ok() {
        door.commit(unit, None, None).await?;
        tracing::info!(allocation.id = %id, environment.id = %environment, "the owner's allocation is replaced");
    }
    Ok(())
}

fn as_read(owner: &RouteOwner, version: Version, environment: EnvironmentId) -> Loaded<RouteOwner> {
    let stream = StreamId::new(RouteOwner::CATEGORY, environment.0);
    Loaded { stream, version, state: owner.clone(), last_event: None }
}
