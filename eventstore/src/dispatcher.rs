//! The one door for writes, used by the API and the workers alike: fold, decide, append at the versions that were read,
//! then wake the readers. Whoever gets a `Conflict` loads and judges again. The trap avoided: waking inside the
//! transaction; a NOTIFY there cost most of the log's throughput, so readers are woken after the commit.

use crate::{
    clock::Clock,
    log::{AppendError, Appended, FenceCheck, Idempotency, Log, NewEvent, ReadError, Recorded},
    position::Position,
    unit::{Context, Loaded, Unit},
};
use chrono::{DateTime, Utc};
use rhone_domain::{aggregate::Aggregate, envelope::StreamId, numbers::Version};
use serde_json::Value;
use std::{any::Any, future::Future, sync::Arc};
use uuid::Uuid;

/// The authority rows that are written in the append's own transaction (ADR 0003).
pub trait Inline: Send + Sync + 'static {
    /// The rows of one stream, asked once per commit: its final state and what is about to be appended.
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value>;
}

/// No authority rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoInline;

impl Inline for NoInline {
    fn rows(&self, _: &StreamId, _: &dyn Any, _: &[NewEvent]) -> Vec<Value> {
        Vec::new()
    }
}

impl<I: Inline> Inline for Arc<I> {
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
        (**self).rows(stream, state, events)
    }
}

/// Told after every commit with events, so that readers need not wait for their next poll. Only a hint: it may be lost.
pub trait Wake: Send + Sync + 'static {
    /// These streams have grown up to this position.
    fn appended(&self, position: Position, streams: &[StreamId]);
}

/// Up to where a stream is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// All of it.
    #[default]
    Latest,
    /// Up to and with this version.
    Version(Version),
    /// Up to and with what the log had received by then.
    Time(DateTime<Utc>),
    /// Up to and with what stands in the log up to there.
    Position(Position),
}

impl AsOf {
    /// Whether an event counts by then.
    pub fn reaches(self, event: &Recorded) -> bool {
        match self {
            Self::Latest => true,
            Self::Version(version) => event.envelope.version <= version,
            Self::Time(time) => event.recorded_at <= time,
            Self::Position(position) => event.position <= position,
        }
    }
}

/// Whoever folds aggregates: for what is acted on, or only to show them, one stream at a time or many in one statement. What is
/// judged is loaded through it, so that what is shown is judged by the same code.
pub trait Loads: Sync {
    /// Why nothing could be read.
    type Error: Send;

    /// Told which streams are loaded next: who can read them in one statement does.
    fn gather(&self, _: &[StreamId]) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// An aggregate as it is now; its default at version 0 if there is none.
    fn load<A: Aggregate>(
        &self,
        id: impl Into<Uuid> + Send,
    ) -> impl Future<Output = Result<Loaded<A>, Self::Error>> + Send;
}

impl<L: Log, I: Inline> Loads for Dispatcher<L, I> {
    type Error = ReadError;

    async fn load<A: Aggregate>(&self, id: impl Into<Uuid> + Send) -> Result<Loaded<A>, ReadError> {
        self.load_at(id, AsOf::Latest).await
    }
}

/// What a commit amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The place of its last event; none if it had no events.
    pub position: Option<Position>,
    /// The earlier answer, if this key had been answered before. Then nothing was written, and the loaded states, which
    /// hold what would have been, must not be used.
    pub replayed: Option<Value>,
}

/// Folds, decides, appends.
#[derive(Clone)]
pub struct Dispatcher<L, I = NoInline> {
    log: L,
    clock: Clock,
    inline: I,
    wakes: Vec<Arc<dyn Wake>>,
}

impl<L: Log, I: Inline> Dispatcher<L, I> {
    /// Over a log, with these authority rows.
    pub fn new(log: L, clock: Clock, inline: I) -> Self {
        Self { log, clock, inline, wakes: Vec::new() }
    }

    /// Wakes this one, too, after every commit.
    #[must_use]
    pub fn waking(mut self, wake: Arc<dyn Wake>) -> Self {
        self.wakes.push(wake);
        self
    }

    /// The log.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// The source of time and ids.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// An aggregate as it is now; its default at version 0 if there is none.
    pub async fn load<A: Aggregate>(&self, id: impl Into<Uuid> + Send) -> Result<Loaded<A>, ReadError> {
        self.load_at(id, AsOf::Latest).await
    }

    /// An aggregate as it is now, and the last of its events that is of one of these types.
    pub async fn load_with<A: Aggregate>(
        &self,
        id: impl Into<Uuid> + Send,
        types: &[&str],
    ) -> Result<(Loaded<A>, Option<Recorded>), ReadError> {
        let stream = StreamId::new(A::CATEGORY, id);
        let mut recorded = self.log.read_stream(&stream, Version(0)).await?;
        let loaded = fold(stream, &recorded)?;
        let last = recorded.iter().rposition(|event| types.contains(&event.envelope.event_type.as_str()));
        Ok((loaded, last.map(|index| recorded.swap_remove(index))))
    }

    /// An aggregate as it was.
    pub async fn load_at<A: Aggregate>(&self, id: impl Into<Uuid> + Send, as_of: AsOf) -> Result<Loaded<A>, ReadError> {
        let stream = StreamId::new(A::CATEGORY, id);
        let recorded = self.log.read_stream(&stream, Version(0)).await?;
        fold(stream, recorded.iter().take_while(|event| as_of.reaches(event)))
    }

    /// Begins a unit of work.
    pub fn unit(&self, context: Context) -> Unit {
        Unit::new(context, self.clock.clone())
    }

    /// Appends all of a unit or nothing. A unit without events and without a key asks the log only for its assertions.
    pub async fn commit(
        &self,
        unit: Unit,
        idempotency: Option<Idempotency>,
        fence: Option<FenceCheck>,
    ) -> Result<Committed, AppendError> {
        let append = unit.into_append(&self.inline, idempotency, fence)?;
        if append.writes.is_empty() && append.asserts.is_empty() && append.idempotency.is_none() {
            return Ok(Committed { position: None, replayed: None });
        }
        let streams = append.writes.iter().map(|write| write.stream.clone()).collect::<Vec<_>>();
        match self.log.append(append).await? {
            Appended::Replayed { answer, position } => Ok(Committed { position, replayed: Some(answer) }),
            Appended::Done { position } => {
                if let Some(position) = position {
                    self.wakes.iter().for_each(|wake| wake.appended(position, &streams));
                }
                Ok(Committed { position, replayed: None })
            }
        }
    }
}

/// The aggregate after these events of its stream.
pub fn fold<'a, A: Aggregate>(
    stream: StreamId,
    recorded: impl IntoIterator<Item = &'a Recorded>,
) -> Result<Loaded<A>, ReadError> {
    let mut loaded = Loaded { stream, version: Version(0), state: A::default(), last_event: None };
    for event in recorded {
        let decoded = event
            .decode::<A::Event>()
            .map_err(|source| ReadError::Unreadable { stream: loaded.stream.clone(), source })?;
        loaded.state.apply(&decoded);
        loaded.version = event.envelope.version;
        loaded.last_event = Some(event.envelope.event_id);
    }
    Ok(loaded)
}
