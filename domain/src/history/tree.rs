//! The tree of causes: every event below the one that led to it, told from the root down. Trap: an event whose cause is not
//! among those that are told; it is a root, and says which cause it names.

use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A line of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which of the events that were given.
    pub index: usize,
    /// How far below its root; a root is at 0.
    pub depth: usize,
}

/// Events as (id, cause), in the log's order: each one followed by all that it led to. Each stands exactly once, even where
/// causes go round in a circle, which no honest log has.
pub fn tree(events: &[(Uuid, Option<Uuid>)]) -> Vec<Line> {
    let known: BTreeMap<Uuid, usize> = events.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
    let mut below = BTreeMap::<usize, Vec<usize>>::new();
    let mut roots = Vec::new();
    for (index, (_, cause)) in events.iter().enumerate() {
        match cause.and_then(|cause| known.get(&cause)).filter(|cause| **cause != index) {
            Some(cause) => below.entry(*cause).or_default().push(index),
            None => roots.push(index),
        }
    }
    let (mut lines, mut told) = (Vec::with_capacity(events.len()), BTreeSet::new());
    for root in roots.into_iter().chain(0..events.len()) {
        let mut stack = vec![Line { index: root, depth: 0 }];
        while let Some(line) = stack.pop() {
            if told.insert(line.index) {
                lines.push(line);
                let led_to = below.get(&line.index).into_iter().flatten().rev();
                stack.extend(led_to.map(|index| Line { index: *index, depth: line.depth + 1 }));
            }
        }
    }
    lines
}
