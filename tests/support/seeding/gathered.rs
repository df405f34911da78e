//! A log that keeps nothing but what it is given, until it is all appended to the real one at once. The trap avoided: a
//! shortcut into the tables; what is gathered goes through the log's own append, which judges versions and shape again.

use rhone_domain::{envelope::StreamId, ids::WorkspaceId, numbers::Version};
use rhone_eventstore::{
    Append, AppendError, Appended, Log, LogIncarnation, Position, ReadError, Recorded, log::StreamWrite,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Appends that wait. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered(Arc<Mutex<Vec<Append>>>);

impl Gathered {
    /// All of it as one append: each stream once, each authority row as the last append leaves it, as a commit of one unit
    /// would have it.
    pub(super) fn take(&self, workspace: WorkspaceId) -> Append {
        let gathered = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut writes: Vec<StreamWrite> = Vec::new();
        let mut places: BTreeMap<StreamId, usize> = BTreeMap::new();
        let mut rows: Vec<Value> = Vec::new();
        let mut row_places: BTreeMap<String, usize> = BTreeMap::new();
        for append in gathered {
            for write in append.writes {
                let place = *places.entry(write.stream.clone()).or_insert(writes.len());
                match writes.get_mut(place) {
                    Some(known) => known.events.extend(write.events),
                    None => writes.push(write),
                }
            }
            for row in append.inline {
                let place = *row_places.entry(key(&row)).or_insert(rows.len());
                match rows.get_mut(place) {
                    Some(known) => *known = row,
                    None => rows.push(row),
                }
            }
        }
        Append { writes, inline: rows, ..Append::new(workspace) }
    }
}

/// What an authority row is about.
fn key(row: &Value) -> String {
    let part = |name: &str| row.get(name).map(Value::to_string).unwrap_or_default();
    let id = ["operation", "allocation", "environment", "workspace", "host", "key"].map(part);
    format!("{} {} {}", part("table"), part("region"), id.join(" "))
}

impl Log for Gathered {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(append);
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
