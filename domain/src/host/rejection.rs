//! Why something is not done to a host. Written by its rules alone. The trap: a cordon that a drain needs, lifted by somebody
//! who does not know of the drain.

use super::{MOST_CAPACITY, State};
use crate::{aggregate, ids::OperationId, scheduling::HOST_LOST};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this host exists already")]
    Exists,
    /// There is none.
    #[error("there is no such host")]
    NotFound,
    /// It takes allocations anyway.
    #[error("the host is not cordoned")]
    NotCordoned,
    /// Nothing of it is being moved away by this operation.
    #[error("the host is not being drained by this operation")]
    NotDraining,
    /// Another drain is at work.
    #[error("drain {by} holds this host")]
    HeldByDrain {
        /// Which.
        by: OperationId,
    },
    /// A person cordoned it; a drain does not undo that.
    #[error("a person cordoned this host")]
    HeldByHand,
    /// No allocation may be placed here.
    #[error("the host is {state} and takes no allocations")]
    TakesNone {
        /// What it is.
        state: State,
    },
    /// It holds as many as it may.
    #[error("the host holds {capacity} allocations, and may hold no more")]
    Full {
        /// How many.
        capacity: u32,
    },
    /// It never comes back.
    #[error("the host was retired")]
    Retired,
    /// Whoever is heard is not lost.
    #[error("the host's runner was heard {seconds} seconds ago; a host that is heard is drained, not retired")]
    Heard {
        /// How long ago.
        seconds: i64,
    },
    /// Where nobody is heard, the silence may be the platform's own.
    #[error(
        "no other host was heard for {seconds} seconds either: the silence may be the platform's own; a host is retired while \
         another one is heard"
    )]
    NobodyHeard {
        /// For how long.
        seconds: i64,
    },
    /// Nobody has such a machine.
    #[error("a host holds at most {MOST_CAPACITY} allocations")]
    TooLarge,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::NotCordoned => "NOT_CORDONED",
            Self::NotDraining => "NOT_DRAINING",
            Self::HeldByDrain { .. } => "HELD_BY_DRAIN",
            Self::HeldByHand => "HELD_BY_HAND",
            Self::TakesNone { .. } => "HOST_CORDONED",
            Self::Full { .. } => "HOST_FULL",
            Self::Retired => "HOST_RETIRED",
            Self::Heard { .. } => "HOST_HEARD",
            Self::NobodyHeard { .. } => "NO_HOST_HEARD",
            Self::TooLarge => "INVALID",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge => Some("capacity"),
            Self::NotFound
            | Self::NotCordoned
            | Self::HeldByDrain { .. }
            | Self::Retired
            | Self::Heard { .. }
            | Self::NobodyHeard { .. } => Some("hostId"),
            Self::NotDraining => Some("operationId"),
            Self::Exists | Self::HeldByHand | Self::TakesNone { .. } | Self::Full { .. } => None,
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        let lost = HOST_LOST.num_seconds();
        match self {
            Self::Heard { seconds } => {
                Some((format!("silent for {lost} seconds"), format!("heard {seconds} seconds ago")))
            }
            Self::NobodyHeard { seconds } => {
                Some((format!("another host heard within {lost} seconds"), format!("heard {seconds} seconds ago")))
            }
            Self::Exists
            | Self::NotFound
            | Self::NotCordoned
            | Self::NotDraining
            | Self::HeldByDrain { .. }
            | Self::HeldByHand
            | Self::TakesNone { .. }
            | Self::Full { .. }
            | Self::Retired
            | Self::TooLarge => None,
        }
    }
}
