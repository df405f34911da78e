//! Variables: the environment's sets of variables and secrets, numbered; every change makes the next set, and an older one
//! stays what it was, because deployments are pinned to theirs. Owner: the workspace. Writer: API operations. Durability: this
//! stream holds keyed digests and references; the values lie encrypted in the vault. Its id is the environment's.
//! Trap: a value, or a plain digest of one that anybody could guess, in an event.

mod difference;
mod key;
mod rejection;

pub use difference::{Changed, Difference, difference};
pub use key::{Key, RESERVED};
pub use rejection::Rejection;

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    digest::Digest,
    ids::{AppId, DeploymentId, EnvironmentId, ValueId, WorkspaceId},
    numbers::EnvSet,
    route_owner::RouteOwner,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// No value is longer, in bytes: an app reads it from its environment, where a system takes 128 KiB for one at most.
pub const VALUE_BYTES: usize = 32 * 1024;
/// No set has more variables.
pub const MOST: usize = 250;
/// No set is larger, by what its values are counted as.
pub const SET_BYTES: u64 = 256 * 1024;
/// Values are counted in blocks of so many bytes: how long a secret is, is nobody's business.
pub const BLOCK: u64 = 256;

words! {
    /// Who may read a value back.
    Kind {
        /// Whoever holds the grant `variables_read` there.
        Plain = "plain",
        /// Nobody but the app.
        Secret = "secret",
    }
}

/// An environment's variables, as later decisions see them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variables {
    /// Whose; none before the first set.
    pub lane: Option<Lane>,
    /// The newest set; 0 before the first one.
    pub current: EnvSet,
    /// When each set was made.
    pub made: BTreeMap<EnvSet, DateTime<Utc>>,
    /// Every key's life: from which set on it was what.
    history: BTreeMap<Key, BTreeMap<EnvSet, Option<Entry>>>,
}

/// Whose variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// The environment; also the stream's id.
    pub environment: EnvironmentId,
}

/// One variable of a set: everything but its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who may read it back.
    pub kind: Kind,
    /// An HMAC of environment, key and value under a key of the app's: equal values are seen to be equal, and nothing else.
    pub digest: Digest,
    /// Where the vault keeps it.
    pub value: ValueId,
    /// The set under which it was sealed; the ciphertext is bound to it.
    pub sealed_in: EnvSet,
    /// What it counts for in bytes, in whole blocks.
    pub counted: u64,
}

/// A variable that somebody wants, already in the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who may read it back.
    pub kind: Kind,
    /// See [`Entry::digest`].
    pub digest: Digest,
    /// Where the vault keeps it.
    pub value: ValueId,
    /// How long it is.
    pub bytes: usize,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make the next set: all of it or nothing.
    Change {
        /// Whose.
        lane: Lane,
        /// The set this was decided on; the newest one when omitted.
        expected: Option<EnvSet>,
        /// The set that the values were sealed for.
        sealed_for: EnvSet,
        /// What is new or other than before.
        set: BTreeMap<Key, Wanted>,
        /// What goes.
        unset: BTreeSet<Key>,
        /// When.
        at: DateTime<Utc>,
    },
}

aggregate::commands!(Command { Command::Change { .. } => "variables.change", });

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// There is another set.
    #[serde(rename = "variables.changed")]
    Changed { lane: Lane, to: EnvSet, set: BTreeMap<Key, Entry>, unset: BTreeSet<Key>, at: DateTime<Utc> },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("variables.changed", 1)];
}

impl Aggregate for Variables {
    const CATEGORY: &'static str = "variables";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        let Command::Change { lane, expected, sealed_for, set, unset, at } = command;
        if self.lane.is_some_and(|known| known != lane) {
            return Err(Rejection::OtherLane);
        }
        if let Some(expected) = expected.filter(|expected| *expected != self.current) {
            return Err(Rejection::StaleSet { expected, actual: self.current });
        }
        if set.is_empty() && unset.is_empty() {
            return Err(Rejection::Nothing);
        }
        let now = self.at(self.current).unwrap_or_default();
        one_wish_each(&set, &unset)?;
        if let Some(key) = unset.iter().find(|key| !now.contains_key(*key)) {
            return Err(Rejection::NotSet { key: key.clone() });
        }
        let set = fresh(&now, set)?;
        if set.is_empty() && unset.is_empty() {
            return Ok(vec![]);
        }
        let to = self.current.next();
        if sealed_for != to {
            return Err(Rejection::SealedForAnother { expected: to, actual: sealed_for });
        }
        let set = set.into_iter().map(|(key, wanted)| (key, wanted.entry(to))).collect();
        fits(now, &set, &unset)?;
        Ok(vec![Event::Changed { lane, to, set, unset, at }])
    }

    fn apply(&mut self, event: &Event) {
        let Event::Changed { lane, to, set, unset, at } = event;
        self.lane = Some(*lane);
        self.current = *to;
        self.made.insert(*to, *at);
        for (key, entry) in set {
            self.history.entry(key.clone()).or_default().insert(*to, Some(*entry));
        }
        for key in unset {
            self.history.entry(key.clone()).or_default().insert(*to, None);
        }
    }
}

impl Variables {
    /// A set as it was made; none when there never was one of this number. Number 0 is the empty set of the beginning.
    pub fn at(&self, set: EnvSet) -> Option<BTreeMap<Key, Entry>> {
        if set > self.current {
            return None;
        }
        let then = |(key, life): (&Key, &BTreeMap<EnvSet, Option<Entry>>)| {
            let (_, entry) = life.range(..=set).next_back()?;
            entry.map(|entry| (key.clone(), entry))
        };
        Some(self.history.iter().filter_map(then).collect())
    }

    /// The newest set.
    pub fn now(&self) -> BTreeMap<Key, Entry> {
        self.at(self.current).unwrap_or_default()
    }

    /// The required keys that a set does not hold.
    pub fn missing(&self, set: EnvSet, required: &BTreeSet<Key>) -> Vec<Key> {
        let held = self.at(set).unwrap_or_default();
        required.iter().filter(|wanted| !held.contains_key(*wanted)).cloned().collect()
    }
}

impl Wanted {
    fn entry(self, sealed_in: EnvSet) -> Entry {
        let Self { kind, digest, value, bytes } = self;
        Entry { kind, digest, value, sealed_in, counted: counted(bytes) }
    }
}

/// The set that a deployment has in an environment: for ever the one it first owned its traffic with, and before that the
/// newest one. A rollback therefore brings back the variables that its deployment ran with.
pub fn pinned(owner: &RouteOwner, deployment: DeploymentId, current: EnvSet) -> EnvSet {
    owner.former.get(&deployment).map_or(current, |former| former.env_set)
}

/// What a value counts for: whole blocks, and never nothing.
pub fn counted(bytes: usize) -> u64 {
    (bytes as u64).max(1).div_ceil(BLOCK) * BLOCK
}

fn one_wish_each(set: &BTreeMap<Key, Wanted>, unset: &BTreeSet<Key>) -> Result<(), Rejection> {
    match unset.iter().find(|key| set.contains_key(*key)) {
        Some(key) => Err(Rejection::SetAndUnset { key: key.clone() }),
        None => Ok(()),
    }
}

/// What is not so already.
fn fresh(now: &BTreeMap<Key, Entry>, set: BTreeMap<Key, Wanted>) -> Result<BTreeMap<Key, Wanted>, Rejection> {
    if let Some((key, _)) = set.iter().find(|(_, wanted)| wanted.bytes > VALUE_BYTES) {
        return Err(Rejection::ValueTooLong { key: key.clone() });
    }
    let is_so = |key: &Key, wanted: &Wanted| {
        now.get(key).is_some_and(|entry| entry.digest == wanted.digest && entry.kind == wanted.kind)
    };
    Ok(set.into_iter().filter(|(key, wanted)| !is_so(key, wanted)).collect())
}

fn fits(mut next: BTreeMap<Key, Entry>, set: &BTreeMap<Key, Entry>, unset: &BTreeSet<Key>) -> Result<(), Rejection> {
    next.retain(|key, _| !unset.contains(key));
    next.extend(set.iter().map(|(key, entry)| (key.clone(), *entry)));
    if next.len() > MOST {
        return Err(Rejection::TooMany { count: next.len() });
    }
    let bytes = next.values().map(|entry| entry.counted).sum();
    if bytes > SET_BYTES { Err(Rejection::TooLarge { bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
