//! What was lost with its host: a host that was retired, which never comes back, and one that is silent, which may.

use super::Turn;
use crate::{
    config::Config,
    turn::{TurnError, settled},
};
use rhone_domain::{
    actor::Writer,
    allocation::Allocation,
    host::Host,
    ids::{AllocationId, CellId, CorrelationId, HostId},
    numbers::Version,
    scheduling::{self, HOST_LOST},
};
use rhone_projections::authority::{allocations, hosts};
use sqlx::PgConnection;
use std::{collections::BTreeSet, time::Instant};

impl Turn<'_> {
    /// What was on a host that never comes back has failed. Whose traffic it was is not asked and not changed. Page by page to the
    /// end: what cannot be given up stays, and must not be all that is ever looked at.
    pub(super) async fn give_up_what_is_lost(&self, renewed: &mut Instant) -> Result<(), TurnError> {
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

    /// What starts on a silent host, as it is by now: if its runner was faster, it stays. Whose traffic it would have had is not asked.
    pub(super) async fn give_up_start(&self, id: AllocationId) -> Result<(), TurnError> {
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
}

/// Hosts that are silent; none while this worker has not looked for long enough to say so.
pub(super) async fn lost(config: &Config, connection: &mut PgConnection) -> Result<BTreeSet<HostId>, sqlx::Error> {
    let silence = HOST_LOST.as_seconds_f64();
    if config.begun.elapsed().as_secs_f64() <= silence {
        return Ok(BTreeSet::new());
    }
    Ok(hosts::lost_anywhere(connection, silence).await?.into_iter().collect())
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
