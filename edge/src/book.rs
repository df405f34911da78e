//! The book: the last content of every key with the position it is true at, and which keys are quarantined. Written by the
//! applier alone; pure, so that every rule of a rebuild is tested without a network. The trap: a restored control plane
//! offers an old truth under a new name, so what was served once is remembered beyond the life of the feed.

use crate::apply::{Applied, Known, Position, judge, place, same_owner, weigh};
use rhone_domain::{
    feed::{Content, Entry, Snapshot},
    ids::{AllocationId, EnvironmentId, Incarnation},
    numbers::Epoch,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What a content is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// An environment's route.
    Route(EnvironmentId),
    /// An allocation's endpoint.
    Allocation(AllocationId),
}

impl Key {
    /// The key of a content.
    pub(crate) fn of(content: &Content) -> Self {
        match content {
            Content::Route(route) => Self::Route(route.environment),
            Content::Allocation(endpoint) => Self::Allocation(endpoint.allocation),
        }
    }
}

/// A content as it came, and as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// The bytes that were digested.
    pub(crate) text: Arc<str>,
    /// What they say.
    pub(crate) content: Content,
}

/// Why a snapshot is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is true at an earlier position of the same life.
    Older,
    /// It lacks more than a fifth of the routes.
    Shrunk,
}

/// How much a snapshot may take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Not more than a fifth of the routes.
    Keep,
    /// Anything.
    Off,
}

/// Whose life of the feed a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// The one held.
    Same,
    /// Another one, or the first.
    New,
}

/// What taking over a snapshot found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// Keys that knew better.
    pub(crate) stale: usize,
    /// Keys now quarantined.
    pub(crate) conflicts: usize,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// How far.
    pub(crate) position: Option<Position>,
    /// The last content of every key.
    pub(crate) held: HashMap<Key, Held>,
    /// Keys that are not served until their epoch is above this one.
    pub(crate) quarantined: BTreeMap<EnvironmentId, Epoch>,
    /// The epochs of routes that are held no longer.
    pub(crate) floors: BTreeMap<EnvironmentId, Epoch>,
}

impl Book {
    /// Judges an entry and keeps what follows from it.
    pub(crate) fn offer(&mut self, entry: &Entry, content: &Content) -> Applied {
        let key = Key::of(content);
        let applied = judge(self.position.as_ref(), self.known(key), entry, content);
        match applied {
            Applied::Apply => self.keep(key, entry.content.as_str().into(), content.clone()),
            Applied::Conflict => self.quarantine(key, content),
            Applied::Duplicate | Applied::Gap | Applied::Stale | Applied::Rebuild => {}
        }
        if matches!(applied, Applied::Apply | Applied::Stale | Applied::Conflict) {
            self.position = Some(Position { incarnation: entry.incarnation, seq: entry.seq, digest: entry.digest });
        }
        applied
    }

    /// Whether an entry would be the next one.
    pub(crate) fn place(&self, entry: &Entry) -> Applied {
        place(self.position.as_ref(), entry)
    }

    /// Takes over a snapshot from the authority, whose contents are `contents`.
    pub(crate) fn adopt(
        &mut self,
        snapshot: &Snapshot,
        contents: Vec<Content>,
        guard: Guard,
    ) -> Result<Adopted, Refused> {
        let life = if self.lives(snapshot.incarnation) { Life::Same } else { Life::New };
        if life == Life::Same && self.position.is_some_and(|at| snapshot.seq < at.seq) {
            return Err(Refused::Older);
        }
        if life == Life::Same && guard == Guard::Keep && self.shrinks(&contents) {
            return Err(Refused::Shrunk);
        }
        let before = std::mem::take(&mut self.held);
        let mut adopted = Adopted::default();
        for (text, content) in snapshot.contents.iter().zip(contents) {
            let key = Key::of(&content);
            self.merge(key, before.get(&key), Held { text: text.as_str().into(), content }, life, &mut adopted);
        }
        self.remember_missing(&before);
        self.position =
            Some(Position { incarnation: snapshot.incarnation, seq: snapshot.seq, digest: snapshot.digest });
        Ok(adopted)
    }

    /// Whether a word from this life of the feed is about the one held.
    pub(crate) fn lives(&self, incarnation: Incarnation) -> bool {
        self.position.is_some_and(|at| at.incarnation == incarnation)
    }

    /// How many routes are held.
    pub(crate) fn routes(&self) -> usize {
        self.held.keys().filter(|key| matches!(key, Key::Route(_))).count()
    }

    fn known(&self, key: Key) -> Known<'_> {
        let floor = match key {
            Key::Route(environment) => self.floors.get(&environment).copied(),
            Key::Allocation(_) => None,
        };
        Known { held: self.held.get(&key).map(|held| &held.content), floor }
    }

    fn keep(&mut self, key: Key, text: Arc<str>, content: Content) {
        if let Content::Route(route) = &content {
            if self.quarantined.get(&route.environment).is_some_and(|floor| route.epoch > *floor) {
                self.quarantined.remove(&route.environment);
            }
            self.floors.remove(&route.environment);
        }
        self.held.insert(key, Held { text, content });
    }

    fn quarantine(&mut self, key: Key, offered: &Content) {
        if let (Key::Route(environment), Content::Route(offered)) = (key, offered) {
            let held = match self.held.get(&key).map(|held| &held.content) {
                Some(Content::Route(held)) => held.epoch,
                Some(Content::Allocation(_)) | None => Epoch(0),
            };
            let floor = self.quarantined.entry(environment).or_default();
            *floor = (*floor).max(held).max(offered.epoch);
        }
    }

    fn merge(&mut self, key: Key, before: Option<&Held>, new: Held, life: Life, adopted: &mut Adopted) {
        let known = Known { held: before.map(|held| &held.content), floor: self.known(key).floor };
        match (weigh(known, &new.content), before) {
            (Applied::Stale, Some(before)) if life == Life::Same => {
                adopted.stale += 1;
                self.held.insert(key, before.clone());
            }
            (Applied::Stale | Applied::Conflict, before) => self.contest(key, before, new, life, adopted),
            (Applied::Apply | Applied::Duplicate | Applied::Gap | Applied::Rebuild, _) => {
                self.keep(key, new.text, new.content);
            }
        }
    }

    /// The authority says something that goes against what was served. For an allocation it is believed, and for a route
    /// of a new life that kept its epoch and owner; a route whose epoch fell, or whose owner changed without one, is not
    /// served until it rises above both.
    fn contest(&mut self, key: Key, before: Option<&Held>, new: Held, life: Life, adopted: &mut Adopted) {
        let highest = match (before.map(|held| &held.content), &new.content) {
            (Some(Content::Route(held)), Content::Route(offered))
                if life == Life::New && held.epoch == offered.epoch && same_owner(held, offered) =>
            {
                None
            }
            (Some(Content::Route(held)), Content::Route(offered)) => Some(held.epoch.max(offered.epoch)),
            (_, Content::Route(offered)) => self.known(key).floor.max(Some(offered.epoch)),
            (_, Content::Allocation(_)) => None,
        };
        if let (Key::Route(environment), Some(highest)) = (key, highest) {
            adopted.conflicts += 1;
            let floor = self.quarantined.entry(environment).or_default();
            *floor = (*floor).max(highest);
        }
        self.held.insert(key, new);
    }

    fn shrinks(&self, contents: &[Content]) -> bool {
        let had = self.routes();
        let has = contents.iter().filter(|content| matches!(content, Content::Route(_))).count();
        had >= 10 && has * 5 < had * 4
    }

    fn remember_missing(&mut self, before: &HashMap<Key, Held>) {
        for (key, held) in before {
            if let (Key::Route(environment), Content::Route(route)) = (key, &held.content)
                && !self.held.contains_key(key)
            {
                let floor = self.floors.entry(*environment).or_default();
                *floor = (*floor).max(route.epoch);
            }
        }
    }
}

#[cfg(test)]
mod tests;
