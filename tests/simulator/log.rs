//! The log in memory with faults around it, and the authority rows it would have written in the same transaction: routes that
//! never go back, operations, allocations, and the region's feed.

use crate::sins::{Sin, committed};
use rhone_domain::{
    allocation::Allocation,
    digest::Digest,
    envelope::StreamId,
    feed::{Content, Entry, chain},
    ids::{AllocationId, DeploymentId, EnvironmentId, Incarnation, OperationId, RegionId},
    numbers::{Epoch, FeedSeq, Version},
    operation::Operation,
};
use rhone_eventstore::{
    Append, AppendError, Appended, Clock, Log, LogIncarnation, MemoryLog, Position, ReadError, Recorded,
};
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
    pub(crate) owners: BTreeMap<EnvironmentId, Option<DeploymentId>>,
    pub(crate) allocations: BTreeMap<AllocationId, (Allocation, Version)>,
    /// How many allocations each host may hold.
    capacities: BTreeMap<Uuid, u64>,
    feeds: BTreeMap<RegionId, Vec<Entry>>,
    pub(crate) weather: Weather,
    offered: usize,
    /// What each stream holds; the log in memory looks through everything for it.
    streams: BTreeMap<StreamId, Vec<Recorded>>,
    /// How far the log was read into them.
    read: Position,
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
        self.tables().refuse_oversold(&inline)?;
        let appended = self.log.append(append).await?;
        if matches!(appended, Appended::Done { .. }) {
            self.tables().apply(&inline);
            let read = self.tables().read;
            let new = self.log.read_all(read, u32::MAX).await.expect("a log in memory can be read");
            self.tables().keep(new);
        }
        if weather == Weather::Unknown { Err(AppendError::Unknown(lost())) } else { Ok(appended) }
    }

    async fn read_stream(&self, stream: &StreamId, after: Version) -> Result<Vec<Recorded>, ReadError> {
        let tables = self.tables();
        let held = tables.streams.get(stream).into_iter().flatten();
        Ok(held.filter(|event| event.envelope.version > after).cloned().collect())
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

    /// RH022: a host holds no more than it may.
    fn refuse_oversold(&self, rows: &[Value]) -> Result<(), AppendError> {
        for row in rows.iter().filter(|row| word(row, "table") == "allocation" && word(row, "state") == "planned") {
            let (this, host) = (AllocationId(id(row, "allocation")), id(row, "host"));
            let lives = |one: &Allocation| {
                let here = one.planned.as_ref().is_some_and(|planned| planned.host.0 == host && planned.id != this);
                here && one.state.is_some_and(|state| !state.is_final())
            };
            let held = self.allocations.values().filter(|(one, _)| lives(one)).count() as u64;
            let full = self.capacities.get(&host).is_some_and(|most| held >= *most);
            if full && !committed(Sin::CapacityIgnored) {
                let message = "a host holds no more than it may".to_owned();
                return Err(AppendError::Refused { code: "RH022".to_owned(), message, detail: None });
            }
        }
        Ok(())
    }

    /// How many events a stream holds.
    pub(crate) fn head(&self, stream: &StreamId) -> Version {
        Version(self.streams.get(stream).map_or(0, Vec::len) as u64)
    }

    fn keep(&mut self, new: Vec<Recorded>) {
        for event in new {
            self.read = event.position;
            self.streams.entry(event.envelope.stream.clone()).or_default().push(event);
        }
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
                    let environment = EnvironmentId(id(row, "environment"));
                    self.routes.insert(environment, at);
                    let owner = Uuid::parse_str(&word(row, "deployment")).ok().map(DeploymentId);
                    self.owners.insert(environment, owner);
                }
                "allocation" => {
                    let body = serde_json::from_value(body).expect("an allocation's row holds it");
                    self.allocations.insert(AllocationId(id(row, "allocation")), (body, version));
                }
                "host" => drop(self.capacities.insert(id(row, "host"), number(row, "capacity"))),
                "feed" => self.publish(RegionId(id(row, "region")), word(row, "content")),
                _ => {}
            }
        }
    }

    /// What a region's edges are told, in order.
    pub(crate) fn feed(&self, region: RegionId) -> &[Entry] {
        self.feeds.get(&region).map_or(&[], Vec::as_slice)
    }

    fn publish(&mut self, region: RegionId, content: String) {
        self.offered += 1;
        if committed(Sin::FeedEntryLost) && self.offered.is_multiple_of(3) {
            return;
        }
        let feed = self.feeds.entry(region).or_default();
        let prev = feed.last().map_or(Digest::ZERO, |entry| entry.digest);
        feed.push(Entry {
            incarnation: Incarnation(Uuid::from_u128(1)),
            region,
            seq: FeedSeq(feed.len() as u64 + 1),
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
