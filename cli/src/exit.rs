//! How the process ends: a contract with scripts. The trap avoided: a number that means one thing here and another there; who
//! ends the process takes it from this table.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// It was not understood.
    Usage = 2,
    /// Nobody knows who asks.
    Unauthenticated = 3,
    /// A rule or a gate said no.
    Refused = 4,
    /// Somebody else was faster.
    Conflict = 5,
    /// It goes on, and was waited for long enough.
    TimedOut = 6,
}

/// Every way to end, in order, and what it means.
pub const EXITS: [(Exit, &str); 7] = [
    (Exit::Done, "done"),
    (Exit::Failed, "it failed: nobody answered, something broke, an operation ended badly"),
    (Exit::Usage, "it was not understood: words or values are wrong, or nobody was there to say yes"),
    (Exit::Unauthenticated, "not authenticated: no token, or one that is not accepted"),
    (Exit::Refused, "refused by a rule or a gate"),
    (Exit::Conflict, "conflict: somebody else was faster, or a key was used for something else"),
    (Exit::TimedOut, "waited long enough; the operation goes on"),
];

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table as help and manual show it.
pub fn table() -> String {
    let line = |(exit, means): (Exit, &str)| format!("  {}  {means}\n", exit.code());
    format!("Exit codes:\n{}", EXITS.map(line).concat())
}

#[cfg(test)]
mod tests {
    //! The table is whole.
    use super::*;

    #[test]
    fn the_table_names_every_number_once_and_in_order() {
        let codes: Vec<u8> = EXITS.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
        assert!(table().lines().count() == 8);
    }
}
