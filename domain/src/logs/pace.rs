//! How long lines are gathered before they are handed over: shortly after a silence, since somebody may look on; the longer they
//! keep coming, the further apart, up to a second, since a chunk costs the same with one line as with a thousand.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);

/// The pace of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From one time to the next, as long as lines keep coming.
    apart: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { apart: SHORTEST }
    }
}

impl Pace {
    /// The furthest that two times are apart; and what counts as a silence.
    pub const LONGEST: Duration = Duration::from_secs(1);

    /// How long a line waits for others when the last were handed over so long ago.
    pub fn gather(&mut self, ago: Duration) -> Duration {
        if ago >= Self::LONGEST {
            *self = Self::default();
        }
        let wait = self.apart.saturating_sub(ago).max(SHORTEST);
        self.apart = (self.apart * 2).min(Self::LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_a_silence_go_soon_and_those_that_keep_coming_go_together() {
        let mut pace = Pace::default();
        let mut waits = |ago: &[u64]| -> Vec<_> {
            ago.iter().map(|ago| pace.gather(Duration::from_millis(*ago)).as_millis()).collect()
        };
        assert_eq!(waits(&[1_000, 0, 0, 0, 0, 0]), [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(waits(&[300, 950]), [700, 100], "what was handed over before does not count twice");
        assert_eq!(waits(&[999, 1_000, 0]), [100, 100, 200]);
    }
}
