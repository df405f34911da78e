//! A log that keeps nothing but what it is given, until it is all appended to the real one at once. The trap avoided: a
//! shortcut into the tables; what is gathered goes through the log's own append, which judges versions and shape again.

use rhone_domain::{
    aggregate::Aggregate, allocation::Allocation, envelope::StreamId, ids::WorkspaceId, numbers::Version,
    operation::Operation, route_owner::RouteOwner, workspace::Workspace,
};
use rhone_eventstore::{
    Append, AppendError, Appended, Inline, Log, LogIncarnation, NewEvent, Position, ReadError, Recorded,
    log::StreamWrite,
};
use rhone_projections::inline::AuthorityRows;
use serde_json::Value;
use std::{
    any::Any,
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Appends that wait, and the states in which they leave their streams. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    appends: Vec<Append>,
    states: BTreeMap<StreamId, Box<dyn Any + Send + Sync>>,
}

impl Gathered {
    /// All of it as one append, as a commit of one unit would have it: each stream once, with the authority rows of its last
    /// state alone.
    pub(super) fn take(&self, workspace: WorkspaceId) -> Append {
        let Waiting { appends, states } = mem::take(&mut *self.waiting());
        let mut writes: Vec<StreamWrite> = Vec::new();
        let mut places: BTreeMap<StreamId, usize> = BTreeMap::new();
        for write in appends.into_iter().flat_map(|append| append.writes) {
            let place = *places.entry(write.stream.clone()).or_insert(writes.len());
            match writes.get_mut(place) {
                Some(known) => known.events.extend(write.events),
                None => writes.push(write),
            }
        }
        let rows = |write: &StreamWrite| match states.get(&write.stream) {
            Some(state) => AuthorityRows.rows(&write.stream, &**state, &write.events),
            None => Vec::new(),
        };
        let inline = writes.iter().flat_map(rows).collect();
        Append { writes, inline, ..Append::new(workspace) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inline for Gathered {
    /// None yet: only the last state of a stream leaves any.
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
        if let Some(state) = with_rows(state) {
            self.waiting().states.insert(stream.clone(), state);
        } else {
            let rows = AuthorityRows.rows(stream, state, events);
            assert!(rows.is_empty(), "{stream} has rows: name its noun in `with_rows`");
        }
        Vec::new()
    }
}

/// A copy of the state, of a noun that has authority rows.
fn with_rows(state: &dyn Any) -> Option<Box<dyn Any + Send + Sync>> {
    copy::<Operation>(state)
        .or_else(|| copy::<Allocation>(state))
        .or_else(|| copy::<RouteOwner>(state))
        .or_else(|| copy::<Workspace>(state))
}

fn copy<A: Aggregate>(state: &dyn Any) -> Option<Box<dyn Any + Send + Sync>> {
    let state = state.downcast_ref::<A>()?;
    Some(Box::new(state.clone()))
}

impl Log for Gathered {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.waiting().appends.push(append);
        Ok(Appended::Done { position: None })
    }

    async fn read_stream(&self, _: &StreamId, _: Version) -> Result<Vec<Recorded>, ReadError> {
        // Whoever gathers holds the states that it goes on from.
        Ok(Vec::new())
    }

    async fn read_all(&self, _: Position, _: u32) -> Result<Vec<Recorded>, ReadError> {
        Ok(Vec::new())
    }

    async fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        Ok(LogIncarnation { system: 0, timeline: 1, era: 1 })
    }
}

#[cfg(test)]
mod tests {
    //! That what is appended is what a commit of one unit would have appended.
    use super::*;
    use crate::seeding::{Places, Scale, life::Life};
    use rhone_domain::{
        aggregate::fold,
        ids::{CellId, HostId, RegionId},
    };
    use uuid::Uuid;

    fn of_its_events<A: Aggregate>(write: &StreamWrite) -> Vec<Value> {
        let events = write.events.iter().map(|event| event.decode::<A::Event>().expect("it was just written"));
        let events = events.collect::<Vec<_>>();
        let state: A = fold(&events);
        AuthorityRows.rows(&write.stream, &state, &write.events)
    }

    #[test]
    fn every_stream_leaves_the_rows_of_all_its_events() {
        let [region, cell, host] = [1, 2, 3].map(Uuid::from_u128);
        let places = Places { region: RegionId(region), cell: CellId(cell), host: HostId(host) };
        let life = Life::begin(places, 0).live(Scale { workspaces: 1, apps: 1, deployments: 4 });
        let rows = life.writes.iter().flat_map(|write| match write.stream.category() {
            Operation::CATEGORY => of_its_events::<Operation>(write),
            Allocation::CATEGORY => of_its_events::<Allocation>(write),
            RouteOwner::CATEGORY => of_its_events::<RouteOwner>(write),
            Workspace::CATEGORY => of_its_events::<Workspace>(write),
            _ => Vec::new(),
        });
        assert_eq!(life.inline, rows.collect::<Vec<_>>());
        for table in ["operation", "allocation", "route_owner", "membership", "feed"] {
            assert!(life.inline.iter().any(|row| row["table"] == table), "{table}");
        }
    }
}
