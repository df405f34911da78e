//! What a running platform says of itself: `up.json` in its data folder, and the addresses in `rhone.json`. Read anew each
//! time, because pids change. The trap avoided: a pid that was read before a restart.

use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fs, path::Path};
use uuid::Uuid;

/// The parts of `up.json` that tests use.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// `starting`, `ready`, `stopping` or `stopped`.
    pub stage: String,
    /// The `up` itself.
    pub up: Process,
    /// Where things answer.
    pub urls: Urls,
    /// What was made at the first start.
    pub ids: Ids,
    /// The development user's token.
    pub token: String,
    /// `postgres`, `nats`, `serve`, `work`, `edge-1`..., `runner`.
    pub parts: BTreeMap<String, Process>,
}

/// One process.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Process {
    /// Which.
    pub pid: u32,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u64,
}

/// Where things answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Urls {
    /// The API.
    pub api: String,
    /// The worker, about itself.
    pub work_admin: String,
    /// The edges.
    pub edges: Vec<String>,
    /// The edges, about themselves.
    pub edge_admins: Vec<String>,
    /// The runner, about itself.
    pub runner_admin: String,
}

/// What was made at the first start.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Ids {
    /// The platform's workspace.
    pub platform: Uuid,
    /// The development user.
    pub user: Uuid,
    /// The region of edge and runner.
    pub region: Uuid,
    /// The runner's cell.
    pub cell: Uuid,
    /// The runner's host.
    pub host: Uuid,
}

/// The sections of `rhone.json` that tests use.
#[derive(Clone, Debug, Deserialize)]
pub struct Addresses {
    /// One URL per role.
    pub database: Database,
    /// NATS.
    pub bus: Bus,
}

/// One URL per role.
#[derive(Clone, Debug, Deserialize)]
pub struct Database {
    /// Role `rhone_api`.
    pub api_url: String,
    /// Role `rhone_worker`.
    pub worker_url: String,
    /// Role `rhone_projector`.
    pub projector_url: String,
    /// The administrator.
    pub admin_url: String,
}

/// NATS.
#[derive(Clone, Debug, Deserialize)]
pub struct Bus {
    /// With the user that may do everything.
    pub url: String,
}

/// Reads a JSON file; none while it is not there or not whole.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
