//! A workspace's logs, followed: lines that were kept after a position, then lines as they are kept. The position is all that a
//! follower has to keep. The trap avoided: a follower that is slow and holds what it was not told; one chunk is in memory at
//! a time, and the next is read when it is asked for.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use rhone_domain::ids::WorkspaceId;
use rhone_eventstore::{LogIncarnation, ReadError};
use rhone_projections::{
    logs::{self, Chunk, Heard, LinePosition},
    session::Session,
};
use rhone_providers::log_store::LogStore;
use tokio::time::{Instant, timeout_at};

use super::{Watching, events::no_longer, patience::Patience};
use crate::{
    fault::{Code, Fault},
    graphql::Platform,
    lines::{self, Asked, Placed},
};

/// Chunks of the index read at a time by one follower.
const PAGE: u16 = 16;
/// Lines told at a time.
const TOGETHER: usize = 100;
/// Silence after which a follower is told how far its filter has looked, so that it resumes from there.
const SILENCE: Duration = Duration::from_secs(15);

/// What a follower is told.
#[derive(Debug)]
pub(crate) enum LogItem {
    /// Lines, at least one.
    Lines(Vec<Placed>),
    /// All that was kept until here was told.
    CaughtUp(LinePosition),
    /// The position handed in is of another life of the log: what follows goes on from this one.
    Resync(LinePosition),
}

/// One follower.
#[derive(Debug)]
pub(crate) struct Logs {
    session: Session,
    store: LogStore,
    workspace: WorkspaceId,
    asked: Asked,
    /// Everything up to here was told, or taken up to be.
    from: Option<LinePosition>,
    /// Where what is taken up began: lines up to here were told before.
    told_to: LinePosition,
    resync: bool,
    watching: Watching,
    chunks: VecDeque<Arc<Chunk>>,
    ready: VecDeque<LogItem>,
    /// What is said once the chunks are read.
    then: Option<LinePosition>,
    said: Option<(LinePosition, Instant)>,
    at_head: bool,
    patience: Patience,
}

impl Logs {
    /// Follows from a cursor on, or from now on. Whether the session's actor belongs to the workspace was asked before.
    pub(crate) fn new(
        platform: &Platform,
        session: Session,
        workspace: WorkspaceId,
        asked: Asked,
        after: Option<&str>,
    ) -> Result<Self, Fault> {
        let (from, resync) = match after.map(|after| place(platform.incarnation, "after", after)) {
            None => (None, false),
            Some(Ok(from)) => (Some(from), false),
            Some(Err(fault)) if fault.code == Code::Conflict => (None, true),
            Some(Err(fault)) => return Err(fault),
        };
        let watching = platform.pulse.watch_logs(session.actor(), workspace);
        Ok(Self {
            session,
            store: platform.artifacts.logs(),
            workspace,
            asked,
            from,
            told_to: from.unwrap_or_default(),
            resync,
            watching,
            chunks: VecDeque::new(),
            ready: VecDeque::new(),
            then: None,
            said: None,
            at_head: false,
            patience: Patience::default(),
        })
    }

    /// The next item; after an error nothing follows. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<LogItem, Fault> {
        loop {
            if self.watching.is_gone() {
                return Err(no_longer());
            }
            if let Some(item) = self.ready.pop_front() {
                return Ok(item);
            }
            if let Some(chunk) = self.chunks.front() {
                let lines = lines::of_chunk(&self.store, chunk, &self.asked).await?;
                self.chunks.pop_front();
                self.tell(lines);
                continue;
            }
            if let Some(position) = self.then.take() {
                return Ok(LogItem::CaughtUp(position));
            }
            if self.at_head {
                self.at_head = false;
                self.wait().await;
            }
            self.watching.look();
            match logs::hear(&self.session, self.workspace, &self.asked.filter, self.from, PAGE).await {
                Ok(heard) => self.take(heard)?,
                Err(error) => self.patience.bear(ReadError::Unavailable(error)).await?,
            }
        }
    }

    async fn wait(&mut self) {
        let until = self.said.map_or_else(Instant::now, |(_, since)| since) + SILENCE;
        let _ = timeout_at(until, self.watching.again()).await;
    }

    fn tell(&mut self, mut lines: Vec<Placed>) {
        lines.retain(|line| line.position > self.told_to);
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() {
            self.ready.push_back(LogItem::Lines(lines.by_ref().take(TOGETHER).collect()));
        }
    }

    fn take(&mut self, heard: Heard) -> Result<(), Fault> {
        if !heard.member {
            return Err(no_longer());
        }
        self.patience.is_restored();
        self.told_to = self.from.unwrap_or_default();
        self.from = Some(heard.upto);
        self.at_head = heard.at_head;
        if std::mem::take(&mut self.resync) {
            self.ready.push_back(LogItem::Resync(heard.upto));
        }
        let silent = heard.chunks.is_empty();
        self.chunks.extend(heard.chunks.into_iter().map(Arc::new));
        if heard.at_head {
            self.keep_said(heard.upto, silent);
        }
        Ok(())
    }

    /// Says how far everything was told: once when all of the past is, and again when silence lasts.
    fn keep_said(&mut self, upto: LinePosition, silent: bool) {
        let due = self.said.is_none_or(|(_, since)| since.elapsed() >= SILENCE);
        if due && self.said.is_none_or(|(said, _)| said < upto) {
            self.then = Some(upto);
        }
        if due || !silent {
            self.said = Some((upto, Instant::now()));
        }
    }
}

/// A place among lines as clients keep it, `incarnation~place`; opaque to them.
pub(crate) fn cursor(incarnation: LogIncarnation, position: LinePosition) -> String {
    format!("{incarnation}~{position}")
}

/// Reads such a place in `field`; one of another life of the log is a conflict, by the rule `RESYNC`.
pub(crate) fn place(incarnation: LogIncarnation, field: &'static str, text: &str) -> Result<LinePosition, Fault> {
    let malformed = || Fault::bad_input(field, "must be a place among lines as an earlier answer gave it");
    let (life, place) = text.split_once('~').ok_or_else(malformed)?;
    let life: LogIncarnation = life.parse().map_err(|_| malformed())?;
    let place = place.parse().map_err(|_| malformed())?;
    if life != incarnation {
        let words = format!("{field}: the place is from another life of the log: read from the beginning");
        let mut fault = Fault::new(Code::Conflict, words);
        (fault.field, fault.rule) = (Some(field.into()), Some("RESYNC".into()));
        return Err(fault);
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    //! Places are read as they are given out, in the life that gave them out.
    use super::*;

    #[test]
    fn a_place_is_read_in_its_own_life_of_the_log_only() {
        let ours = LogIncarnation { system: 7, timeline: 1, era: 1 };
        let position = LinePosition { chunk: 3, lines: 9 };
        let text = cursor(ours, position);
        assert_eq!(place(ours, "after", &text).ok(), Some(position));
        let other = place(LogIncarnation { era: 2, ..ours }, "after", &text).expect_err("another life");
        assert_eq!((other.code, other.rule.as_deref()), (Code::Conflict, Some("RESYNC")));
        for wrong in ["", "3-9", "~3-9", "7.1.1~", "7.1.1~x-1", "7.1~3-9"] {
            assert_eq!(place(ours, "after", wrong).expect_err("malformed").code, Code::BadUserInput, "{wrong}");
        }
    }
}
