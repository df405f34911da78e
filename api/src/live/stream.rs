//! One aggregate, followed: each of its events with the state that it left, from the first on. Read with the caller's eyes.
//! The trap avoided: a member who was removed and whose subscription goes on in silence; the pulse says that it is over.

use std::collections::VecDeque;

use rhone_domain::{aggregate::Aggregate, envelope::StreamId, numbers::Version};
use rhone_eventstore::{Log as _, PgLog, ReadError, Recorded};

use super::{Watching, events::no_longer, patience::Patience};
use crate::fault::Fault;

/// One follower of one aggregate.
#[derive(Debug)]
pub(crate) struct Followed<A> {
    log: PgLog,
    stream: StreamId,
    watching: Watching,
    state: A,
    version: Version,
    ready: VecDeque<(Recorded, A)>,
    patience: Patience,
}

impl<A: Aggregate> Followed<A> {
    /// From its first event on.
    pub(crate) fn new(log: PgLog, stream: StreamId, watching: Watching) -> Self {
        let (state, version) = (A::default(), Version(0));
        Self { log, stream, watching, state, version, ready: VecDeque::new(), patience: Patience::default() }
    }

    /// What there is by now, and not handed out yet.
    pub(crate) async fn so_far(&mut self) -> Result<Vec<(Recorded, A)>, Fault> {
        self.look().await.map_err(Fault::internal)?;
        Ok(self.ready.drain(..).collect())
    }

    /// The next event, and the aggregate after it. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<(Recorded, A), Fault> {
        loop {
            if self.watching.is_gone() {
                return Err(no_longer());
            }
            if let Some(next) = self.ready.pop_front() {
                return Ok(next);
            }
            self.watching.look();
            match self.look().await {
                Ok(()) if self.ready.is_empty() => self.watching.again().await,
                Ok(()) => {}
                Err(error) => self.patience.bear(error).await?,
            }
        }
    }

    async fn look(&mut self) -> Result<(), ReadError> {
        for event in self.log.read_stream(&self.stream, self.version).await? {
            let unreadable = |source| ReadError::Unreadable { stream: self.stream.clone(), source };
            self.state.apply(&event.decode::<A::Event>().map_err(unreadable)?);
            self.version = event.envelope.version;
            self.ready.push_back((event, self.state.clone()));
        }
        self.patience.is_restored();
        Ok(())
    }
}
