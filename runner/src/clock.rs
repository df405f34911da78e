//! The only place of this crate that reads the wall clock. Everything else that waits uses tokio's monotonic time; a wall
//! clock set back must never lengthen a drain.

use chrono::{DateTime, Utc};

/// The time that stands in a report.
#[expect(clippy::disallowed_methods, reason = "the runner's only clock; the crate cannot use the event store's")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
