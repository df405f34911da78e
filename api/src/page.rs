//! Pages of a connection: how many, in which direction, and what they cost. Used by every connection resolver and its
//! `#[graphql(complexity = ...)]`. The trap avoided: complexity runs on unvalidated arguments, where `first: -5` cast to
//! `usize` overflows; everything here clamps and saturates.

use crate::fault::Fault;

/// The page when neither `first` nor `last` is given.
pub const DEFAULT: usize = 25;
/// The largest page; a larger wish is clamped to it.
pub const MAX: usize = 100;

/// Which end of the list the page is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `first`, `after`.
    Forward,
    /// `last`, `before`.
    Backward,
}

/// A checked page request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Which end.
    pub direction: Direction,
    /// Rows wanted, 0 to `MAX`.
    pub size: usize,
    /// The opaque cursor to continue from: `after` or `before`.
    pub cursor: Option<String>,
}

impl Page {
    /// Checks the four arguments of a connection.
    pub fn parse(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Self, Fault> {
        if first.is_some() && last.is_some() {
            return Err(Fault::bad_input("last", "must not be given together with first"));
        }
        let direction = if last.is_some() || (first.is_none() && before.is_some()) {
            Direction::Backward
        } else {
            Direction::Forward
        };
        let (wanted, cursor, stray) = match direction {
            Direction::Forward => (rows("first", first)?, after, before.map(|_| ("before", "needs last, not first"))),
            Direction::Backward => (rows("last", last)?, before, after.map(|_| ("after", "needs first, not last"))),
        };
        if let Some((field, rule)) = stray {
            return Err(Fault::bad_input(field, rule));
        }
        Ok(Self { direction, size: wanted, cursor })
    }
}

fn rows(field: &'static str, wanted: Option<i32>) -> Result<usize, Fault> {
    let Some(wanted) = wanted else { return Ok(DEFAULT) };
    let wanted = usize::try_from(wanted).map_err(|_| Fault::bad_input(field, "must not be negative"))?;
    Ok(wanted.min(MAX))
}

/// What a connection costs: `#[graphql(complexity = "page::cost(first, last, child_complexity)")]`.
pub fn cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    size_for_cost(first.or(last).map(i64::from)).saturating_mul(child).saturating_add(1)
}

/// The rows a wish counts for: a nonsensical one counts as the largest page.
pub(crate) fn size_for_cost(wanted: Option<i64>) -> usize {
    wanted.map_or(DEFAULT, |rows| usize::try_from(rows).map_or(MAX, |rows| rows.min(MAX)))
}
