//! `up.json`: what runs, where it answers, which ids were made. Written by `up` at each change, in one step, readable by its
//! owner only; read by the client commands and by tests. The trap avoided: a pid without its start time, which is anybody's.

use crate::{private_file, processes::Process};
use rhone_domain::ids::{ActorId, CellId, HostId, RegionId, WorkspaceId};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// How far it is.
    pub stage: Stage,
    /// The `up` that writes it.
    pub up: Process,
    /// What does not change while it runs.
    #[serde(flatten)]
    pub facts: Facts,
    /// Every process it keeps: `postgres`, `nats`, `serve`, `work`, `edge-1`..., `runner`.
    pub parts: BTreeMap<String, PartReport>,
}

/// How far an `up` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not everything answers yet.
    Starting,
    /// Everything answered once.
    Ready,
    /// It was asked to end.
    Stopping,
    /// Nothing of it runs.
    Stopped,
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReport {
    /// Which.
    #[serde(flatten)]
    pub process: Process,
    /// How often it was started again by this `up`.
    pub restarts: u64,
}

/// What does not change while an `up` runs.
#[derive(Clone, Serialize, Deserialize)]
pub struct Facts {
    /// Where things answer.
    pub urls: Urls,
    /// What was made for the first deployment to find its place.
    pub ids: Ids,
    /// The development user's token.
    pub token: String,
    /// The data folder.
    pub data: PathBuf,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("urls", &self.urls).field("ids", &self.ids).finish_non_exhaustive()
    }
}

/// Where things answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urls {
    /// The API: `/graphql`, `/v1/artifacts`, `/livez`, `/readyz`, `/metrics`.
    pub api: String,
    /// The worker's `/livez`, `/readyz`, `/metrics`.
    pub work_admin: String,
    /// Where each edge serves.
    pub edges: Vec<String>,
    /// Each edge's `/livez`, `/readyz`, `/metrics`, `/table`.
    pub edge_admins: Vec<String>,
    /// The runner's `/livez`, `/readyz`, `/metrics`, `/allocations`.
    pub runner_admin: String,
}

/// What was made at the first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The platform's workspace.
    pub platform: WorkspaceId,
    /// Its owner: the development user.
    pub user: ActorId,
    /// Region `local`.
    pub region: RegionId,
    /// Its cell `cell-1`.
    pub cell: CellId,
    /// The cell's host `host-1`.
    pub host: HostId,
}

/// The writer of the file. Clones write the same one.
#[derive(Clone)]
pub(crate) struct Reporting {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
}

struct Known {
    stage: Stage,
    up: Process,
    facts: Option<Facts>,
    parts: BTreeMap<String, PartReport>,
}

impl Reporting {
    /// Reports into this file, once there are facts.
    pub(super) fn new(path: PathBuf, up: Process) -> Self {
        let known = Known { stage: Stage::Starting, up, facts: None, parts: BTreeMap::new() };
        Self { path, known: Arc::new(Mutex::new(known)) }
    }

    /// The facts, before anything is started that somebody may want to find.
    pub(super) fn know(&self, facts: Facts) {
        self.change(|known| known.facts = Some(facts));
    }

    pub(super) fn stage(&self, stage: Stage) {
        self.change(|known| known.stage = stage);
    }

    /// It runs under this pid.
    pub(super) fn runs(&self, part: &str, pid: u32, restarts: u64) {
        let process = Process::now_at(pid).unwrap_or(Process { pid, started: 0 });
        self.change(|known| {
            known.parts.insert(part.to_owned(), PartReport { process, restarts });
        });
    }

    /// It has ended for good.
    pub(super) fn ended(&self, part: &str) {
        self.change(|known| {
            known.parts.remove(part);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        let Some(facts) = known.facts.clone() else { return };
        let report = Report { stage: known.stage, up: known.up, facts, parts: known.parts.clone() };
        // Under the lock: an older report must not replace a newer one.
        if let Err(error) = private_file::write(&self.path, &report) {
            tracing::error!(error = &*error, "up.json was not written");
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is read is what was written.
    use super::*;
    use uuid::Uuid;

    fn facts() -> Facts {
        let id = Uuid::from_u128(7);
        Facts {
            urls: Urls {
                api: "http://127.0.0.1:1".into(),
                work_admin: "http://127.0.0.1:2".into(),
                edges: vec!["http://127.0.0.1:3".into()],
                edge_admins: vec!["http://127.0.0.1:4".into()],
                runner_admin: "http://127.0.0.1:5".into(),
            },
            ids: Ids {
                platform: rhone_domain::ids::PLATFORM,
                user: ActorId(id),
                region: RegionId(id),
                cell: CellId(id),
                host: HostId(id),
            },
            token: "rhone_secret".into(),
            data: "/d".into(),
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written_and_only_once_there_are_facts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("up.json");
        let reporting = Reporting::new(path.clone(), Process { pid: 1, started: 2 });
        reporting.runs("nats", std::process::id(), 3);
        assert!(!path.exists());
        reporting.know(facts());
        reporting.stage(Stage::Ready);
        let report: Report = private_file::read(&path).expect("readable").expect("there");
        assert_eq!((report.stage, report.parts["nats"].restarts), (Stage::Ready, 3));
        assert_eq!((report.facts.urls, report.facts.token), (facts().urls, facts().token));
    }

    #[test]
    fn the_token_is_not_in_a_debug() {
        assert!(!format!("{:?}", facts()).contains("rhone_secret"));
    }
}
