//! What people and scripts read: lines on standard output, one line on standard error when something failed. The trap
//! avoided: a panic because the reader of a pipe has gone; then there is nobody left to tell.

use std::io::{self, Write as _};

/// One line on standard output.
pub(crate) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// The failure with its causes, in one line on standard error.
pub fn error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "rhone: {error:#}");
}
