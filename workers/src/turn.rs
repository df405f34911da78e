//! One turn of a reconciler over many lanes, and whose trouble ends it. The trap: one bad stream that stops every lane of every
//! tenant after it.

use crate::process::is_overtaken;
use rhone_eventstore::{AppendError, ReadError};
use std::fmt;

/// Why a turn was cut short.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error("rows could not be read")]
    Rows(#[from] sqlx::Error),
    #[error("a stream could not be read")]
    Read(#[from] ReadError),
    #[error("an order could not be appended")]
    Append(#[from] AppendError),
}

/// What became of one thing that a turn looks at, an allocation or a lane: its own trouble is told, and the next one's turn
/// comes; what would meet every other one as well ends the turn.
pub(crate) fn settled(done: Result<(), TurnError>, id: Option<impl fmt::Display>) -> Result<(), TurnError> {
    match done {
        Ok(()) => Ok(()),
        // The next turn looks again.
        Err(TurnError::Append(error)) if is_overtaken(&error) => Ok(()),
        Err(error) if meets_all(&error) => Err(error),
        Err(error) => {
            let id = id.map(tracing::field::display);
            tracing::warn!(id, error = &error as &dyn std::error::Error, "this one is left as it is");
            Ok(())
        }
    }
}

/// The database is away, or somebody else holds the lease. A row that does not read, a newer program's perhaps, is nobody else's.
fn meets_all(error: &TurnError) -> bool {
    match error {
        TurnError::Rows(cause) => !matches!(cause, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)),
        TurnError::Read(cause) => matches!(cause, ReadError::Unavailable(_)),
        TurnError::Append(cause) => {
            matches!(cause, AppendError::Unavailable(_) | AppendError::Unknown(_) | AppendError::StaleFence { .. })
        }
    }
}

#[cfg(test)]
mod tests {
    //! Whose trouble ends a turn.
    use super::*;
    use rhone_domain::{
        aggregate::Aggregate as _,
        allocation::Allocation,
        envelope::StreamId,
        ids::AllocationId,
        numbers::{Fence, Version},
    };
    use uuid::Uuid;

    /// Which of these end the turn: a corrupt stream, a refused append, a lost race, a row that does not read, no database, no log,
    /// another holder.
    fn ended_by(settled: impl Fn(TurnError) -> Result<(), TurnError>) -> [bool; 7] {
        let stream = StreamId::new(Allocation::CATEGORY, Uuid::nil());
        let lost = AppendError::Conflict { stream, expected: Version(1), actual: Version(2) };
        let refused = AppendError::Refused { code: "RH001".into(), message: "no".into(), detail: None };
        [
            TurnError::Read(ReadError::Corrupt { place: "here".into(), reason: "no event".into() }),
            TurnError::Append(refused),
            TurnError::Append(lost),
            TurnError::Rows(sqlx::Error::ColumnDecode { index: "body".into(), source: "no allocation".into() }),
            TurnError::Rows(sqlx::Error::PoolTimedOut),
            TurnError::Read(ReadError::Unavailable(sqlx::Error::PoolTimedOut)),
            TurnError::Append(AppendError::StaleFence { lease: "scheduler".into(), fence: Fence(1) }),
        ]
        .map(|error| settled(error).is_err())
    }

    #[test]
    fn one_bad_allocation_stops_no_other_and_what_meets_all_ends_the_turn() {
        let wanted = [false, false, false, false, true, true, true];
        assert_eq!(ended_by(|error| settled(Err(error), None::<AllocationId>)), wanted);
        // The sin: whatever is no lost race ends the turn, and one bad stream stops every lane of every tenant.
        let sin = |error| match error {
            TurnError::Append(AppendError::Conflict { .. }) => Ok(()),
            error @ (TurnError::Rows(_) | TurnError::Read(_) | TurnError::Append(_)) => Err(error),
        };
        assert_ne!(ended_by(sin), wanted, "it is caught above");
    }
}
