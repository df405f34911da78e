//! Where in the log: (era, tx, pos), compared as a whole. The trap avoided: `pos` alone is taken when a row is inserted and
//! seen when its transaction commits, so a reader of `pos > last` loses events. What leaves the system also names the log's
//! incarnation, so that a cursor from another life of the database is answered with a typed `Resync`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A place in the log's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Raised when a restored log is opened on a cluster with smaller transaction numbers.
    pub era: u32,
    /// The transaction that wrote it.
    pub tx: u64,
    /// The order within a transaction.
    pub pos: u64,
}

/// Why a text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written `era-tx-pos`")]
pub struct InvalidPosition;

impl Position {
    /// Before the first event.
    pub const START: Self = Self { era: 0, tx: 0, pos: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.era, self.tx, self.pos)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let [era, tx, pos] = numbers(text, '-').ok_or(InvalidPosition)?;
        Ok(Self { era: u32::try_from(era).map_err(|_| InvalidPosition)?, tx, pos })
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which life of the log: another cluster, a recovery to a point in time and a reseal each begin a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogIncarnation {
    /// Given to the cluster when it was initialised.
    pub system: u64,
    /// Raised by every promotion or recovery to a point in time.
    pub timeline: u32,
    /// Raised by `reseal`.
    pub era: u32,
}

impl fmt::Display for LogIncarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.system, self.timeline, self.era)
    }
}

impl FromStr for LogIncarnation {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let [system, timeline, era] = numbers(text, '.').ok_or(CursorError::Malformed)?;
        Ok(Self {
            system,
            timeline: u32::try_from(timeline).map_err(|_| CursorError::Malformed)?,
            era: u32::try_from(era).map_err(|_| CursorError::Malformed)?,
        })
    }
}

/// A position as clients keep it, written `incarnation~position`; opaque to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The life of the log it was given out in.
    pub incarnation: LogIncarnation,
    /// The last event already seen.
    pub position: Position,
}

/// Why a cursor cannot be continued from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not a cursor at all.
    #[error("this is not a cursor")]
    Malformed,
    /// From another life of the log: start over from a fresh snapshot.
    #[error("the cursor is from {theirs}, the log is now {ours}: resync from a fresh snapshot")]
    Resync {
        /// Where the cursor is from.
        theirs: LogIncarnation,
        /// What the log is now.
        ours: LogIncarnation,
    },
}

impl Cursor {
    /// The position to continue from, if the cursor is from this life of the log.
    pub fn continue_in(self, ours: LogIncarnation) -> Result<Position, CursorError> {
        if self.incarnation == ours {
            Ok(self.position)
        } else {
            Err(CursorError::Resync { theirs: self.incarnation, ours })
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.incarnation, self.position)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (incarnation, position) = text.split_once('~').ok_or(CursorError::Malformed)?;
        Ok(Self { incarnation: incarnation.parse()?, position: position.parse().map_err(|_| CursorError::Malformed)? })
    }
}

/// Three plain decimal numbers; no sign, no blank, no leading zero, so that each has one spelling.
fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let numbers = text
        .split(separator)
        .map(|part| {
            let number = part.parse::<u64>().ok()?;
            (number.to_string() == part).then_some(number)
        })
        .collect::<Option<Vec<_>>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests;
