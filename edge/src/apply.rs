//! The apply rule: what a feed entry does to an edge that stands at some position and holds some content for the entry's
//! key. Pure; its case table stands beside it. The trap: an order by arrival. Positions order the feed, epochs and
//! generations order a key, and the two are judged apart: an entry in its right place may still carry an old truth.

use rhone_domain::{
    digest::Digest,
    feed::{Content, Endpoint, Entry, Route},
    ids::Incarnation,
    numbers::{Epoch, FeedSeq},
};
use std::cmp::Ordering;

/// How far an edge has applied which life of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which life.
    pub incarnation: Incarnation,
    /// How far.
    pub seq: FeedSeq,
    /// The digest there.
    pub digest: Digest,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is the truth about its key now.
    Apply,
    /// Its position was passed already; nothing changes.
    Duplicate,
    /// Something before it is missing; nothing changes until that is fetched.
    Gap,
    /// The key knows better; only the position moves on.
    Stale,
    /// Two contents claim the same place in the key's order: the key is quarantined, the position moves on.
    Conflict,
    /// Another life or another history of the feed; only a snapshot from the authority can say.
    Rebuild,
}

/// What is known of an entry's key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The content held.
    pub held: Option<&'a Content>,
    /// An epoch that the key has passed, though its content is no longer held.
    pub floor: Option<Epoch>,
}

/// The rule.
pub fn judge(position: Option<&Position>, known: Known<'_>, entry: &Entry, content: &Content) -> Applied {
    match place(position, entry) {
        Applied::Apply => weigh(known, content),
        elsewhere @ (Applied::Duplicate | Applied::Gap | Applied::Stale | Applied::Conflict | Applied::Rebuild) => {
            elsewhere
        }
    }
}

/// Whether an entry is the next one.
pub fn place(position: Option<&Position>, entry: &Entry) -> Applied {
    let Some(position) = position else {
        return Applied::Rebuild;
    };
    if entry.incarnation != position.incarnation {
        return Applied::Rebuild;
    }
    match entry.seq.cmp(&position.seq.next()) {
        Ordering::Less => Applied::Duplicate,
        Ordering::Greater => Applied::Gap,
        Ordering::Equal if entry.prev != position.digest => Applied::Rebuild,
        Ordering::Equal => Applied::Apply,
    }
}

/// Whether a content goes before, after or against what is known: `Apply`, `Stale` or `Conflict`.
pub fn weigh(known: Known<'_>, content: &Content) -> Applied {
    match (known.held, content) {
        (Some(Content::Route(held)), Content::Route(new)) => weigh_route(held, new),
        (Some(Content::Allocation(held)), Content::Allocation(new)) => weigh_endpoint(held, new),
        (None, Content::Route(new)) if known.floor.is_some_and(|floor| new.epoch < floor) => Applied::Stale,
        (None, Content::Route(_) | Content::Allocation(_)) => Applied::Apply,
        (Some(_), _) => Applied::Conflict,
    }
}

fn weigh_route(held: &Route, new: &Route) -> Applied {
    match (new.epoch, new.revision).cmp(&(held.epoch, held.revision)) {
        // Within one epoch there is one owner at one place.
        Ordering::Less | Ordering::Greater if new.epoch == held.epoch && !same_owner(held, new) => Applied::Conflict,
        Ordering::Less => Applied::Stale,
        Ordering::Equal if new != held => Applied::Conflict,
        Ordering::Equal | Ordering::Greater => Applied::Apply,
    }
}

/// Whether two routes name the same owner, served from the same place.
pub(crate) fn same_owner(one: &Route, other: &Route) -> bool {
    (&one.owner, one.region, one.cell) == (&other.owner, other.region, other.cell)
}

fn weigh_endpoint(held: &Endpoint, new: &Endpoint) -> Applied {
    if (held.environment, held.deployment) != (new.environment, new.deployment) {
        return Applied::Conflict;
    }
    match (new.generation, new.state).cmp(&(held.generation, held.state)) {
        Ordering::Less => Applied::Stale,
        Ordering::Equal if new != held => Applied::Conflict,
        Ordering::Equal | Ordering::Greater => Applied::Apply,
    }
}

#[cfg(test)]
pub(crate) mod tests;
