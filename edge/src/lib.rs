//! The edge of Rhone: applies a region's signed route feed to a table in memory and on disk, and proxies HTTP and WebSocket
//! by it. It needs neither Postgres nor the bus nor, once it has a table, the control plane.

mod admin;
mod allocations;
mod answers;
mod applier;
mod apply;
mod body;
mod book;
mod clock;
mod config;
mod control;
mod core;
mod counters;
mod disk;
mod drain;
mod feed_bus;
mod feed_http;
mod forward;
mod frames;
mod gate;
mod headers;
mod hosts;
mod identity;
mod observe;
mod pick;
mod proxy;
mod run;
mod showing;
mod standing;
mod status;
mod sticky;
mod stop;
mod table;
mod upgrade;
mod waking;

pub use apply::{Applied, Known, Position, judge, place, weigh};
pub use config::{Config, EdgeError, Secret, Shrink, Timing, feed_key};
pub use run::{Running, run, start};
pub use waking::HoldBudget;
