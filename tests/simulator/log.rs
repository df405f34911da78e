//! The log in memory with faults around it, and the authority rows it would have written in the same transaction: routes that
//! never go back, operations, allocations, and the region's feed.

use crate::sins::{Sin, committed};
use rhone_domain::{
    allocation::Allocation,
    digest::Digest,
    envelope::StreamId,
    feed::{Content, Entry, chain},
    ids::{AllocationId, EnvironmentId, Incarnation, OperationId},
    numbers::{Epoch, FeedSeq, Version},
    operation::Operation,
};
use rhone_eventstore::{
    Append, AppendError, Appended, Clock, Log, LogIncarnation, MemoryLog, Position, ReadError, Recorded,
};
use rhone_tests::rules::LYON;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// What goes wrong with the next append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Weather {
    #[default]
    Fair,
    /// It does not happen.
    Unavailable,
    /// It happens, and nobody is told.
    Unknown,
}

/// The authority rows.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) operations: BTreeMap<OperationId, (Operation, Version)>,
    pub(crate) routes: BTreeMap<EnvironmentId, (Epoch, u64)>,
    pub(crate) allocations: BTreeMap<AllocationId, (Allocation, Version)>,
    pub(crate) feed: Vec<Entry>,
    pub(crate) weather: Weather,
    offered: usize,
}

/// The log, with its rows. Clones share both.
#[derive(Clone)]
pub(crate) struct SimLog {
    pub(crate) log: MemoryLog,
    tables: Arc<Mutex<Tables>>,
}

impl SimLog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { log: MemoryLog::new(clock), tables: Arc::default() }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn weather(&self, weather: Weather) {
        self.tables().weather = weather;
    }
}

fn lost() -> sqlx::Error {
    sqlx::Error::PoolClosed
}

impl Log for SimLog {
    async fn append(&self, mut append: Append) -> Result<Appended, AppendError> {
        let weather = std::mem::take(&mut self.tables().weather);
        if weather == Weather::Unavailable {
            return Err(AppendError::Unavailable(lost()));
        }
        if committed(Sin::FenceIgnored) {
            append.fence = None;
        }
        if committed(Sin::AssertionsIgnored) {
            append.asserts.clear();
        }
        if committed(Sin::KeyIgnored) {
            append.idempotency = None;
        }
        let changes_a_route = append.writes.iter().any(|write| write.stream.category() == "route_owner");
        if committed(Sin::HalfAppend) && changes_a_route {
            append.writes.retain(|write| write.stream.category() == "route_owner");
        }
        let inline = append.inline.clone();
        self.tables().refuse_backwards(&inline)?;
        let appended = self.log.append(append).await?;
        if matches!(appended, Appended::Done { .. }) {
            self.tables().apply(&inline);
        }
        if weather == Weather::Unknown { Err(AppendError::Unknown(lost())) } else { Ok(appended) }
    }

    async fn read_stream(&self, stream: &StreamId, after: Version) -> Result<Vec<Recorded>, ReadError> {
        self.log.read_stream(stream, after).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        self.log.read_all(after, limit).await
    }

    async fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        self.log.incarnation().await
    }
}

fn word(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(row: &Value, name: &str) -> u64 {
    row.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn id(row: &Value, name: &str) -> Uuid {
    Uuid::parse_str(&word(row, name)).expect("an authority row names its key")
}

impl Tables {
    /// RH020: a route never goes back.
    fn refuse_backwards(&self, rows: &[Value]) -> Result<(), AppendError> {
        for row in rows.iter().filter(|row| word(row, "table") == "route_owner") {
            let known = self.routes.get(&EnvironmentId(id(row, "environment")));
            let offered = (Epoch(number(row, "epoch")), number(row, "revision"));
            if known.is_some_and(|known| *known >= offered) && !committed(Sin::EpochNotRaised) {
                let message = "a route never goes back".to_owned();
                return Err(AppendError::Refused { code: "RH020".to_owned(), message, detail: None });
            }
        }
        Ok(())
    }

    fn apply(&mut self, rows: &[Value]) {
        for row in rows {
            let version = Version(number(row, "version"));
            let body = row.get("body").cloned().unwrap_or_default();
            match word(row, "table").as_str() {
                "operation" => {
                    let body = serde_json::from_value(body).expect("an operation's row holds it");
                    self.operations.insert(OperationId(id(row, "operation")), (body, version));
                }
                "route_owner" => {
                    let at = (Epoch(number(row, "epoch")), number(row, "revision"));
                    self.routes.insert(EnvironmentId(id(row, "environment")), at);
                }
                "allocation" => {
                    let body = serde_json::from_value(body).expect("an allocation's row holds it");
                    self.allocations.insert(AllocationId(id(row, "allocation")), (body, version));
                }
                "feed" => self.publish(word(row, "content")),
                _ => {}
            }
        }
    }

    fn publish(&mut self, content: String) {
        self.offered += 1;
        if committed(Sin::FeedEntryLost) && self.offered.is_multiple_of(3) {
            return;
        }
        let prev = self.feed.last().map_or(Digest::ZERO, |entry| entry.digest);
        self.feed.push(Entry {
            incarnation: Incarnation(Uuid::from_u128(1)),
            region: LYON,
            seq: FeedSeq(self.feed.len() as u64 + 1),
            prev,
            digest: chain(prev, &content),
            content,
            signature: String::new(),
        });
    }
}

/// What an entry says.
pub(crate) fn content(entry: &Entry) -> Content {
    serde_json::from_str(&entry.content).expect("the feed holds contents")
}
