//! What every pure process manager answers with: the next step of an operation, given the world. It is asked again after every
//! step, by whichever worker holds the lease. Trap: memory outside the operation; whoever adopts it knows only the log.

use crate::operation::{Evidence, Failure, Stage};

/// What to do next; `A` is what this kind of operation can do besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<A> {
    /// Go on to this stage.
    Enter(Stage, Evidence),
    /// Act.
    Do(A),
    /// End badly.
    Fail(Failure),
    /// End early.
    Cancel,
    /// Come back when something has changed.
    Wait(&'static str),
    /// It has ended.
    Done,
}
