//! How long lines are gathered before they are handed over: the first after a silence shortly, since somebody may look on; the
//! longer they keep coming, the longer, up to a second, since a chunk costs the same with one line as with a thousand.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);

/// The pace of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { wait: SHORTEST }
    }
}

impl Pace {
    /// The longest that a line waits for others; and what counts as a silence.
    pub const LONGEST: Duration = Duration::from_secs(1);

    /// How long the lines that come now are gathered.
    pub fn gather(&mut self) -> Duration {
        let now = self.wait;
        self.wait = (now * 2).min(Self::LONGEST);
        now
    }

    /// Nothing came for as long as a line waits at most.
    pub fn silence(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_a_silence_go_soon_and_those_that_keep_coming_go_together() {
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..6).map(|_| pace.gather().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        pace.silence();
        assert_eq!(pace.gather(), SHORTEST);
    }
}
