//! How much of a build is kept, while it runs: its first lines as they come, and of what is too much the last ones, when it
//! ends, for they say why. The traps avoided: a drop that nobody hears of, and a log that ends before the build fails.

use chrono::{DateTime, Utc};
use rhone_domain::logs::{LogLine, LogStream};
use std::{collections::VecDeque, mem::take};

/// What a line takes besides its text.
const LINE: usize = 64;
/// One part in so many is left for the last lines.
const ENDS: u64 = 4;
/// What is said besides: that the log is full, and how much was dropped.
const NOTES: u64 = 512;

/// The bytes of a line in a chunk, more or less.
pub(super) fn size(line: &LogLine) -> usize {
    line.text.len() + LINE
}

/// The bound of one build's lines.
pub(super) struct Bound {
    /// Bytes that may still be kept.
    room: u64,
    /// Bytes of these that are left for last lines.
    ends: u64,
    full: bool,
    /// The last lines of what is too much, and their bytes.
    last: VecDeque<LogLine>,
    bytes: u64,
    dropped: u64,
    dropped_at: DateTime<Utc>,
}

impl Bound {
    /// So many bytes, and not more.
    pub(super) fn new(most: u64) -> Self {
        let (last, dropped_at) = (VecDeque::new(), DateTime::UNIX_EPOCH);
        Self {
            room: most.saturating_sub(NOTES),
            ends: most / ENDS,
            full: false,
            last,
            bytes: 0,
            dropped: 0,
            dropped_at,
        }
    }

    /// What is kept at once: the line, or, where it is the first that is too much, that the log is full.
    pub(super) fn take(&mut self, line: LogLine) -> Option<LogLine> {
        let (bytes, at) = (size(&line) as u64, line.at);
        if !self.full && self.room.saturating_sub(self.ends) >= bytes {
            self.room -= bytes;
            return Some(line);
        }
        self.bytes += bytes;
        self.last.push_back(line);
        // Half of the room: more may come after an end, of whoever keeps what was built.
        while self.bytes > self.room / 2 {
            let Some(dropped) = self.last.pop_front() else { break };
            self.bytes -= size(&dropped) as u64;
            self.dropped += 1;
            self.dropped_at = dropped.at;
        }
        let first = !std::mem::replace(&mut self.full, true);
        first.then(|| note(at, "the log of this build is full: of what follows, its last lines are kept".to_owned()))
    }

    /// What is kept at an end: how many lines were dropped, and the last ones.
    pub(super) fn end(&mut self) -> Vec<LogLine> {
        self.room -= take(&mut self.bytes);
        let dropped = take(&mut self.dropped);
        let said = format!("{dropped} lines were dropped here: the build printed more than is kept of one");
        let said = (dropped > 0).then(|| note(self.dropped_at, said));
        said.into_iter().chain(take(&mut self.last)).collect()
    }
}

fn note(at: DateTime<Utc>, text: String) -> LogLine {
    LogLine { at, stream: LogStream::Rhone, text }
}

#[cfg(test)]
mod tests {
    //! What is left of a build that prints too much.
    use super::*;

    const MOST: u64 = 10_000;
    const PRINTED: usize = 1_000;

    fn print(bound: &mut Bound, from: usize) -> Vec<LogLine> {
        let line =
            |number| LogLine { at: DateTime::UNIX_EPOCH, stream: LogStream::Stdout, text: format!("line {number}") };
        (from..from + PRINTED).filter_map(|number| bound.take(line(number))).collect()
    }

    /// No more bytes than the bound, the first line and the last, and every other one is there or counted.
    fn holds(kept: &[LogLine]) -> Result<(), &'static str> {
        let bytes: usize = kept.iter().map(size).sum();
        let (notes, lines): (Vec<_>, Vec<_>) = kept.iter().partition(|line| line.stream == LogStream::Rhone);
        let counted = |note: &&LogLine| note.text.split_once(" lines were dropped here")?.0.parse::<usize>().ok();
        let text = |line: Option<&&LogLine>| line.map(|line| line.text.clone()).unwrap_or_default();
        if bytes as u64 > MOST {
            return Err("too much");
        }
        if text(lines.first()) != "line 0" {
            return Err("no beginning");
        }
        if text(lines.last()) != format!("line {}", PRINTED - 1) {
            return Err("no end");
        }
        let dropped: usize = notes.iter().filter_map(counted).sum();
        if dropped + lines.len() == PRINTED { Ok(()) } else { Err("not counted") }
    }

    #[test]
    fn a_build_is_held_to_its_bound_and_keeps_its_end() {
        let mut bound = Bound::new(MOST);
        let mut kept = print(&mut bound, 0);
        let alone = kept.clone();
        assert!(alone.last().is_some_and(|note| note.text.contains("is full")), "it is said when it begins");
        kept.extend(bound.end());
        assert_eq!(holds(&kept), Ok(()));
        // What follows an end has an end of its own, within the same bound.
        for round in 1..20 {
            kept.extend(print(&mut bound, round * PRINTED));
            kept.extend(bound.end().into_iter().filter(|line| line.stream != LogStream::Rhone));
            let bytes: usize = kept.iter().map(size).sum();
            assert!(bytes as u64 <= MOST, "{bytes} bytes after {round} more");
        }
        // The sins: no bound, no last lines, and a drop that is not counted.
        assert_eq!(holds(&print(&mut Bound::new(u64::MAX), 0)), Err("too much"));
        assert_eq!(holds(&alone), Err("no end"));
        let mut quiet = Bound::new(MOST);
        let mut uncounted = print(&mut quiet, 0);
        uncounted.extend(quiet.end().into_iter().skip(1));
        assert_eq!(holds(&uncounted), Err("not counted"));
    }

    #[test]
    fn what_is_within_the_bound_is_kept_as_it_comes() {
        let mut bound = Bound::new(1 << 20);
        assert_eq!(print(&mut bound, 0).len(), PRINTED);
        assert_eq!(bound.end(), []);
    }
}
