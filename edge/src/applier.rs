//! The one task that changes the table. Every word about routes, from HTTP or from the bus, comes here, is verified, judged
//! by the book and carried out. The trap: two writers of one truth; there is one, and it trusts no word for where it came
//! from, except that a new life of the feed begins only with a snapshot from the authenticated endpoint.

use crate::{
    apply::Applied,
    book::{Book, Guard, Key, Refused},
    clock,
    config::Shrink,
    core::Core,
    disk::{Disk, Image, JOURNAL_LIMIT},
    observe, showing,
    standing::{Standing, Wanted},
};
use rhone_domain::{
    feed::{Content, Endpoint, Entry, Events, Heartbeat, Message, Route, Snapshot},
    ids::Incarnation,
    numbers::{Epoch, FeedSeq},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc as blocking},
};
use tokio::sync::{mpsc, oneshot};

/// How many entries wait for a missing one; more are fetched again.
const WAITING_LIMIT: usize = 10_000;

/// What the applier is told.
pub(crate) enum Word {
    /// Over the bus; may be repeated, late, forged.
    Bus(Box<Message>),
    /// From the events endpoint.
    Events(Box<Events>, oneshot::Sender<()>),
    /// From the snapshot endpoint.
    Snapshot(Box<Snapshot>, oneshot::Sender<()>),
    /// The events endpoint says that what is held cannot be continued.
    Trimmed(oneshot::Sender<()>),
}

/// What the disk's thread is told.
pub(crate) enum Job {
    /// Applied.
    Append(Box<Entry>),
    /// Time for a snapshot.
    Rotate(Image),
    /// The end: sync and answer.
    Finish(oneshot::Sender<()>),
}

/// Runs the disk's thread until it is told to finish.
pub(crate) fn write_behind(core: &Core, disk: &mut Disk, jobs: &blocking::Receiver<Job>) {
    for job in jobs {
        let done = match job {
            Job::Append(entry) => disk.append(&entry),
            Job::Rotate(image) => disk.rotate(&image),
            Job::Finish(finished) => {
                let done = disk.sync();
                let _ = finished.send(());
                done
            }
        };
        if let Err(error) = done {
            core.counters.disk_failed.up();
            tracing::error!(error = &error as &dyn std::error::Error, "the table was not written to disk");
        }
    }
}

/// See the module.
pub(crate) struct Applier {
    core: Arc<Core>,
    book: Book,
    standing: Standing,
    waiting: BTreeMap<FeedSeq, (Entry, Content)>,
    disk: blocking::Sender<Job>,
    journal: usize,
    observe: mpsc::UnboundedSender<observe::Wanted>,
}

impl Applier {
    /// Begins with what the disk held, which is served at once.
    pub(crate) fn new(
        core: Arc<Core>,
        book: Option<Book>,
        disk: blocking::Sender<Job>,
        observe: mpsc::UnboundedSender<observe::Wanted>,
    ) -> Self {
        let mut applier = Self {
            core,
            book: book.unwrap_or_default(),
            standing: Standing::default(),
            waiting: BTreeMap::new(),
            disk,
            journal: 0,
            observe,
        };
        if applier.book.position.is_some() {
            applier.show_all();
            applier.rotate();
        }
        applier.stand();
        applier
    }

    /// Takes words until nobody speaks any more.
    pub(crate) async fn run(mut self, mut words: mpsc::Receiver<Word>) {
        while let Some(word) = words.recv().await {
            match word {
                Word::Bus(message) => self.hear(*message),
                Word::Events(events, done) => {
                    self.take_events(*events);
                    let _ = done.send(());
                }
                Word::Snapshot(snapshot, done) => {
                    self.take_snapshot(&snapshot);
                    let _ = done.send(());
                }
                Word::Trimmed(done) => {
                    self.core.counters.feed_rebuild.up();
                    self.lose();
                    self.stand();
                    let _ = done.send(());
                }
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Entry(entry) => {
                let incarnation = entry.incarnation;
                if self.take(entry) {
                    self.standing.bus = Some(clock::millis());
                }
                self.look_up(incarnation);
            }
            Message::Heartbeat(heartbeat) => {
                if self.take_heartbeat(&heartbeat) {
                    self.standing.bus = Some(clock::millis());
                }
                self.look_up(heartbeat.incarnation);
            }
        }
        self.stand();
    }

    fn take_events(&mut self, events: Events) {
        for entry in events.entries {
            self.take(entry);
        }
        self.take_heartbeat(&events.heartbeat);
        self.stand();
    }

    /// Takes an entry; whether it was believed and new.
    fn take(&mut self, entry: Entry) -> bool {
        if entry.region != self.core.config.region {
            self.core.counters.feed_foreign.up();
            return false;
        }
        match self.book.place(&entry) {
            Applied::Duplicate => {
                self.core.counters.feed_duplicate.up();
                return false;
            }
            // Before there is a table nothing can be judged; the snapshot is on its way.
            Applied::Rebuild if self.book.position.is_none() => return false,
            _ if self.waiting.contains_key(&entry.seq) => return false,
            Applied::Apply | Applied::Gap | Applied::Rebuild | Applied::Stale | Applied::Conflict => {}
        }
        match entry.verified(&self.core.config.feed_key) {
            Ok(content) => {
                self.believe(entry, content);
                true
            }
            Err(error) => {
                self.core.counters.feed_forged.up();
                tracing::warn!(seq = entry.seq.0, %error, "an entry is not believed");
                false
            }
        }
    }

    fn believe(&mut self, entry: Entry, content: Content) {
        match self.book.place(&entry) {
            Applied::Gap => {
                self.core.counters.feed_gap.up();
                self.standing.head = self.standing.head.max(entry.seq);
                if self.waiting.len() < WAITING_LIMIT {
                    self.waiting.insert(entry.seq, (entry, content));
                }
            }
            Applied::Rebuild => {
                self.core.counters.feed_rebuild.up();
                // Another life is only a rumour until the endpoint says so; another history of this life is proof.
                if self.book.lives(entry.incarnation) {
                    tracing::error!(seq = entry.seq.0, "the feed has another history than the one applied");
                    self.lose();
                }
            }
            Applied::Apply | Applied::Duplicate | Applied::Stale | Applied::Conflict => {
                self.commit(entry, &content);
                while let Some((entry, content)) = self.next_waiting() {
                    self.commit(entry, &content);
                }
            }
        }
    }

    fn next_waiting(&mut self) -> Option<(Entry, Content)> {
        let next = self.book.position?.seq.next();
        self.waiting = self.waiting.split_off(&next);
        self.waiting.remove(&next)
    }

    /// The next entry in its place: judged by its key, carried out, written down.
    fn commit(&mut self, entry: Entry, content: &Content) {
        let before = self.epoch_of(content);
        let counters = &self.core.counters;
        match self.book.offer(&entry, content) {
            Applied::Apply => {
                counters.feed_applied.up();
                self.carry_out(content, before);
            }
            Applied::Conflict => {
                counters.feed_conflict.up();
                tracing::error!(seq = entry.seq.0, "two contents claim one place; the key is quarantined");
                showing::key(&self.core, &self.book, Key::of(content));
                self.check();
            }
            Applied::Stale => counters.feed_stale.up(),
            // It was placed before; only a history that forked in between is left.
            Applied::Duplicate | Applied::Gap | Applied::Rebuild => {
                counters.feed_rebuild.up();
                self.lose();
                return;
            }
        }
        self.standing.contact = Some(clock::millis());
        self.note_quarantine();
        self.journal += 1;
        let _ = self.disk.send(Job::Append(Box::new(entry)));
        if self.journal >= JOURNAL_LIMIT {
            self.rotate();
        }
    }

    fn carry_out(&mut self, content: &Content, before: Option<Epoch>) {
        showing::key(&self.core, &self.book, Key::of(content));
        let (Content::Route(Route { environment, .. }) | Content::Allocation(Endpoint { environment, .. })) = content;
        // Seen at once, so that what is reported next says that it is applied.
        self.standing.note(clock::millis(), self.book.position);
        self.core.stand(self.standing);
        if self.epoch_of(content) != before {
            let _ = self.observe.send(observe::Wanted::Fresh(*environment));
            self.core.report.notify_one();
        }
    }

    fn epoch_of(&self, content: &Content) -> Option<Epoch> {
        match (content, self.book.held.get(&Key::of(content)).map(|held| &held.content)) {
            (Content::Route(_), Some(Content::Route(held))) => Some(held.epoch),
            (Content::Route(_) | Content::Allocation(_), _) => None,
        }
    }

    /// Takes a heartbeat; whether it was believed and fresh.
    fn take_heartbeat(&mut self, heartbeat: &Heartbeat) -> bool {
        if heartbeat.region != self.core.config.region {
            self.core.counters.feed_foreign.up();
            return false;
        }
        if let Err(error) = heartbeat.verified(&self.core.config.feed_key) {
            self.core.counters.feed_forged.up();
            tracing::warn!(%error, "a heartbeat is not believed");
            return false;
        }
        let repeated = self.standing.heartbeat.is_some_and(|newest| heartbeat.sent_at <= newest);
        let Some(at) = self.book.position.filter(|at| at.incarnation == heartbeat.incarnation && !repeated) else {
            return false;
        };
        self.standing.heartbeat = Some(heartbeat.sent_at);
        self.standing.head = self.standing.head.max(heartbeat.seq);
        if heartbeat.seq >= at.seq {
            self.standing.contact = Some(clock::millis());
        }
        if heartbeat.seq == at.seq && heartbeat.digest != at.digest {
            tracing::error!(seq = at.seq.0, "the authority has another digest at this position");
            self.core.counters.feed_rebuild.up();
            self.lose();
        }
        true
    }

    fn take_snapshot(&mut self, snapshot: &Snapshot) {
        let counters = &self.core.counters;
        if snapshot.region != self.core.config.region {
            counters.feed_foreign.up();
            return;
        }
        let contents = match snapshot.verified(&self.core.config.feed_key) {
            Ok(contents) => contents,
            Err(error) => {
                counters.feed_forged.up();
                tracing::warn!(%error, "a snapshot is not believed");
                return;
            }
        };
        let guard = match self.core.config.shrink {
            Shrink::Refuse => Guard::Keep,
            Shrink::Allow => Guard::Off,
        };
        match self.book.adopt(snapshot, contents, guard) {
            Ok(adopted) => {
                counters.snapshot_adopted.up();
                (0..adopted.stale).for_each(|_| counters.feed_stale.up());
                (0..adopted.conflicts).for_each(|_| counters.feed_conflict.up());
                tracing::info!(seq = snapshot.seq.0, routes = self.book.routes(), ?adopted, "took over a snapshot");
                self.begin_anew();
            }
            Err(Refused::Older) => counters.snapshot_older.up(),
            Err(Refused::Shrunk) => {
                counters.snapshot_shrunk.up();
                tracing::error!(seq = snapshot.seq.0, "a snapshot lacks more than a fifth of the routes; refused");
                self.standing.wanted = Wanted::Refused;
            }
        }
        self.stand();
    }

    fn begin_anew(&mut self) {
        let now = clock::millis();
        let bus = self.standing.bus;
        self.standing = Standing { contact: Some(now), bus, ..Standing::default() };
        let waiting = std::mem::take(&mut self.waiting);
        self.show_all();
        self.rotate();
        for (entry, content) in waiting.into_values() {
            if self.book.place(&entry) == Applied::Apply {
                self.commit(entry, &content);
            }
        }
        self.core.report.notify_one();
    }

    /// What is held is not the authority's history any more.
    fn lose(&mut self) {
        if !matches!(self.standing.wanted, Wanted::Lost(_) | Wanted::Refused) {
            self.standing.wanted = Wanted::Lost(clock::millis());
        }
        self.waiting.clear();
        self.core.repair.notify_one();
    }

    /// What is held is sound, but the authority should say it whole.
    fn check(&mut self) {
        if self.standing.wanted == Wanted::Nothing {
            self.standing.wanted = Wanted::Check;
        }
        self.core.repair.notify_one();
    }

    /// Asks the endpoint when the bus speaks of what is not known here.
    fn look_up(&self, incarnation: Incarnation) {
        if !self.book.lives(incarnation) || self.standing.head > self.book.position.map_or(FeedSeq(0), |at| at.seq) {
            self.core.repair.notify_one();
        }
    }

    fn stand(&mut self) {
        self.standing.holes = self.waiting.len();
        self.standing.note(clock::millis(), self.book.position);
        self.note_quarantine();
        self.core.stand(self.standing);
    }

    fn note_quarantine(&self) {
        self.core.quarantined.send_if_modified(|known| {
            let now: Vec<_> = self.book.quarantined.keys().copied().collect();
            let changed = *known != now;
            *known = now;
            changed
        });
    }

    fn show_all(&self) {
        for wanted in observe::Wanted::all(showing::all(&self.core, &self.book)) {
            let _ = self.observe.send(wanted);
        }
    }

    fn rotate(&mut self) {
        self.journal = 0;
        if let Some(image) = Image::of(&self.book) {
            let _ = self.disk.send(Job::Rotate(image));
        }
    }
}
