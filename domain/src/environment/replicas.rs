//! How many allocations of its owner an environment wants: at least one, at most [`Replicas::MOST`]. Writer: scale operations.
//! Trap: a wanted number that lives in a table of the scheduler, where no promotion and no audit sees it change.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A wanted number of allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replicas(pub u8);

impl Replicas {
    /// What an environment wants until it is scaled.
    pub const ONE: Self = Self(1);
    /// No environment may want more.
    pub const MOST: Self = Self(32);

    /// A number within the bounds.
    pub fn new(number: u64) -> Option<Self> {
        let number = u8::try_from(number).ok().map(Self)?;
        (Self::ONE..=Self::MOST).contains(&number).then_some(number)
    }
}

impl Default for Replicas {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
