//! The files of one allocation: `desired.json` (the order) and `record.json` (what the agent did) are written by the agent,
//! `spec.json` and `variables.sealed` by the agent for the gate, `gate.json` by the gate. One writer per file, so that none needs a lock;
//! under the agent's lock, when it has ended, `stop_all` is that writer.

use crate::{
    durable,
    error::Error,
    gate::{GateSpec, GateStatus},
};
use rhone_domain::{
    digest::Digest,
    host_protocol::{Desired, Seen},
    ids::AllocationId,
    numbers::Generation,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// One allocation's folder.
#[derive(Clone, Debug)]
pub(crate) struct AllocationFolder {
    path: PathBuf,
}

/// What the agent did for an allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Under which order.
    pub(crate) generation: Generation,
    /// How far it came.
    pub(crate) phase: Phase,
    /// Where its gate listens; chosen once.
    pub(crate) address: Option<SocketAddr>,
    /// The digest computed before its last start.
    pub(crate) digest: Option<Digest>,
    /// How many restarts were reported.
    pub(crate) restarts: u64,
    /// What is not in the outbox yet, for certain.
    pub(crate) untold: Option<Seen>,
}

/// How far an allocation came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Nothing was done yet.
    Planned,
    /// Its artifact is being fetched.
    Pulling,
    /// Its process was started.
    Starting,
    /// It answered on its health path.
    Ready,
    /// It was asked to stop.
    Draining,
    /// It is gone, as ordered.
    Stopped,
    /// It will not run under this order.
    Failed {
        /// In one sentence.
        reason: String,
    },
}

impl Record {
    /// Before anything was done.
    pub(crate) fn new(generation: Generation) -> Self {
        Self { generation, phase: Phase::Planned, address: None, digest: None, restarts: 0, untold: None }
    }
}

impl AllocationFolder {
    /// The folder of one allocation; made if it is not there.
    pub(crate) fn create(data_dir: &Path, allocation: AllocationId) -> Result<Self, Error> {
        let path = Self::all(data_dir).join(allocation.to_string());
        fs::create_dir_all(&path).map_err(Error::file(&path))?;
        durable::flush_folder(&Self::all(data_dir)).map_err(Error::file(&path))?;
        Ok(Self { path })
    }

    /// Every allocation's folder.
    pub(crate) fn list(data_dir: &Path) -> Result<Vec<Self>, Error> {
        let all = Self::all(data_dir);
        fs::create_dir_all(&all).map_err(Error::file(&all))?;
        let mut folders = Vec::new();
        for entry in fs::read_dir(&all).map_err(Error::file(&all))? {
            let entry = entry.map_err(Error::file(&all))?;
            if entry.file_name().to_str().is_some_and(|name| name.parse::<AllocationId>().is_ok()) {
                folders.push(Self { path: entry.path() });
            }
        }
        Ok(folders)
    }

    fn all(data_dir: &Path) -> PathBuf {
        data_dir.join("allocations")
    }

    /// Whose folder it is, by its name.
    pub(crate) fn allocation(&self) -> Option<AllocationId> {
        self.path.file_name()?.to_str()?.parse().ok()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn spec_path(&self) -> PathBuf {
        self.path.join("spec.json")
    }

    pub(crate) fn desired(&self) -> Result<Option<Desired>, Error> {
        durable::read(&self.path.join("desired.json"))
    }

    pub(crate) fn set_desired(&self, desired: &Desired) -> Result<(), Error> {
        durable::write(&self.path.join("desired.json"), desired)
    }

    pub(crate) fn record(&self) -> Result<Option<Record>, Error> {
        durable::read(&self.path.join("record.json"))
    }

    pub(crate) fn set_record(&self, record: &Record) -> Result<(), Error> {
        durable::write(&self.path.join("record.json"), record)
    }

    pub(crate) fn spec(&self) -> Result<Option<GateSpec>, Error> {
        durable::read(&self.spec_path())
    }

    pub(crate) fn set_spec(&self, spec: &GateSpec) -> Result<(), Error> {
        durable::write(&self.spec_path(), spec)
    }

    /// Where the app's variables lie, sealed under the host's key.
    pub(crate) fn variables_path(&self) -> PathBuf {
        self.path.join("variables.sealed")
    }

    /// Where the app's lines wait for the control plane.
    pub(crate) fn logs_path(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn gate(&self) -> Result<Option<GateStatus>, Error> {
        durable::read(&self.path.join("gate.json"))
    }
}
