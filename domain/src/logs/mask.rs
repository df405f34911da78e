//! Secrets in lines, made unreadable. The traps avoided: two secrets that overlap, of which one is hidden and the rest of the
//! other stays; a secret of several lines, of which each line is printed by itself; a secret at the place where a long line is
//! cut.

use crate::hidden::Hidden;
use aho_corasick::AhoCorasick;
use std::{fmt, ops::Range};

/// What stands in place of a secret.
pub const MASK: &str = "***";
/// Shorter values are not looked for: hiding every `1` would tell more than it hides, and leave nothing to read.
pub const SHORTEST_SECRET: usize = 4;

/// The secrets to be hidden. It has no `Debug` that shows them.
#[derive(Clone, Default)]
pub struct Mask {
    secrets: Option<AhoCorasick>,
    longest: usize,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(..)")
    }
}

impl Mask {
    /// Hides these values: as they are, each of their lines, and as JSON writes them.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Hidden>) -> Self {
        let mut words: Vec<String> = Vec::new();
        for secret in secrets {
            let text = secret.expose();
            words.push(text.to_owned());
            words.extend(text.lines().map(|line| line.trim().to_owned()));
            let quoted = serde_json::Value::from(text).to_string();
            words.push(quoted[1..quoted.len() - 1].to_owned());
        }
        words.retain(|word| word.len() >= SHORTEST_SECRET);
        words.sort_unstable();
        words.dedup();
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        let secrets =
            (!words.is_empty()).then(|| AhoCorasick::new(&words).expect("a set of variables is far below 2 GiB"));
        Self { secrets, longest }
    }

    /// How long the longest of them is.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The text with its secrets hidden.
    pub fn hide(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.cut(text.as_bytes(), usize::MAX)).into_owned()
    }

    /// The first `most` bytes with their secrets hidden; one that goes on beyond them is hidden whole.
    pub(super) fn cut(&self, bytes: &[u8], most: usize) -> Vec<u8> {
        let most = most.min(bytes.len());
        let mut shown = Vec::with_capacity(most);
        let mut from = 0;
        for secret in self.found(bytes) {
            if secret.start >= most {
                break;
            }
            shown.extend_from_slice(&bytes[from..secret.start]);
            shown.extend_from_slice(MASK.as_bytes());
            from = secret.end;
        }
        // None where a secret goes on beyond `most`.
        shown.extend_from_slice(bytes.get(from..most).unwrap_or_default());
        shown
    }

    /// Where secrets stand; those that overlap are one.
    fn found(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let Some(secrets) = &self.secrets else { return Vec::new() };
        let mut found: Vec<Range<usize>> = secrets.find_overlapping_iter(bytes).map(|one| one.range()).collect();
        found.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    //! What is hidden, and what is not.
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        Mask::of(&secrets.iter().map(|one| Hidden::new((*one).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_nothing_else_is() {
        let mask = mask(&["canary-7", "abc"]);
        assert_eq!(mask.hide("token=canary-7;canary-7 abc canary-8"), "token=***;*** abc canary-8");
        assert_eq!(mask.hide("canary-7canary-7"), "******", "these do not overlap");
        assert_eq!(Mask::default().hide("canary-7"), "canary-7");
    }

    #[test]
    fn nothing_of_secrets_that_overlap_stays() {
        let mask = mask(&["abcdef", "defghi", "bcde"]);
        assert_eq!(mask.hide("x abcdefghi y"), "x *** y");
        assert_eq!(mask.hide("abcdef"), MASK);
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_line_by_line_and_as_json_writes_it() {
        let mask = mask(&["-----BEGIN-----\nMIIabcdef\n"]);
        assert_eq!(mask.hide("MIIabcdef"), MASK);
        let logged = serde_json::json!({ "key": "-----BEGIN-----\nMIIabcdef\n" }).to_string();
        assert_eq!(mask.hide(&logged), r#"{"key":"***"}"#);
    }

    #[test]
    fn a_secret_at_the_cut_is_hidden_whole() {
        let mask = mask(&["canary-of-the-cut"]);
        let text = b"0123456789canary-of-the-cut and more";
        assert_eq!(mask.cut(text, 15), b"0123456789***");
        assert_eq!(mask.cut(text, 10), b"0123456789");
        assert_eq!(mask.cut(text, text.len()), b"0123456789*** and more");
    }

    #[test]
    fn no_debug_shows_them() {
        assert_eq!(format!("{:?}", mask(&["canary-7"])), "Mask(..)");
    }
}
