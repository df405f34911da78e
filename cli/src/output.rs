//! What people and scripts read: lines on standard output, one line on standard error when something failed. The trap
//! avoided: a panic because the reader of a pipe has gone; then there is nobody left to tell.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether this process has said anything on standard output yet.
static SAID: AtomicBool = AtomicBool::new(false);

/// One line on standard output.
pub(crate) fn line(text: impl std::fmt::Display) {
    SAID.store(true, Ordering::Relaxed);
    let _ = writeln!(io::stdout(), "{text}");
}

/// Whether nothing was said so far: whoever reads JSON is owed one.
pub(crate) fn has_said_nothing() -> bool {
    !SAID.load(Ordering::Relaxed)
}

/// One line of JSON, or the words for people.
pub(crate) fn told(as_json: bool, value: &serde_json::Value, words: impl std::fmt::Display) {
    if as_json { line(value) } else { line(words) }
}

/// One line beside the answer, on standard error.
pub(crate) fn aside(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Text that ends its own lines, on standard output.
pub(crate) fn text(text: impl std::fmt::Display) {
    let _ = write!(io::stdout(), "{text}");
}

/// The failure with its causes and what to do next, in one line on standard error.
pub(crate) fn error_with(error: &anyhow::Error, next: Option<&str>) {
    let next = next.map(|next| format!("; next: {next}")).unwrap_or_default();
    let _ = writeln!(io::stderr(), "rhone: {error:#}{next}");
}
