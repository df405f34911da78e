//! Counted things, each a type of its own.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after this.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

counters! {
    /// How often a route key has been given an owner; only ever rises. 0: never.
    Epoch;
    /// What changed within one epoch (hosts, drain, posture).
    Revision;
    /// The number of a stream's last event; 0: no event yet.
    Version;
    /// The position in a region's feed, without gaps; 0: nothing yet.
    FeedSeq;
    /// Which incarnation of an allocation's desired state this is; a runner refuses an older one.
    Generation;
    /// Which lease a worker holds; a write under an older one is refused in SQL.
    Fence;
    /// The version of an environment's set of variables, pinned per deployment.
    EnvSet;
    /// Which sleep of a route; a wake names the one it ends.
    SleepGeneration;
}

/// So many seconds as a span of time; 136 years at most, so that adding it to a moment cannot overflow.
pub fn seconds(count: u64) -> TimeDelta {
    TimeDelta::seconds(u32::try_from(count).unwrap_or(u32::MAX).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_seconds_leads_past_the_end_of_time() {
        assert_eq!(seconds(90), TimeDelta::seconds(90));
        assert_eq!(seconds(u64::MAX), TimeDelta::seconds(u32::MAX.into()));
        assert!(crate::story::at(0).checked_add_signed(seconds(u64::MAX)).is_some());
    }
}
