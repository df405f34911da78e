//! The one binary `rhone`: configuration and wiring. A list without logic.

// The schema's merged mutations nest one future per file; their layout is computed where they are spawned.
#![recursion_limit = "256"]

pub mod args;
pub mod backup_args;
pub mod client;
pub mod config;
pub mod data;
pub mod demo;
pub mod exit;
pub mod init;
pub mod run;
pub mod telemetry;
pub mod wake;

mod admin_http;
mod backup;
mod doctor;
mod log_commands;
mod manual;
mod migrate;
mod output;
mod parts;
mod platform;
mod private_file;
mod processes;
mod raise_epochs;
mod rebuild;
mod replay;
mod shutdown;
mod up;
mod vault_keys;

pub use processes::Process;
pub use up::report::{Facts, Ids, PartReport, Report, Stage, Urls};
