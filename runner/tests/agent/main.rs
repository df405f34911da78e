//! The runner on real processes: an agent, its gates, the counter app, all of which are killed. Only the control plane is a
//! stand-in, a small HTTP server, because what is judged here is this side of the wire.

mod control;
mod rig;

mod image;
mod logs;
mod refusals;
mod running;
mod stopping;
mod surviving;
mod variables;
