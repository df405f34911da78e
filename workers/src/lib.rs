//! All that happens after the answer: operations carried on by whoever holds their lease, the scheduler, the publisher of
//! the feed, the projections. Nothing here lives only in memory; any number of workers may run, and any may die.

mod binding;
mod builds;
mod config;
mod deploy;
mod drain;
mod drive;
mod host_drain;
mod housekeeping;
mod log_rotation;
pub mod logs;
mod migration;
mod operations;
mod process;
mod promotion;
mod publisher;
mod region_enablement;
mod run;
mod scale;
mod scheduler;
mod sleep;
mod turn;
mod wake;
mod watch;

pub use config::{Builds, Config, LogRetention};
pub use run::{WorkerError, run};
