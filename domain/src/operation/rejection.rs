//! Why an operation does not go on as asked. The trap: an answer that does not say where it stands.

use super::Stage;
use crate::aggregate;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken.
    #[error("this operation exists already")]
    Exists,
    /// There is none.
    #[error("there is no such operation")]
    NotFound,
    /// Its life does not go that way.
    #[error("an operation at {from} cannot go to {to}")]
    NotFrom {
        /// Where it is.
        from: Stage,
        /// Where it was to go.
        to: Stage,
    },
    /// It cannot be undone by ending early.
    #[error("the route has changed already; roll back instead")]
    RouteChanged,
    /// What it does at this stage is carried to its end.
    #[error("an operation at {0} is carried to its end")]
    TooLate(Stage),
    /// It has ended.
    #[error("the operation has ended: {0}")]
    Ended(Stage),
    /// A rollback says why.
    #[error("a rollback has a reason")]
    ReasonMissing,
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::NotFrom { .. } => "INVALID_TRANSITION",
            Self::RouteChanged => "ROUTE_CHANGED",
            Self::TooLate(_) => "TOO_LATE",
            Self::Ended(_) => "OPERATION_ENDED",
            Self::ReasonMissing => "REASON_MISSING",
        }
    }

    fn field(&self) -> Option<&'static str> {
        matches!(self, Self::ReasonMissing).then_some("reason")
    }
}
