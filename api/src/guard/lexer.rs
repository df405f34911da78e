//! Counts a document's tokens before the library parses it: linear, without allocation. The trap avoided: a parser is the
//! wrong place to find out that a text is too large or nests too deep, since it has allocated and recursed by then.

use super::document::DocumentLimits;
use crate::fault::Fault;

/// Refuses a text over the limits that can be told from its tokens alone.
pub(super) fn scan(text: &str, limits: &DocumentLimits) -> Result<(), Fault> {
    if text.len() > limits.bytes {
        return Err(over("bytes", text.len(), limits.bytes));
    }
    let mut rest = text.as_bytes();
    let mut seen = Seen::default();
    while let Some(&byte) = rest.first() {
        let length = token_length(rest)?;
        if !is_ignored(byte) {
            seen.count(byte, limits)?;
        }
        rest = &rest[length..];
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    tokens: usize,
    nesting: usize,
    spreads: usize,
    directives: usize,
}

impl Seen {
    fn count(&mut self, byte: u8, limits: &DocumentLimits) -> Result<(), Fault> {
        self.tokens += 1;
        match byte {
            b'{' | b'(' | b'[' => self.nesting += 1,
            b'}' | b')' | b']' => self.nesting = self.nesting.saturating_sub(1),
            b'.' => self.spreads += 1,
            b'@' => self.directives += 1,
            _ => {}
        }
        within("tokens", self.tokens, limits.tokens)?;
        within("levels of brackets", self.nesting, limits.nesting)?;
        within("spreads", self.spreads, limits.spreads)?;
        within("directives", self.directives, limits.directives)
    }
}

/// How many bytes the token (or the ignored run) at the start takes; at least one.
fn token_length(rest: &[u8]) -> Result<usize, Fault> {
    let run = |wanted: fn(u8) -> bool| rest.iter().position(|&byte| !wanted(byte)).unwrap_or(rest.len());
    Ok(match rest[0] {
        b'#' => run(|byte| byte != b'\n' && byte != b'\r'),
        b'"' => string_length(rest)?,
        b'.' if rest.starts_with(b"...") => 3,
        byte if byte.is_ascii_digit() => run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-')),
        byte if is_name(byte) => run(is_name),
        // A character outside ASCII belongs in strings and comments only; the parser says where it stands.
        byte if !byte.is_ascii() => run(|byte| !byte.is_ascii()),
        _ => 1,
    })
}

fn string_length(rest: &[u8]) -> Result<usize, Fault> {
    let unterminated = || Fault::bad_input("query", "has a string without an end");
    if rest.starts_with(b"\"\"\"") {
        let mut at = 3;
        loop {
            match rest.get(at..).unwrap_or_default() {
                [] => return Err(unterminated()),
                [b'\\', b'"', b'"', b'"', ..] => at += 4,
                [b'"', b'"', b'"', ..] => return Ok(at + 3),
                _ => at += 1,
            }
        }
    }
    let mut at = 1;
    loop {
        match rest.get(at) {
            None | Some(b'\n' | b'\r') => return Err(unterminated()),
            Some(b'\\') => at += 2,
            Some(b'"') => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_ignored(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\t' | b'\n' | b'\r' | b'#')
}

pub(super) fn within(what: &str, actual: usize, limit: usize) -> Result<(), Fault> {
    if actual > limit { Err(over(what, actual, limit)) } else { Ok(()) }
}

fn over(what: &str, actual: usize, limit: usize) -> Fault {
    Fault::too_complex(format!("at most {limit} {what}, got {actual} or more"))
}
