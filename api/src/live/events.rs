//! A workspace's events, followed: what happened after a position, then what happens. The position is all that a
//! follower has to keep, so it goes on after any item, at any process, after any restart. The trap avoided: falling behind. There is no
//! buffer of ours between log and follower: who is slow reads later, in pages, and misses nothing. Only a position of
//! another life of the log cannot be continued from, and that is said by a `Resync`.

use std::{collections::VecDeque, time::Duration};

use rhone_domain::ids::WorkspaceId;
use rhone_eventstore::{Cursor, CursorError, LogIncarnation, Position};
use rhone_projections::{
    live::{self, Filter, Heard, Since},
    session::Session,
    timeline::Entry,
};
use tokio::time::{Instant, timeout_at};

use super::{Watching, patience::Patience};
use crate::{
    fault::{Code, Fault},
    graphql::Platform,
};

/// Events read and held at a time by one follower.
const PAGE: u16 = 100;
/// Silence after which a follower is told how far its filter has looked, so that it resumes from there.
const SILENCE: Duration = Duration::from_secs(15);

/// What a follower is told.
#[derive(Debug)]
pub(crate) enum Item {
    /// It happened.
    Event(Box<Entry>),
    /// All that happened until here was told.
    CaughtUp(Position),
    /// The position handed in is of another life of the log: what follows goes on from this one.
    Resync(Position),
}

/// One follower.
#[derive(Debug)]
pub(crate) struct Events {
    session: Session,
    workspace: WorkspaceId,
    filter: Filter,
    since: Since,
    resync: bool,
    watching: Watching,
    ready: VecDeque<Item>,
    /// Up to where the follower knows that it was told everything, and since when.
    told: Option<(Position, Instant)>,
    at_head: bool,
    patience: Patience,
}

impl Events {
    /// Follows from a cursor on, or from now on. Whether the session's actor belongs to the workspace was asked before.
    pub(crate) fn new(
        platform: &Platform,
        session: Session,
        workspace: WorkspaceId,
        filter: Filter,
        after: Option<&str>,
    ) -> Result<Self, Fault> {
        let (since, resync) = since(platform.incarnation, after)?;
        let watching = platform.pulse.watch(session.actor(), workspace);
        Ok(Self {
            session,
            workspace,
            filter,
            since,
            resync,
            watching,
            ready: VecDeque::new(),
            told: None,
            at_head: false,
            patience: Patience::default(),
        })
    }

    /// The next item; after an error nothing follows. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<Item, Fault> {
        loop {
            if self.watching.is_gone() {
                return Err(no_longer());
            }
            if let Some(item) = self.ready.pop_front() {
                return Ok(item);
            }
            if self.at_head {
                self.at_head = false;
                self.wait().await;
            }
            self.watching.look();
            match live::hear(&self.session, self.workspace, &self.filter, self.since, PAGE).await {
                Ok(heard) => self.take(heard)?,
                Err(error) => self.patience.bear(error).await?,
            }
        }
    }

    async fn wait(&mut self) {
        let until = self.told.map_or_else(Instant::now, |(_, since)| since) + SILENCE;
        let _ = timeout_at(until, self.watching.again()).await;
    }

    fn take(&mut self, heard: Heard) -> Result<(), Fault> {
        if !heard.member {
            return Err(no_longer());
        }
        self.patience.is_restored();
        self.since = Since::After(heard.upto);
        self.at_head = heard.at_head;
        if std::mem::take(&mut self.resync) {
            self.ready.push_back(Item::Resync(heard.upto));
        }
        let silent = heard.entries.is_empty();
        self.ready.extend(heard.entries.into_iter().map(|entry| Item::Event(Box::new(entry))));
        if heard.at_head {
            self.keep_told(heard.upto, silent);
        }
        Ok(())
    }

    /// Says how far everything was told: once when all of the past is, and again when silence lasts.
    fn keep_told(&mut self, upto: Position, silent: bool) {
        let due = self.told.is_none_or(|(_, since)| since.elapsed() >= SILENCE);
        if due && self.told.is_none_or(|(told, _)| told < upto) {
            self.ready.push_back(Item::CaughtUp(upto));
        }
        if due || !silent {
            self.told = Some((upto, Instant::now()));
        }
    }
}

fn since(incarnation: LogIncarnation, after: Option<&str>) -> Result<(Since, bool), Fault> {
    let Some(after) = after else { return Ok((Since::Now, false)) };
    match after.parse::<Cursor>().and_then(|cursor| cursor.continue_in(incarnation)) {
        Ok(position) => Ok((Since::After(position), false)),
        Err(CursorError::Resync { .. }) => Ok((Since::Now, true)),
        Err(CursorError::Malformed) => {
            Err(Fault::bad_input("after", "must be a position as an earlier answer gave it"))
        }
    }
}

/// What a `Resync` says.
pub(crate) const OTHER_LIFE: &str =
    "the position is from another life of the log: read everything anew, and go on from the position given here";

/// A position as followers keep it.
pub(crate) fn cursor(platform: &Platform, position: Position) -> String {
    Cursor { incarnation: platform.incarnation, position }.to_string()
}

/// The end of a subscription whose reader may not hear it any more.
pub(crate) fn no_longer() -> Fault {
    Fault::new(Code::Forbidden, "the caller does not belong to the workspace any more")
}
