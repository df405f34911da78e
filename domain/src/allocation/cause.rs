//! Why an allocation failed, as a word that decisions can read; the sentence beside it is for people. Writer: the runner,
//! and for what was lost with its host the scheduler. Trap: a reason that only a human can tell apart from another one.

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
        /// What runs the app, the gate, kept ending.
        RunnerCrash = "runner_crash",
        /// The app itself kept ending.
        AppExited = "app_exited",
        /// The host had no memory left for it.
        OutOfMemory = "out_of_memory",
        /// It ran, and did not answer on its health path in time.
        NotReady = "not_ready",
        /// Its host was not heard any more before it had answered, or was retired.
        HostLost = "host_lost",
    }
}

/// How a process is said to have ended that the system killed for want of memory.
pub const OUT_OF_MEMORY: &str = "signal 9, out of memory";

/// How a process is said to have ended whose gate was lost, so that nobody saw its end.
pub const GATE_LOST: &str = "gate lost";

/// What a sentence of not having become ready in time begins with.
const IMPATIENT: &str = "not ready after ";

impl Cause {
    /// The cause of not having become ready in time, by how the process ended last, if it ever did.
    pub fn of_impatience(last_exit: Option<&str>) -> Self {
        match last_exit {
            Some(OUT_OF_MEMORY) => Self::OutOfMemory,
            Some(GATE_LOST) => Self::RunnerCrash,
            Some(_) => Self::AppExited,
            None => Self::NotReady,
        }
    }

    /// What `word` meant in version 1 of `allocation.failed`, which had one word for an app and a gate that kept ending; only
    /// of the app it was said that it was not ready in time.
    pub(super) fn since_version_2<'a>(word: &'a str, reason: &str) -> &'a str {
        let of_app =
            word == Self::RunnerCrash.as_str() && reason.starts_with(IMPATIENT) && !reason.ends_with(GATE_LOST);
        if of_app { Self::AppExited.as_str() } else { word }
    }

    /// For people: because ….
    pub fn told(self) -> &'static str {
        match self {
            Self::ArtifactRefused => "its bytes were refused",
            Self::OrderRefused => "its order cannot be followed",
            Self::SecretMissing => "a secret of its set is missing",
            Self::RunnerCrash => "the gate before its app did not stay up",
            Self::AppExited => "its app ended by itself",
            Self::OutOfMemory => "its app had no memory left",
            Self::NotReady => "its app ran and did not answer",
            Self::HostLost => "its host was not heard any more",
        }
    }
}

/// Why an allocation was not ready in time, in words.
pub fn impatience(ready_timeout_ms: u64, health_path: &str, restarts: u64, last_exit: Option<&str>) -> String {
    let end = last_exit.map(|exit| format!(", last end: {exit}")).unwrap_or_default();
    format!("{IMPATIENT}{ready_timeout_ms} ms: {health_path} was not answered with 2xx; restarts {restarts}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_process_ended_tells_the_causes_apart() {
        for (exit, cause) in [
            (None, Cause::NotReady),
            (Some("exit 1"), Cause::AppExited),
            (Some("signal 9"), Cause::AppExited),
            (Some(OUT_OF_MEMORY), Cause::OutOfMemory),
            (Some(GATE_LOST), Cause::RunnerCrash),
        ] {
            assert_eq!(Cause::of_impatience(exit), cause, "{exit:?}");
        }
    }

    #[test]
    fn an_app_that_kept_ending_is_told_from_a_gate_in_what_was_written_with_one_word() {
        let said = |word: Cause, reason: &str| Cause::since_version_2(word.as_str(), reason).to_owned();
        let impatient = impatience(30_000, "/", 8, Some("exit 3"));
        assert_eq!(said(Cause::RunnerCrash, &impatient), "app_exited");
        assert_eq!(said(Cause::RunnerCrash, &impatience(30_000, "/", 1, Some(GATE_LOST))), "runner_crash");
        assert_eq!(said(Cause::RunnerCrash, "its gate did not open: exit 1"), "runner_crash");
        assert_eq!(said(Cause::OutOfMemory, &impatient), "out_of_memory");
    }

    #[test]
    fn a_sentence_says_how_often_and_how_it_ended() {
        let told = impatience(30_000, "/up", 8, Some("exit 3"));
        assert_eq!(told, "not ready after 30000 ms: /up was not answered with 2xx; restarts 8, last end: exit 3");
        assert!(impatience(30_000, "/up", 0, None).ends_with("; restarts 0"));
    }
}
