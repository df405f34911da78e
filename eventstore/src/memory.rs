//! The log in memory: the twin that simulations and process tests run on, under the same suite as Postgres. It keeps the
//! same promises but durability, row-level security and the authority rows (it only remembers what it was given). The
//! trap avoided: a twin that is kinder than the original; it refuses what the original refuses, in the same order.

use crate::{
    clock::Clock,
    log::{Append, AppendError, Appended, Log, ReadError, Recorded, StreamWrite},
    position::{LogIncarnation, Position},
};
use rhone_domain::{
    digest::Digest,
    envelope::StreamId,
    ids::{ActorId, EventId, WorkspaceId},
    numbers::{Fence, Version},
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The only era it ever has.
const ERA: u32 = 1;
/// Streams that more than one tenant may write, one after the other.
const PASSED_ON: [&str; 2] = ["claim", "backend"];

/// A log in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryLog {
    clock: Clock,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    events: Vec<Recorded>,
    ids: HashSet<(EventId, StreamId)>,
    heads: HashMap<StreamId, (Version, WorkspaceId)>,
    requests: HashMap<(WorkspaceId, ActorId, String), Answered>,
    leases: HashMap<String, Fence>,
    inline: Vec<Value>,
    tx: u64,
}

struct Answered {
    fingerprint: Digest,
    answer: Value,
    position: Option<Position>,
}

impl MemoryLog {
    /// An empty log; `recorded_at` is by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, kept: Arc::default() }
    }

    /// Gives a lease out under this fence.
    pub fn give_lease(&self, name: &str, fence: Fence) {
        self.kept().leases.insert(name.to_owned(), fence);
    }

    /// Every authority row it was given, in order.
    pub fn inline(&self) -> Vec<Value> {
        self.kept().inline.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let now = self.clock.now();
        let mut kept = self.kept();
        if let Some(answered) = kept.answered(&append)? {
            return Ok(answered);
        }
        kept.check_fence(&append)?;
        kept.check_heads(&append)?;
        kept.check_events(&append)?;
        let position = kept.take(&append, now);
        kept.inline.extend(append.inline);
        if let Some(request) = append.idempotency {
            let answered = Answered { fingerprint: request.fingerprint, answer: request.answer, position };
            kept.requests.insert((request.workspace, request.actor, request.key), answered);
        }
        Ok(Appended::Done { position })
    }

    async fn read_stream(&self, stream: &StreamId, after: Version) -> Result<Vec<Recorded>, ReadError> {
        let mine = |event: &&Recorded| event.envelope.stream == *stream && event.envelope.version > after;
        Ok(self.kept().events.iter().filter(mine).cloned().collect())
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        let kept = self.kept();
        let from = kept.events.partition_point(|event| event.position <= after);
        let mut batch = Vec::new();
        for event in &kept.events[from..] {
            let same_append = batch.last().is_some_and(|last: &Recorded| last.position.tx == event.position.tx);
            if batch.len() >= limit as usize && !same_append {
                break;
            }
            batch.push(event.clone());
        }
        Ok(batch)
    }

    async fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        Ok(LogIncarnation { system: 0, timeline: 1, era: ERA })
    }
}

impl Kept {
    fn answered(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let Some(request) = &append.idempotency else {
            return Ok(None);
        };
        let key = (request.workspace, request.actor, request.key.clone());
        match self.requests.get(&key) {
            None => Ok(None),
            Some(answered) if answered.fingerprint == request.fingerprint => {
                Ok(Some(Appended::Replayed { answer: answered.answer.clone(), position: answered.position }))
            }
            Some(_) => Err(AppendError::KeyReused { key: key.2 }),
        }
    }

    fn check_fence(&self, append: &Append) -> Result<(), AppendError> {
        match &append.fence {
            Some(check) if self.leases.get(&check.lease) != Some(&check.fence) => {
                Err(AppendError::StaleFence { lease: check.lease.clone(), fence: check.fence })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_heads(&self, append: &Append) -> Result<(), AppendError> {
        let written = append.writes.iter().map(|write| (&write.stream, write.expected, true));
        let asserted = append.asserts.iter().map(|(stream, version)| (stream, *version, false));
        let mut all = written.chain(asserted).collect::<Vec<_>>();
        all.sort_by(|a, b| a.0.cmp(b.0).then(b.2.cmp(&a.2)));
        for (stream, expected, written) in all {
            let head = self.heads.get(stream).copied();
            let actual = head.map_or(Version(0), |(version, _)| version);
            if actual != expected {
                return Err(AppendError::Conflict { stream: stream.clone(), expected, actual });
            }
            let foreign = head.is_some_and(|(_, workspace)| workspace != append.workspace);
            if written && foreign && !PASSED_ON.contains(&stream.category()) {
                return Err(AppendError::ForeignStream { stream: stream.clone() });
            }
        }
        Ok(())
    }

    fn check_events(&self, append: &Append) -> Result<(), AppendError> {
        let mut streams = HashSet::new();
        let mut fresh = HashSet::new();
        for write in &append.writes {
            if write.events.is_empty() {
                return Err(AppendError::Malformed(format!("{} is written without events", write.stream)));
            }
            if !streams.insert(&write.stream) {
                return Err(AppendError::Malformed(format!("{} is written twice", write.stream)));
            }
            check_write(write, append.workspace)?;
            for event in &write.events {
                let id = (event.envelope.event_id, write.stream.clone());
                if self.ids.contains(&id) || !fresh.insert(id) {
                    return Err(AppendError::Malformed(format!("event id {} stands twice", event.envelope.event_id)));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, append: &Append, now: chrono::DateTime<chrono::Utc>) -> Option<Position> {
        self.tx += 1;
        let mut last = None;
        for write in &append.writes {
            for event in &write.events {
                let position = Position { era: ERA, tx: self.tx, pos: self.events.len() as u64 + 1 };
                last = Some(position);
                self.ids.insert((event.envelope.event_id, write.stream.clone()));
                self.heads.insert(write.stream.clone(), (event.envelope.version, append.workspace));
                self.events.push(Recorded {
                    position,
                    recorded_at: now,
                    envelope: event.envelope.clone(),
                    payload: event.payload.clone(),
                    hash: event.hash,
                });
            }
        }
        last
    }
}

/// What the log demands of the events of one stream.
fn check_write(write: &StreamWrite, workspace: WorkspaceId) -> Result<(), AppendError> {
    let mut version = write.expected;
    for event in &write.events {
        version = version.next();
        let envelope = &event.envelope;
        if envelope.stream != write.stream || envelope.version != version || envelope.workspace != workspace {
            return Err(AppendError::Malformed(format!(
                "{} version {} does not follow in {}",
                envelope.stream, envelope.version, write.stream
            )));
        }
    }
    Ok(())
}
