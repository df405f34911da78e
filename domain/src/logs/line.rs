//! Lines out of bytes as a pipe gives them: cut at a length, with secrets hidden first, and what is no UTF-8 replaced. The trap
//! avoided: an app that never ends its line; what is beyond the length is passed over and never held.

use super::Mask;

/// Bytes of a line; the rest of a longer one is dropped, and said to be.
pub const LONGEST_LINE: usize = 8 * 1024;

/// Stands at the end of a line that was longer.
const CUT: &str = " […cut]";

/// Cuts one output into lines.
#[derive(Debug)]
pub struct Cutter {
    mask: Mask,
    held: Vec<u8>,
    /// Whether what is held is all that will be shown of a line that goes on.
    full: bool,
}

impl Cutter {
    /// Hides what the mask hides.
    pub fn new(mask: Mask) -> Self {
        Self { mask, held: Vec::new(), full: false }
    }

    /// Takes bytes in, and gives every line that they end.
    pub fn take(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.hold(&bytes[..at]);
            line(self.shown());
            bytes = &bytes[at + 1..];
        }
        self.hold(bytes);
    }

    /// The last line, when its output ended without a line feed.
    pub fn end(&mut self) -> Option<String> {
        (!self.held.is_empty()).then(|| self.shown())
    }

    /// A secret that begins within the length must be seen whole.
    fn hold(&mut self, bytes: &[u8]) {
        let most = LONGEST_LINE + self.mask.longest();
        let room = most - self.held.len();
        self.full |= bytes.len() > room;
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn shown(&mut self) -> String {
        let full = std::mem::take(&mut self.full);
        let held = std::mem::take(&mut self.held);
        let line = held.strip_suffix(b"\r").filter(|_| !full).unwrap_or(&held);
        let shown = self.mask.cut(line, LONGEST_LINE);
        let mut text = String::from_utf8_lossy(&shown).into_owned();
        if full || line.len() > LONGEST_LINE {
            text.push_str(CUT);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    //! What becomes of bytes.
    use super::*;
    use crate::hidden::Hidden;

    fn lines(mask: Mask, pieces: &[&[u8]]) -> Vec<String> {
        let mut cutter = Cutter::new(mask);
        let mut lines = Vec::new();
        for piece in pieces {
            cutter.take(piece, |line| lines.push(line));
        }
        lines.extend(cutter.end());
        lines
    }

    #[test]
    fn lines_come_out_as_they_went_in_wherever_the_pipe_was_cut() {
        let text = b"one\ntwo\r\n\nthree";
        for at in 0..=text.len() {
            let (front, back) = text.split_at(at);
            assert_eq!(lines(Mask::default(), &[front, back]), ["one", "two", "", "three"], "cut at {at}");
        }
    }

    #[test]
    fn a_long_line_is_cut_with_a_mark_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; 3 * LONGEST_LINE];
        text.extend_from_slice(b"\nnext\n");
        let lines = lines(Mask::default(), &text.chunks(1000).collect::<Vec<_>>());
        assert_eq!(lines[0], format!("{}{CUT}", "x".repeat(LONGEST_LINE)));
        assert_eq!(lines[1..], ["next"]);
    }

    #[test]
    fn a_line_of_just_that_length_is_not_cut() {
        let text = vec![b'x'; LONGEST_LINE];
        for mask in [Mask::default(), Mask::of(&[Hidden::new("canary-7".to_owned())])] {
            assert_eq!(lines(mask, &[&text, b"\n"]), ["x".repeat(LONGEST_LINE)]);
        }
    }

    #[test]
    fn no_more_is_held_of_a_line_without_an_end_than_can_be_shown() {
        let secret = "canary-7";
        let mut cutter = Cutter::new(Mask::of(&[Hidden::new(secret.to_owned())]));
        for _ in 0..20 {
            cutter.take(&[b'x'; 1_000], |line| panic!("no line has ended: {line}"));
        }
        assert_eq!(cutter.held.len(), LONGEST_LINE + secret.len());
    }

    #[test]
    fn nothing_of_a_secret_that_stands_across_the_cut_is_shown() {
        let secret = "canary-across-the-cut";
        let mask = Mask::of(&[Hidden::new(secret.to_owned())]);
        for before in LONGEST_LINE - secret.len() - 1..LONGEST_LINE + 2 {
            let text = format!("{}{secret}{}\n", "x".repeat(before), "y".repeat(LONGEST_LINE));
            let shown = lines(mask.clone(), &[text.as_bytes()]);
            let leaked = (4..=secret.len()).any(|length| shown[0].contains(&secret[..length]));
            assert!(!leaked, "with {before} before: {}", &shown[0][LONGEST_LINE - 30..]);
        }
    }

    #[test]
    fn what_is_no_utf8_is_replaced() {
        assert_eq!(lines(Mask::default(), &[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }
}
