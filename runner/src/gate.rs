//! A gate: the process that owns one allocation's address and its app. It lives in a session of its own and needs neither the
//! agent nor the control plane: it restarts a crashed app, passes connections that are meant for it, and refuses the others.
//! The trap: two gates for one allocation; a lock on a file, held as long as the process lives, allows only one.

use crate::{
    config::{self, Docker},
    durable,
    error::Error,
    variables::SealedFile,
};
use rhone_domain::{
    digest::Digest,
    ids::{AllocationId, DeploymentId, EnvironmentId, RegionId},
    numbers::Epoch,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, time::Instant};

mod app;
mod container;
mod front;
mod image;
mod log;
mod owner;
mod runtime;
mod status;
mod supervisor;

pub(crate) use runtime::outlives_gates;
pub(crate) use status::{GateStatus, Stage, clear_orphans};

/// What one gate is told by the agent. Only `min_epoch` and `drain_timeout_ms` may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GateSpec {
    pub(crate) allocation: AllocationId,
    pub(crate) environment: EnvironmentId,
    pub(crate) deployment: DeploymentId,
    pub(crate) region: RegionId,
    pub(crate) digest: Digest,
    pub(crate) min_epoch: Epoch,
    pub(crate) address: SocketAddr,
    pub(crate) tar: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) command: Vec<String>,
    /// Where the app's variables lie, sealed; none when it has none. They themselves never stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variables: Option<SealedFile>,
    /// The engine that runs it, if it is an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) docker: Option<Docker>,
    pub(crate) drain_timeout_ms: u64,
    pub(crate) log_bytes: u64,
    /// How much may wait for the control plane; the oldest beyond it is dropped.
    #[serde(default = "config::log_backlog_bytes")]
    pub(crate) log_backlog_bytes: u64,
    /// How many lines are kept within a second.
    #[serde(default = "config::log_lines_per_second")]
    pub(crate) log_lines_per_second: u32,
}

impl GateSpec {
    /// Whether the same process can go on under the other spec.
    pub(crate) fn same_process(&self, other: &Self) -> bool {
        let other = other.clone();
        *self == Self { min_epoch: self.min_epoch, drain_timeout_ms: self.drain_timeout_ms, ..other }
    }
}

/// One for tests of a gate's parts.
#[cfg(test)]
fn example_spec() -> GateSpec {
    let id = uuid::Uuid::from_u128(1);
    GateSpec {
        allocation: AllocationId(id),
        environment: EnvironmentId(id),
        deployment: DeploymentId(id),
        region: RegionId(id),
        digest: Digest([0; 32]),
        min_epoch: Epoch(1),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        tar: PathBuf::new(),
        folder: PathBuf::new(),
        command: Vec::new(),
        variables: None,
        docker: None,
        drain_timeout_ms: 0,
        log_bytes: 10_000,
        log_backlog_bytes: 1 << 20,
        log_lines_per_second: 1_000,
    }
}

/// How long a gate tries to be the only one, and to get its address back.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(20);

/// Runs the gate that the spec file describes, until it is told to stop: SIGTERM drains, SIGQUIT ends at once, SIGHUP reads
/// the spec again. It must be called first in its process; it leaves the terminal's session.
pub async fn run(spec_path: &Path) -> Result<(), Error> {
    // Fails only for the leader of a group, which then is no member of the agent's group either.
    let _ = setsid();
    allow_many_files();
    let folder = spec_path.parent().ok_or(Error::Config("the spec's path has no folder"))?;
    let Some(_only) = lock(&folder.join("gate.lock"), PATIENCE).await? else {
        tracing::warn!("another gate runs for this allocation");
        return Ok(());
    };
    let Some(spec) = durable::read::<GateSpec>(spec_path)? else {
        tracing::warn!("the allocation was stopped before its gate started");
        return Ok(());
    };
    let mut status = status::StatusFile::take_over(folder, &spec)?;
    let listener = match bind(spec.address).await {
        Ok(listener) => listener,
        Err(error) => {
            status.fault(format!("{error}: {}", spec.address))?;
            return Err(error);
        }
    };
    status.listening()?;
    tracing::info!(allocation.id = %spec.allocation, address = %spec.address, "gate listens");
    let (specs, current) = watch::channel(spec);
    let (apps, app) = watch::channel(None);
    let front = front::Front::new(current, app);
    let accepting = tokio::spawn(front.clone().accept(listener));
    let ended = supervisor::supervise(spec_path, &specs, &apps, &mut status, &front).await;
    if let Err(error) = image::remove(folder) {
        tracing::warn!(%error, "the root of an image is left");
    }
    front.all_passed(Duration::from_secs(1)).await;
    accepting.abort();
    ended
}

/// Takes a lock that ends with the process; none when another process keeps it.
pub(crate) async fn lock(path: &Path, patience: Duration) -> Result<Option<File>, Error> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(Error::file(path))?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::file(path)(error)),
        }
    }
}

/// The address may still be held for a moment by the gate before us.
async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(_) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
            Err(source) => return Err(Error::Bind { address: address.to_string(), source }),
        }
    }
}

/// Every passed connection needs two files.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the number of open files stays as it is");
    }
}
