//! Why an allocation failed, as a word that decisions can read; the sentence beside it is for people. Writer: the runner.
//! Trap: a reason that only a human can tell apart from another one.

use crate::actor::{UnknownWord, words};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// Why an allocation will not run.
    Cause {
        /// The bytes are not the ordered ones, or cannot be unpacked.
        ArtifactRefused = "artifact_refused",
        /// The order cannot be followed, such as a command outside of the artifact.
        OrderRefused = "order_refused",
        /// A secret that its environment set names is not there.
        SecretMissing = "secret_missing",
        /// What runs it kept ending: the process, or the gate before it.
        RunnerCrash = "runner_crash",
        /// The host had no memory left for it.
        OutOfMemory = "out_of_memory",
        /// It ran, and did not answer on its health path in time.
        NotReady = "not_ready",
        /// Its host was not heard any more.
        HostLost = "host_lost",
    }
}

/// How a process is said to have ended that the system killed for want of memory.
pub const OUT_OF_MEMORY: &str = "signal 9, out of memory";

impl Cause {
    /// The cause of not having become ready in time, by how often the process was started again and how it ended last.
    pub fn of_impatience(restarts: u64, last_exit: Option<&str>) -> Self {
        match last_exit {
            Some(OUT_OF_MEMORY) => Self::OutOfMemory,
            Some(_) if restarts > 0 => Self::RunnerCrash,
            Some(_) | None => Self::NotReady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_process_ended_tells_the_causes_apart() {
        for (restarts, exit, cause) in [
            (0, None, Cause::NotReady),
            (0, Some("exit 1"), Cause::NotReady),
            (3, None, Cause::NotReady),
            (3, Some("exit 1"), Cause::RunnerCrash),
            (3, Some("signal 9"), Cause::RunnerCrash),
            (0, Some(OUT_OF_MEMORY), Cause::OutOfMemory),
            (3, Some(OUT_OF_MEMORY), Cause::OutOfMemory),
        ] {
            assert_eq!(Cause::of_impatience(restarts, exit), cause, "{restarts} restarts, {exit:?}");
        }
    }
}
