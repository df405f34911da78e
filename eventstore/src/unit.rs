//! A unit of work: what one command brings about in one or more streams, judged on loaded states and appended together. The
//! trap avoided: a stream that was judged but not written could change meanwhile; a decision without events and every
//! stream named with `assert` is therefore asserted at the version that was read. Before a noun judges, the authority of the
//! unit is asked whether the command may be issued at all: here, and nowhere else.

use crate::{
    clock::Clock,
    dispatcher::Inline,
    log::{Append, AppendError, FenceCheck, Idempotency, NewEvent, StreamWrite},
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::{Actor, Writer},
    aggregate::{Aggregate, encode},
    authorization::{Authority, Refused, Scope, Unauthorized},
    envelope::{Envelope, StreamId},
    ids::{CellId, CorrelationId, EventId, RegionId, WorkspaceId},
    numbers::Version,
};
use std::{any::Any, collections::BTreeMap};

/// What every event of a unit has in common.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who.
    pub actor: Actor,
    /// In which capacity.
    pub writer: Writer,
    /// By what right.
    pub authority: Authority,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// All that one cause brought about.
    pub correlation: CorrelationId,
    /// The event that led to this.
    pub causation: Option<EventId>,
    /// The key of the request.
    pub idempotency_key: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Where, when it has a place.
    pub region: Option<RegionId>,
    /// Where in the region.
    pub cell: Option<CellId>,
}

/// An aggregate as the log has it.
#[derive(Clone, Debug)]
pub struct Loaded<A> {
    /// Its stream.
    pub stream: StreamId,
    /// The version of `state`; 0 when there is none yet.
    pub version: Version,
    /// The state.
    pub state: A,
    /// Its last event: the causation of what it leads to.
    pub last_event: Option<EventId>,
}

impl<A> Loaded<A> {
    /// Whether it has any event.
    pub fn exists(&self) -> bool {
        self.version > Version(0)
    }
}

/// Events on their way; see [`crate::Dispatcher::commit`].
pub struct Unit {
    context: Context,
    scope: Scope,
    clock: Clock,
    now: DateTime<Utc>,
    written: BTreeMap<StreamId, Written>,
    asserted: BTreeMap<StreamId, Version>,
    broken: Option<AppendError>,
}

struct Written {
    /// The how manieth stream of the unit: events are appended in the order in which streams were first decided on.
    nth: usize,
    expected: Version,
    events: Vec<NewEvent>,
    state: Box<dyn Any + Send + Sync>,
}

impl Written {
    fn version(&self) -> Version {
        Version(self.expected.0 + self.events.len() as u64)
    }
}

impl Unit {
    pub(crate) fn new(context: Context, clock: Clock) -> Self {
        let (now, scope) = (clock.now(), Scope::default());
        Self { context, scope, clock, now, written: BTreeMap::new(), asserted: BTreeMap::new(), broken: None }
    }

    /// The time of every event in it.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What its events have in common.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What would be appended.
    pub fn events(&self) -> impl Iterator<Item = &NewEvent> {
        self.written.values().flat_map(|written| &written.events)
    }

    /// The place of the events that follow.
    pub fn place(&mut self, region: Option<RegionId>, cell: Option<CellId>) {
        self.context.region = region;
        self.context.cell = cell;
    }

    /// What the commands that follow are about: who holds a grant only there may issue them.
    pub fn about(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Whether a command may be issued, before anything else is said about it.
    pub fn permit(&self, command: &'static str) -> Result<(), Unauthorized> {
        self.context.authority.permit(command, self.context.writer, self.scope)
    }

    /// Judges a command, if it may be issued; what follows is taken into the state and into the unit. A decision without
    /// events asserts the version it was judged at.
    pub fn decide<A: Aggregate>(
        &mut self,
        loaded: &mut Loaded<A>,
        command: A::Command,
    ) -> Result<Vec<A::Event>, Refused<A::Rejection>> {
        let (authority, writer) = (&self.context.authority, self.context.writer);
        authority.permit_to(&loaded.state, &command, writer, self.scope).map_err(Refused::Unauthorized)?;
        let events = loaded.state.decide(command).map_err(Refused::Rule)?;
        if events.is_empty() {
            self.assert(loaded);
        } else {
            self.take(loaded, &events);
        }
        Ok(events)
    }

    /// At which version a stream was read that this unit writes or asserts.
    pub fn judged_at(&self, stream: &StreamId) -> Option<Version> {
        let written = self.written.get(stream).map(|written| written.expected);
        written.or_else(|| self.asserted.get(stream).copied())
    }

    /// Asserts that a stream which was read is still at the version it was read at.
    pub fn assert<A: Aggregate>(&mut self, loaded: &Loaded<A>) {
        self.assert_at(&loaded.stream, loaded.version);
    }

    /// Asserts that a stream of which a row was read is still at the row's version.
    pub fn assert_at(&mut self, stream: &StreamId, version: Version) {
        match self.written.get(stream) {
            Some(written) if written.version() == version => {}
            Some(written) => self.broken = Some(conflict(stream, version, written.version())),
            None => {
                let asserted = *self.asserted.entry(stream.clone()).or_insert(version);
                if asserted != version {
                    self.broken = Some(conflict(stream, asserted, version));
                }
            }
        }
    }

    fn take<A: Aggregate>(&mut self, loaded: &mut Loaded<A>, events: &[A::Event]) {
        let before = loaded.version;
        let known = self.written.get(&loaded.stream).map(Written::version);
        let known = known.or_else(|| self.asserted.remove(&loaded.stream));
        if let Some(actual) = known.filter(|actual| *actual != before) {
            self.broken = Some(conflict(&loaded.stream, before, actual));
            return;
        }
        let mut fresh = Vec::with_capacity(events.len());
        for event in events {
            match self.envelop::<A>(loaded, event) {
                Ok(new) => fresh.push(new),
                Err(error) => self.broken = Some(error),
            }
        }
        let nth = self.written.len();
        let written = self.written.entry(loaded.stream.clone()).or_insert_with(|| Written {
            nth,
            expected: before,
            events: Vec::new(),
            state: Box::new(()),
        });
        written.events.extend(fresh);
        written.state = Box::new(loaded.state.clone());
    }

    fn envelop<A: Aggregate>(&self, loaded: &mut Loaded<A>, event: &A::Event) -> Result<NewEvent, AppendError> {
        let encoded = encode(event).map_err(AppendError::Invalid)?;
        let context = &self.context;
        loaded.version = loaded.version.next();
        loaded.state.apply(event);
        let envelope = Envelope {
            event_id: self.clock.new_id(),
            stream: loaded.stream.clone(),
            version: loaded.version,
            event_type: encoded.event_type,
            schema_version: encoded.schema_version,
            workspace: context.workspace,
            region: context.region,
            cell: context.cell,
            actor: context.actor,
            writer: context.writer,
            correlation: context.correlation,
            causation: context.causation,
            idempotency_key: context.idempotency_key.clone(),
            traceparent: context.traceparent.clone(),
            occurred_at: self.now,
        };
        loaded.last_event = Some(envelope.event_id);
        Ok(NewEvent::new(envelope, encoded.payload))
    }

    /// The append it amounts to, with the authority rows of every stream it writes.
    pub(crate) fn into_append(
        self,
        inline: &impl Inline,
        idempotency: Option<Idempotency>,
        fence: Option<FenceCheck>,
    ) -> Result<Append, AppendError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let mut append = Append {
            idempotency,
            fence,
            asserts: self.asserted.into_iter().collect(),
            ..Append::new(self.context.workspace)
        };
        let mut written = self.written.into_iter().collect::<Vec<_>>();
        written.sort_by_key(|(_, written)| written.nth);
        for (stream, written) in written {
            append.inline.extend(inline.rows(&stream, &*written.state, &written.events));
            append.writes.push(StreamWrite { stream, expected: written.expected, events: written.events });
        }
        Ok(append)
    }
}

fn conflict(stream: &StreamId, expected: Version, actual: Version) -> AppendError {
    AppendError::Conflict { stream: stream.clone(), expected, actual }
}
