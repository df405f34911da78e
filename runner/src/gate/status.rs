//! `gate.json`: which processes are this allocation's, how often its app was started and how it ended last. Only the gate
//! writes it, and before anything else can depend on it, so that the agent finds every process after any crash.

use super::{GateSpec, runtime};
use crate::{
    durable,
    error::Error,
    host_process::{HostProcess, kill_all_with},
};
use rhone_domain::{allocation::GATE_LOST, ids::AllocationId};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a gate says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GateStatus {
    /// The gate.
    pub(crate) gate: HostProcess,
    /// Whether it listens, drains, or could not go on.
    pub(crate) stage: Stage,
    /// The app; none while it is being started again.
    pub(crate) app: Option<HostProcess>,
    /// How often an app was started for this allocation, under this gate and those before it.
    pub(crate) starts: u64,
    /// How the app ended last.
    pub(crate) last_exit: Option<String>,
    /// How many connections were open when the drain deadline came.
    #[serde(default)]
    pub(crate) sessions_ended: u64,
}

/// How far a gate came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It has no address yet.
    Opening,
    /// It passes connections.
    Listening,
    /// It was told to stop.
    Draining,
    /// It could not go on.
    Fault {
        /// In one sentence.
        reason: String,
    },
}

impl GateStatus {
    /// How often the app was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.starts.saturating_sub(1)
    }
}

/// Kills what a lost gate left behind.
pub(crate) fn clear_orphans(status: Option<&GateStatus>, allocation: AllocationId) {
    if let Some(app) = status.and_then(|status| status.app) {
        app.signal_group(Signal::KILL);
    }
    kill_all_with(&format!("RHONE_ALLOCATION={allocation}"));
}

/// The file and what stands in it.
pub(super) struct StatusFile {
    path: PathBuf,
    now: GateStatus,
}

impl StatusFile {
    /// Goes on where the gate before us was lost; its app is killed, because nobody could reach it. One in a container can be
    /// reached again.
    pub(super) fn take_over(folder: &Path, spec: &GateSpec) -> Result<Self, Error> {
        let path = folder.join("gate.json");
        let before: Option<GateStatus> = durable::read(&path)?;
        if !runtime::outlives_gates(spec) {
            clear_orphans(before.as_ref(), spec.allocation);
        }
        let gate = HostProcess::current().map_err(Error::system("reading its own start time"))?;
        let last_exit = match &before {
            Some(GateStatus { app: Some(_), .. }) => Some(GATE_LOST.to_owned()),
            Some(GateStatus { app: None, last_exit, .. }) => last_exit.clone(),
            None => None,
        };
        let starts = before.map_or(0, |before| before.starts);
        let file = Self {
            path,
            now: GateStatus { gate, stage: Stage::Opening, app: None, starts, last_exit, sessions_ended: 0 },
        };
        file.write()?;
        Ok(file)
    }

    pub(super) fn listening(&mut self) -> Result<(), Error> {
        self.enter(Stage::Listening)
    }

    pub(super) fn draining(&mut self) -> Result<(), Error> {
        self.enter(Stage::Draining)
    }

    /// The deadline came, and so many were open.
    pub(super) fn ends(&mut self, sessions: usize) -> Result<(), Error> {
        self.now.sessions_ended = u64::try_from(sessions).unwrap_or(u64::MAX);
        self.write()
    }

    pub(super) fn fault(&mut self, reason: String) -> Result<(), Error> {
        self.enter(Stage::Fault { reason })
    }

    /// Which start the next one is.
    pub(super) fn next_start(&self) -> u64 {
        self.now.starts + 1
    }

    /// An app runs, after so many starts more.
    pub(super) fn runs(&mut self, app: Option<HostProcess>, starts: u64) -> Result<(), Error> {
        self.now.app = app;
        self.now.starts += starts;
        self.write()
    }

    pub(super) fn ended(&mut self, exit: String) -> Result<(), Error> {
        self.now.app = None;
        self.now.last_exit = Some(exit);
        self.write()
    }

    fn enter(&mut self, stage: Stage) -> Result<(), Error> {
        self.now.stage = stage;
        self.write()
    }

    fn write(&self) -> Result<(), Error> {
        durable::write(&self.path, &self.now)
    }
}
