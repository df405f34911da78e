//! What differs between two sets: by key and keyed digest, never by value. A rollback shows it before it is asked for, because
//! it brings the variables of its deployment back. The trap avoided: telling that a key differs by showing both values.

use super::{Entry, Key};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is otherwise in the second set than in the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Only in the second.
    pub added: BTreeMap<Key, Entry>,
    /// Only in the first.
    pub removed: BTreeMap<Key, Entry>,
    /// In both, with another value or kind.
    pub changed: BTreeMap<Key, Changed>,
}

/// One key that both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// In the first.
    pub from: Entry,
    /// In the second.
    pub to: Entry,
}

impl Difference {
    /// Whether both sets say the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// What changes when `b` takes the place of `a`. When a value was sealed does not matter, only what it is.
pub fn difference(a: &BTreeMap<Key, Entry>, b: &BTreeMap<Key, Entry>) -> Difference {
    let only = |these: &BTreeMap<Key, Entry>, not: &BTreeMap<Key, Entry>| {
        these.iter().filter(|(key, _)| !not.contains_key(*key)).map(|(key, entry)| (key.clone(), *entry)).collect()
    };
    let other = |(key, from): (&Key, &Entry)| {
        let to = b.get(key)?;
        let same = from.digest == to.digest && from.kind == to.kind;
        (!same).then(|| (key.clone(), Changed { from: *from, to: *to }))
    };
    Difference { added: only(b, a), removed: only(a, b), changed: a.iter().filter_map(other).collect() }
}
