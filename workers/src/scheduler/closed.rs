//! Sessions that edges closed at a drain's deadline, put on record as evidence of the allocation they were on.

use super::Turn;
use crate::turn::{TurnError, settled};
use rhone_domain::{
    actor::Writer,
    allocation::{self, Allocation, Planned, Said},
    ids::CorrelationId,
    promotion::EDGE_LIVE,
};
use rhone_projections::{authority::allocations, edges};
use std::{collections::HashMap, time::Instant};

/// How many records of closed sessions one turn makes; the rest is said again in the next.
const RECORDED_AT_ONCE: usize = 100;

impl Turn<'_> {
    /// What edges closed at a drain deadline is evidence of its allocation, whatever became of that since.
    pub(super) async fn record_what_was_closed(&self, renewed: &mut Instant) -> Result<(), TurnError> {
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
}
