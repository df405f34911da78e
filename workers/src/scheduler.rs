//! The allocation reconciler: no input of its own, idempotent. It follows route owners, drains what no longer owns anything
//! and replaces what an owner has lost. The trap: two workers that each replace the same loss, which no assertion would
//! notice, since a new allocation changes no stream that both have read; every append carries the fence of the lease.

mod closed;
mod lost;

pub(crate) use lost::silent;

use crate::{
    config::{Config, Door},
    turn::{TurnError, settled},
    watch::Watch,
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    allocation::{self, Allocation, Placement, Planned},
    deployment::Deployment,
    envelope::StreamId,
    environment::{DrainPolicy, Environment},
    host::Host,
    ids::{AllocationId, CorrelationId, EnvironmentId, HostId, OperationId},
    numbers::{Fence, Version, seconds},
    operation::{Operation, Work},
    promotion::EDGE_LIVE,
    route_owner::RouteOwner,
    scheduling::{self, Lane, Order, REMEMBERED, leaving, orders, rests},
    sleep,
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, Unit, lease::Leases};
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        hosts, lanes, operations, route_owners,
    },
    edges,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const NAME: &str = "scheduler";
const LEASE: Duration = Duration::from_secs(10);
/// How long a turn looks at lanes, and how long a lane that is not at rest is left alone.
const TURN: Duration = Duration::from_secs(1);
/// How many owners are read at a time.
const AT_ONCE: usize = 20;

/// What changes a lane: who owns its traffic, what runs for it, what is wanted, and what is under way.
const CATEGORIES: [&str; 4] = [RouteOwner::CATEGORY, Allocation::CATEGORY, Environment::CATEGORY, Operation::CATEGORY];

/// Reconciles for ever.
pub(crate) async fn run(config: Config) {
    let leases = Leases::new(config.pool.clone());
    let mut watched = Watched::default();
    loop {
        match leases.claim(NAME, &config.owner(), LEASE).await {
            Ok(Some(fence)) => {
                let door = config.door();
                let turn = Turn { config: &config, door: &door, leases: &leases, fence };
                if let Err(error) = turn.run(watched.under(fence)).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the scheduler pauses");
                    watched = Watched::default();
                }
            }
            // Whoever does not hold it knows of nothing that is due.
            Ok(None) => watched = Watched::default(),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the scheduler has no lease");
                watched = Watched::default();
            }
        }
        let pause = if watched.lanes.is_due(Instant::now()) { TURN / 4 } else { TURN };
        tokio::time::sleep(pause).await;
    }
}

/// What the scheduler has seen under a fence. Nothing is decided by it.
#[derive(Default)]
struct Watched {
    fence: Option<Fence>,
    lanes: Watch,
    /// Hosts that were silent for too long when they were last asked for.
    lost: BTreeSet<HostId>,
}

impl Watched {
    /// What was seen under another fence is forgotten: somebody else has looked since.
    fn under(&mut self, fence: Fence) -> &mut Self {
        if self.fence != Some(fence) {
            *self = Self { fence: Some(fence), ..Self::default() };
        }
        self
    }
}

/// One look at every lane that may need one, under one fence.
struct Turn<'a> {
    config: &'a Config,
    door: &'a Door,
    leases: &'a Leases,
    fence: Fence,
}

impl Turn<'_> {
    async fn run(&self, watched: &mut Watched) -> Result<(), TurnError> {
        let mut renewed = Instant::now();
        self.give_up_what_is_lost(&mut renewed).await?;
        self.hear(watched).await?;
        self.look(watched, &mut renewed).await?;
        // Evidence comes last: nothing that serves waits for it.
        self.record_what_was_closed(&mut renewed).await
    }

    /// What happened in the log, and which hosts fell silent or are heard again, which no event tells.
    async fn hear(&self, watched: &mut Watched) -> Result<(), TurnError> {
        let mut connection = self.config.pool.acquire().await?;
        let now = Instant::now();
        watched.lanes.hear(&mut connection, &CATEGORIES, now).await?;
        let lost = lost::lost(self.config, &mut connection).await?;
        let differ = lost.symmetric_difference(&watched.lost).copied().collect::<Vec<_>>();
        if !differ.is_empty() {
            watched.lanes.news(lanes::on_hosts(&mut connection, &differ).await?, now);
        }
        watched.lost = lost;
        Ok(())
    }

    /// Until nothing is due, or the turn is over; news is heard before the rest is looked at.
    async fn look(&self, watched: &mut Watched, renewed: &mut Instant) -> Result<(), TurnError> {
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            let next = watched.lanes.take(AT_ONCE, Instant::now());
            if next.is_empty() {
                break;
            }
            let mut connection = self.config.pool.acquire().await?;
            let owners = route_owners::by_environments(&mut connection, &next).await?;
            drop(connection);
            for (owner, version) in &owners {
                let Some(lane) = owner.lane().map(|lane| lane.environment) else { continue };
                if !self.holds(renewed).await? {
                    return Ok(());
                }
                let looked = self.lane(owner, *version, &watched.lost).await;
                let now = Instant::now();
                match &looked {
                    Ok(Rest::Done) => {}
                    Ok(Rest::Rests) => watched.lanes.rests(lane, now),
                    Ok(Rest::Open) | Err(_) => watched.lanes.again(lane, now + TURN),
                }
                settled(looked.map(drop), Some(lane))?;
            }
        }
        Ok(())
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

    async fn lane(&self, owner: &RouteOwner, version: Version, silent: &BTreeSet<HostId>) -> Result<Rest, TurnError> {
        let Some(environment) = owner.lane().map(|lane| lane.environment) else { return Ok(Rest::Done) };
        let mut connection = self.config.pool.acquire().await?;
        let rows = allocations::of_environment(&mut connection, environment, None, Ended::Excluded).await?;
        if rows.is_empty() && owner.owner.is_none() {
            return Ok(Rest::Done);
        }
        let running = operations::running(&mut connection, environment).await?;
        let failures = match (&owner.owner, owner.place()) {
            (Some(of), Some(place)) => {
                let (within, there) = (REMEMBERED.as_seconds_f64(), (environment, place.cell));
                allocations::failures(&mut connection, there, of.runs(), within).await?
            }
            _ => Vec::new(),
        };
        let lost = silent.iter().copied().collect::<Vec<_>>();
        // Only what sleeps is let go by use; what serves is not asked about.
        let edges = match (&owner.asleep, owner.place()) {
            (Some(_), Some(place)) => edges::live(&mut connection, place.region, EDGE_LIVE.as_seconds_f64()).await?,
            _ => Vec::new(),
        };
        drop(connection);
        let settings = self.door.load::<Environment>(environment).await?;
        if settings.state.created.is_none() {
            return Ok(Rest::Done);
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
        Ok(if rests(&look) { Rest::Rests } else { Rest::Open })
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

/// What a look at a lane leaves.
enum Rest {
    /// Nothing owns it and nothing runs for it; an event will bring it back.
    Done,
    /// Time alone changes nothing in it.
    Rests,
    /// It is to be looked at again.
    Open,
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
