//! The only place of this crate that reads the wall clock or draws random bytes. Everything else that waits uses tokio's monotonic time; a wall
//! clock set back must never lengthen a drain.

use chrono::{DateTime, Utc};

/// The time that stands in a report.
#[expect(clippy::disallowed_methods, reason = "the runner's only clock; the crate cannot use the event store's")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Random bytes of the operating system, for the host's key and for nonces.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes once it runs");
    bytes
}
