//! The allocation reconciler: no input of its own, idempotent. It follows route owners, drains what no longer owns anything
//! and replaces what an owner has lost. The trap: two workers that each replace the same loss, which no assertion would
//! notice, since a new allocation changes no stream that both have read; every append carries the fence of the lease.

use crate::{
    config::{Config, Door},
    turn::{TurnError, settled},
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    allocation::{self, Allocation, Placement, Planned, Said},
    deployment::Deployment,
    envelope::StreamId,
    environment::{DrainPolicy, Environment},
    host::Host,
    ids::{AllocationId, CellId, CorrelationId, EnvironmentId, HostId, OperationId},
    numbers::{Fence, Version, seconds},
    operation::{Operation, Work},
    promotion::EDGE_LIVE,
    route_owner::RouteOwner,
    scheduling::{self, HOST_LOST, Lane, Order, REMEMBERED, leaving, orders},
    sleep,
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, Unit, lease::Leases};
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        hosts, operations, route_owners,
    },
    edges,
};
use sqlx::PgConnection;
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

const NAME: &str = "scheduler";
const LEASE: Duration = Duration::from_secs(10);
/// How many records of closed sessions one turn makes; the rest is said again in the next.
const RECORDED_AT_ONCE: usize = 100;
const TURN: Duration = Duration::from_secs(1);

/// Reconciles for ever.
pub(crate) async fn run(config: Config) {
    let leases = Leases::new(config.pool.clone());
    loop {
        match leases.claim(NAME, &config.owner(), LEASE).await {
            Ok(Some(fence)) => {
                let door = config.door();
                let turn = Turn { config: &config, door: &door, leases: &leases, fence };
                if let Err(error) = turn.run().await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the scheduler pauses");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the scheduler has no lease"),
        }
        tokio::time::sleep(TURN).await;
    }
}

/// One look at every lane, under one fence.
struct Turn<'a> {
    config: &'a Config,
    door: &'a Door,
    leases: &'a Leases,
    fence: Fence,
}

impl Turn<'_> {
    async fn run(&self) -> Result<(), TurnError> {
        let mut renewed = Instant::now();
        self.give_up_what_is_lost(&mut renewed).await?;
        let mut connection = self.config.pool.acquire().await?;
        let lanes = route_owners::lanes(&mut connection).await?;
        drop(connection);
        for (owner, version) in lanes {
            if !self.holds(&mut renewed).await? {
                return Ok(());
            }
            settled(self.lane(&owner, version).await, owner.lane().map(|lane| lane.environment))?;
        }
        // Evidence comes last: nothing that serves waits for it.
        self.record_what_was_closed(&mut renewed).await
    }

    /// Whether the lease is still held, which is renewed long before it runs out.
    async fn holds(&self, renewed: &mut Instant) -> Result<bool, TurnError> {
        if renewed.elapsed() < LEASE / 3 {
            return Ok(true);
        }
        let held = self.leases.renew(NAME, &self.config.owner(), self.fence, LEASE).await?;
        *renewed = Instant::now();
        Ok(held)
    }

    /// What was on a host that never comes back has failed. Whose traffic it was is not asked and not changed. Page by page to the
    /// end: what cannot be given up stays, and must not be all that is ever looked at.
    async fn give_up_what_is_lost(&self, renewed: &mut Instant) -> Result<(), TurnError> {
        let mut after = None;
        loop {
            let mut connection = self.config.pool.acquire().await?;
            let lost = allocations::on_retired_hosts(&mut connection, after).await?;
            drop(connection);
            if lost.is_empty() {
                return Ok(());
            }
            after = lost.last().copied();
            for id in lost {
                if !self.holds(renewed).await? {
                    return Ok(());
                }
                settled(self.give_up(id).await, Some(id))?;
            }
        }
    }

    async fn give_up(&self, id: AllocationId) -> Result<(), TurnError> {
        let mut loaded = self.door.load::<Allocation>(id).await?;
        let Some(planned) = loaded.state.planned.clone() else { return Ok(()) };
        let host = self.door.load::<Host>(planned.host).await?;
        let context = self.config.context(Writer::Scheduler, planned.workspace, CorrelationId(id.0), host.last_event);
        let mut unit = self.door.unit(context);
        unit.place(Some(planned.region), Some(planned.cell));
        unit.assert(&host);
        if unit.decide(&mut loaded, scheduling::lost_with_its_host()).is_ok() {
            self.commit(unit).await?;
            tracing::info!(allocation.id = %id, host.id = %planned.host, "an allocation was lost with its host");
        }
        Ok(())
    }

    /// What edges closed at a drain deadline is evidence of its allocation, whatever became of that since.
    async fn record_what_was_closed(&self, renewed: &mut Instant) -> Result<(), TurnError> {
        let mut connection = self.config.pool.acquire().await?;
        let edges = edges::closing(&mut connection, EDGE_LIVE.as_seconds_f64()).await?;
        let said = allocation::said(&edges, self.config.clock.now());
        let ids = said.iter().map(|one| one.allocation).collect::<Vec<_>>();
        let known = allocations::by_ids(&mut connection, &ids).await?;
        drop(connection);
        let planned = known.iter().filter_map(|known| Some((known.planned.as_ref()?, known)));
        let known: HashMap<_, _> = planned.map(|(planned, known)| ((planned.id, planned.region), known)).collect();
        let is_news =
            |one: &&Said| known.get(&(one.allocation, one.region)).is_some_and(|known| known.is_news(&one.closed));
        for one in said.iter().filter(is_news).take(RECORDED_AT_ONCE) {
            if !self.holds(renewed).await? {
                return Ok(());
            }
            settled(self.record_closed(one).await, Some(one.allocation))?;
        }
        Ok(())
    }

    async fn record_closed(&self, said: &Said) -> Result<(), TurnError> {
        let mut loaded = self.door.load::<Allocation>(said.allocation).await?;
        let of_its_region = |planned: &Planned| planned.region == said.region;
        let Some(planned) = loaded.state.planned.clone().filter(of_its_region) else { return Ok(()) };
        let context = self.config.context(
            Writer::Scheduler,
            planned.workspace,
            CorrelationId(said.allocation.0),
            loaded.last_event,
        );
        let mut unit = self.door.unit(context);
        unit.place(Some(planned.region), Some(planned.cell));
        if unit.decide(&mut loaded, allocation::Command::RecordClosed(said.closed.clone())).is_ok() {
            self.commit(unit).await?;
            tracing::info!(allocation.id = %said.allocation, sessions = said.closed.sessions, "edges closed sessions");
        }
        Ok(())
    }

    async fn lane(&self, owner: &RouteOwner, version: Version) -> Result<(), TurnError> {
        let Some(environment) = owner.lane().map(|lane| lane.environment) else { return Ok(()) };
        let mut connection = self.config.pool.acquire().await?;
        let rows = allocations::of_environment(&mut connection, environment, None, Ended::Excluded).await?;
        let running = operations::running(&mut connection, environment).await?;
        let failures = match (&owner.owner, owner.place()) {
            (Some(of), Some(place)) => {
                let (within, there) = (REMEMBERED.as_seconds_f64(), (environment, place.cell));
                allocations::failures(&mut connection, there, of.runs(), within).await?
            }
            _ => Vec::new(),
        };
        let lost = lost(self.config, &mut connection, &rows).await?;
        // Only what sleeps is let go by use; what serves is not asked about.
        let edges = match (&owner.asleep, owner.place()) {
            (Some(_), Some(place)) => edges::live(&mut connection, place.region, EDGE_LIVE.as_seconds_f64()).await?,
            _ => Vec::new(),
        };
        drop(connection);
        let settings = self.door.load::<Environment>(environment).await?;
        if settings.state.created.is_none() {
            return Ok(());
        }
        let drain = settings.state.drain();
        let awaited = running
            .iter()
            .filter_map(|(o, _)| o.requested.as_ref().and_then(|r| r.work.deployment()))
            .collect::<Vec<_>>();
        let allocations = rows.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
        let ids = allocations.iter().filter_map(|one| Some(one.planned.as_ref()?.id));
        let busy = ids.filter(|id| sleep::open(&edges, *id) > 0).collect::<Vec<_>>();
        let now = self.config.clock.now();
        let leaving = running.iter().flat_map(|(operation, _)| leaving(operation)).copied().collect::<Vec<_>>();
        let proving = running.iter().filter_map(|(operation, _)| proving(operation)).collect::<Vec<_>>();
        let look = Lane {
            now,
            owner,
            replicas: settings.state.replicas,
            drain,
            allocations: &allocations,
            failures: &failures,
            awaited: &awaited,
            leaving: &leaving,
            proving: &proving,
            lost: &lost,
            busy: &busy,
        };
        for order in orders(&look) {
            match order {
                Order::Drain(id, reason) => self.drain(owner, version, id, (reason, until(now, drain))).await?,
                Order::GiveUp(id) => self.give_up_start(id).await?,
                Order::ReplaceOwner => self.replace(owner, version, drain).await?,
            }
        }
        Ok(())
    }

    /// What starts on a silent host, as it is by now: if its runner was faster, it stays. Whose traffic it would have had is not asked.
    async fn give_up_start(&self, id: AllocationId) -> Result<(), TurnError> {
        let mut loaded = self.door.load::<Allocation>(id).await?;
        let Some(planned) = loaded.state.planned.clone() else { return Ok(()) };
        let Some(command) = scheduling::silent_with_its_host(&loaded.state) else { return Ok(()) };
        let context = self.config.context(Writer::Scheduler, planned.workspace, CorrelationId(id.0), loaded.last_event);
        let mut unit = self.door.unit(context);
        unit.place(Some(planned.region), Some(planned.cell));
        if unit.decide(&mut loaded, command).is_ok() {
            self.commit(unit).await?;
            tracing::info!(allocation.id = %id, host.id = %planned.host, "a start on a silent host is given up");
        }
        Ok(())
    }

    async fn drain(
        &self,
        owner: &RouteOwner,
        version: Version,
        id: AllocationId,
        (reason, deadline): (&str, DateTime<Utc>),
    ) -> Result<(), TurnError> {
        let Some(opened) = owner.lane() else { return Ok(()) };
        let mut loaded = self.door.load::<Allocation>(id).await?;
        let context = self.config.context(Writer::Scheduler, opened.workspace, CorrelationId(id.0), loaded.last_event);
        let mut unit = self.door.unit(context);
        unit.place(Some(opened.region), Some(opened.cell));
        unit.assert(&as_read(owner, version, opened.environment));
        if unit
            .decide(&mut loaded, allocation::Command::Drain { reason: reason.to_owned(), deadline: Some(deadline) })
            .is_ok()
        {
            self.commit(unit).await?;
            tracing::info!(allocation.id = %id, reason, "an allocation is drained");
        }
        Ok(())
    }

    async fn replace(&self, owner: &RouteOwner, version: Version, drain: DrainPolicy) -> Result<(), TurnError> {
        let (Some(opened), Some(of)) = (owner.lane(), &owner.owner) else { return Ok(()) };
        let deployment = self.door.load::<Deployment>(of.deployment).await?;
        let Some(validated) = &deployment.state.validated else { return Ok(()) };
        let mut connection = self.config.pool.acquire().await?;
        let hosts = hosts::hosts_of_cell(&mut connection, opened.cell, 15.0).await?;
        let there = (opened.environment, Some(of.deployment));
        let same = allocations::of_environment(&mut connection, there.0, there.1, Ended::Excluded).await?;
        drop(connection);
        let same = same.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
        let Some(host) = scheduling::place(&hosts, &same) else { return Ok(()) };
        let host = self.door.load::<Host>(host).await?;
        let Some(created) = host.state.created.as_ref().filter(|_| host.state.may_take(0).is_ok()) else {
            return Ok(());
        };
        let id: AllocationId = self.config.clock.new_id();
        let placement = Placement { id, host: created.id, min_epoch: owner.epoch };
        let planned = Planned::of(&opened, of, validated, drain, placement);
        let stream = StreamId::new(Allocation::CATEGORY, id.0);
        let mut fresh = Loaded { stream, version: Version(0), state: Allocation::default(), last_event: None };
        let context = self.config.context(Writer::Scheduler, opened.workspace, CorrelationId(id.0), None);
        let mut unit = self.door.unit(context);
        unit.place(Some(opened.region), Some(opened.cell));
        unit.assert(&as_read(owner, version, opened.environment));
        unit.assert(&host);
        if unit.decide(&mut fresh, allocation::Command::Plan(planned)).is_ok() {
            self.commit(unit).await?;
            let environment = opened.environment;
            tracing::info!(allocation.id = %id, environment.id = %environment, "the owner's allocation is replaced");
        }
        Ok(())
    }

    async fn commit(&self, unit: Unit) -> Result<(), AppendError> {
        let fence = FenceCheck { lease: NAME.to_owned(), fence: self.fence };
        self.door.commit(unit, None, Some(fence)).await.map(drop)
    }
}

/// Hosts of the cells of these that are silent; none while this worker has not looked for long enough to say so.
pub(crate) async fn lost(
    config: &Config,
    connection: &mut PgConnection,
    allocations: &[(Allocation, Version)],
) -> Result<Vec<HostId>, sqlx::Error> {
    let too_early = config.begun.elapsed().as_secs_f64() <= HOST_LOST.as_seconds_f64();
    if too_early { Ok(Vec::new()) } else { silent(connection, allocations).await }
}

/// Hosts of the cells of these that are silent, whoever has looked for how long: for what only waits for them.
pub(crate) async fn silent(
    connection: &mut PgConnection,
    allocations: &[(Allocation, Version)],
) -> Result<Vec<HostId>, sqlx::Error> {
    let (silence, mut lost) = (HOST_LOST.as_seconds_f64(), Vec::new());
    let cells = allocations.iter().filter_map(|(one, _)| Some(one.planned.as_ref()?.cell));
    for cell in cells.collect::<BTreeSet<CellId>>() {
        lost.extend(hosts::lost_hosts(connection, cell, silence).await?);
    }
    Ok(lost)
}

/// A running operation that proves a region by allocations of its own.
fn proving(operation: &Operation) -> Option<OperationId> {
    let requested = operation.requested.as_ref()?;
    matches!(requested.work, Work::RegionEnablement(_)).then_some(requested.id)
}

/// Until when the sessions of what is drained now may go on.
fn until(now: DateTime<Utc>, drain: DrainPolicy) -> DateTime<Utc> {
    now + seconds(drain.drain_seconds)
}

fn as_read(owner: &RouteOwner, version: Version, environment: EnvironmentId) -> Loaded<RouteOwner> {
    let stream = StreamId::new(RouteOwner::CATEGORY, environment.0);
    Loaded { stream, version, state: owner.clone(), last_event: None }
}
