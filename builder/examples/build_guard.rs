//! The guard of builds without a sandbox as a program of its own, without the rest of Rhone: what the tests start and end is a
//! real process.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    rhone_builder::guard::asked(env::args_os()).unwrap_or(ExitCode::from(2))
}
