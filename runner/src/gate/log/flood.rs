//! How much of an app's output is kept within a second. The trap: a drop that nobody hears of; its count is said as soon as the
//! second is over.

use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// Bytes for each line that is allowed: usual lines are shorter, and a flood of long ones is a flood, too.
const BYTES_PER_LINE: usize = 512;

/// The current second.
pub(super) struct Flood {
    most: u32,
    since: Instant,
    lines: u32,
    bytes: usize,
    dropped: u64,
}

impl Flood {
    pub(super) fn new(most: u32) -> Self {
        Self { most, since: Instant::now(), lines: 0, bytes: 0, dropped: 0 }
    }

    /// Whether a line of this length is kept; otherwise it is counted.
    pub(super) fn admits(&mut self, now: Instant, bytes: usize) -> bool {
        if now.duration_since(self.since) >= SECOND {
            (self.since, self.lines, self.bytes) = (now, 0, 0);
        }
        let most_bytes = BYTES_PER_LINE.saturating_mul(usize::try_from(self.most).unwrap_or(usize::MAX));
        if self.lines >= self.most || self.bytes >= most_bytes {
            self.dropped += 1;
            return false;
        }
        self.lines += 1;
        self.bytes += bytes;
        true
    }

    /// What is to be said of what was dropped, once its second is over.
    pub(super) fn said(&mut self, now: Instant) -> Option<String> {
        if self.dropped == 0 || now.duration_since(self.since) < SECOND {
            return None;
        }
        let dropped = std::mem::take(&mut self.dropped);
        Some(format!("{dropped} lines were dropped here: there were too many within a second"))
    }
}
