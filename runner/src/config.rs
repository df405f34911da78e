//! What the command line tells an agent. The token is a type of its own, so that no `Debug` can print it.

use rhone_domain::ids::HostId;
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr, path::PathBuf};

/// How an agent is set up.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// Everything the agent and its gates keep; one agent per folder.
    pub data_dir: PathBuf,
    /// The control plane, such as `http://127.0.0.1:8080`.
    pub control_url: String,
    /// Who this host is, for the control plane.
    pub token: Token,
    /// Which host this is.
    pub host: HostId,
    /// What starts a gate; the path of its spec is added as the last argument. Such as `["/opt/rhone", "runner", "gate"]`.
    pub gate_command: Vec<String>,
    /// Where `/livez`, `/readyz`, `/metrics` and `/allocations` are answered; port 0 picks one, which `agent.json` names.
    pub admin: SocketAddr,
    /// Where gates listen.
    #[serde(default)]
    pub ports: PortRange,
    /// The Docker Engine that runs images here; without it bubblewrap does.
    #[serde(default)]
    pub docker: Option<Docker>,
    /// How large an app's log may grow before it is turned over; one older part is kept.
    #[serde(default = "log_bytes")]
    pub log_bytes: u64,
    /// How many bytes of an app's lines wait on disk for a control plane that is away; the oldest beyond them are dropped.
    #[serde(default = "log_backlog_bytes")]
    pub log_backlog_bytes: u64,
    /// How many lines of an app are kept within a second; those beyond them are dropped.
    #[serde(default = "log_lines_per_second")]
    pub log_lines_per_second: u32,
    /// No artifact larger than this is fetched.
    #[serde(default = "artifact_bytes")]
    pub artifact_bytes: u64,
}

/// A secret shown to the control plane.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A Docker Engine, and what one app may take of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// Where it listens.
    #[serde(default = "docker_socket")]
    pub socket: PathBuf,
    /// How much memory an app may have; without it, it ends as out of memory.
    #[serde(default = "docker_memory_bytes")]
    pub memory_bytes: u64,
    /// How much of the processors an app may have, in thousandths of one; all of them when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// How many processes an app may have.
    #[serde(default = "docker_processes")]
    pub processes: u32,
}

/// What [`Docker::socket`] is when nothing is said.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// What [`Docker::memory_bytes`] is when nothing is said.
pub const DOCKER_MEMORY_BYTES: u64 = 1 << 30;
/// What [`Docker::processes`] is when nothing is said.
pub const DOCKER_PROCESSES: u32 = 1_024;

/// The ports of gates. The default lies below the ports that systems hand out to outgoing connections, so that an address
/// is still free when a gate comes back to it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Default for PortRange {
    fn default() -> Self {
        Self { first: 20_000, last: 29_999 }
    }
}

/// What [`Config::log_bytes`] is when nothing is said.
pub const LOG_BYTES: u64 = 8 << 20;
/// What [`Config::artifact_bytes`] is when nothing is said.
pub const ARTIFACT_BYTES: u64 = 2 << 30;

fn docker_socket() -> PathBuf {
    DOCKER_SOCKET.into()
}

fn docker_memory_bytes() -> u64 {
    DOCKER_MEMORY_BYTES
}

fn docker_processes() -> u32 {
    DOCKER_PROCESSES
}

fn log_bytes() -> u64 {
    LOG_BYTES
}

pub(crate) fn log_backlog_bytes() -> u64 {
    64 << 20
}

pub(crate) fn log_lines_per_second() -> u32 {
    10_000
}

fn artifact_bytes() -> u64 {
    ARTIFACT_BYTES
}
