//! The only place of this crate that reads the wall clock: the time of a line. Everything that waits uses tokio's time.

use chrono::{DateTime, Utc};

/// The time that stands beside a line of the log.
#[expect(clippy::disallowed_methods, reason = "the builder's only clock; the crate cannot use the event store's")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
