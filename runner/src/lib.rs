//! The runner: one agent per host, one gate per allocation. The agent keeps a durable desired set and reports what it sees;
//! the gate owns the app's process and its address, and outlives the agent, so that killing the agent closes no socket.

mod admin;
mod agent;
mod allocation_folder;
mod artifact;
mod clock;
mod config;
mod control_plane;
mod durable;
mod engine;
mod error;
pub mod gate;
mod gate_client;
mod host_process;
mod keeper;
mod log_folder;
mod logs;
mod outbox;
mod stop_all;
mod tally;
mod variables;

pub use agent::run;
pub use config::{
    ARTIFACT_BYTES, Config, DOCKER_MEMORY_BYTES, DOCKER_PROCESSES, DOCKER_SOCKET, Docker, LOG_BYTES, PortRange, Token,
};
pub use error::Error;
pub use stop_all::stop_all;
