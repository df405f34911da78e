//! What an edge keeps of itself between runs: its id, its cookie key, how many sockets were open, and what it closed. Written here
//! alone, in the edge's folder, under a lock that one process holds. The trap: sockets that died with the process, or were closed
//! right before its end, and that nobody counts.

use crate::{clock, config::EdgeError, core::Core, disk::write_whole, status, stop};
use rhone_domain::{edge_status::Closed, ids::EdgeId};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::sleep};

/// How soon a change in open and closed sockets is written down.
const LEDGER: Duration = Duration::from_millis(100);

/// The edge's folder, held by this process.
pub(crate) struct Home {
    /// Where.
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes the folder, making it if need be.
    pub(crate) fn take(path: &Path) -> Result<Self, EdgeError> {
        fs::create_dir_all(path).map_err(|source| folder(path, source))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(|source| folder(&lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(EdgeError::InUse(path.into())),
            Err(fs::TryLockError::Error(source)) => Err(folder(&lock_path, source)),
        }
    }

    /// The edge's lasting id; made at the first start.
    pub(crate) fn edge_id(&self) -> Result<EdgeId, EdgeError> {
        let path = self.path.join("edge-id");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| folder(&path, io::Error::other("not an id"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = EdgeId(clock::new_id());
                write_whole(&path, id.to_string().as_bytes()).map_err(|source| folder(&path, source))?;
                Ok(id)
            }
            Err(source) => Err(folder(&path, source)),
        }
    }

    /// The key of the session cookie; made at the first start, readable by its owner only.
    pub(crate) fn cookie_key(&self) -> Result<[u8; 32], EdgeError> {
        let path = self.path.join("cookie-key");
        let key = match fs::read(&path) {
            Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("not 32 bytes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path),
            Err(error) => Err(error),
        };
        key.map_err(|source| folder(&path, source))
    }

    /// Sockets lost so far, those of the last run included if it did not end by itself; and what earlier runs closed.
    pub(crate) fn earlier_runs(&self) -> Result<(u64, Vec<Closed>), EdgeError> {
        let Ledger { lost, open, closed } = Ledger::read(&self.path);
        let ledger = Ledger { lost: lost + open, open: 0, closed };
        ledger.write(&self.path).map_err(|source| folder(&self.path, source))?;
        Ok((ledger.lost, ledger.closed))
    }

    /// Notes that nothing was lost at an orderly end.
    pub(crate) fn end_in_order(&self, core: &Core) {
        if let Err(error) = (Ledger { open: 0, ..Ledger::of(core) }).write(&self.path) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the count of sockets was not written");
        }
    }
}

/// Writes down how many sockets are open, and which were closed, whenever that changed.
pub(crate) async fn keep_ledger(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let folder = core.config.data_dir.clone();
    let mut known = Ledger::default();
    loop {
        tokio::select! {
            () = sleep(LEDGER) => {}
            () = stop::requested(&mut stop) => return,
        }
        let ledger = Ledger::of(&core);
        if ledger != known {
            if let Err(error) = ledger.write(&folder) {
                core.counters.disk_failed.up();
                tracing::warn!(error = &error as &dyn std::error::Error, "the count of sockets was not written");
            }
            known = ledger;
        }
    }
}

/// What stands in the file `sockets`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ledger {
    lost: u64,
    open: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    closed: Vec<Closed>,
}

impl Ledger {
    /// As it stands now.
    fn of(core: &Core) -> Self {
        Self {
            lost: core.identity.lost_sessions,
            open: core.allocations.sockets(),
            closed: status::closed(core, clock::now()),
        }
    }

    fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join("sockets")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Without a sync: the count is about a killed process, not about a power cut.
    fn write(&self, folder: &Path) -> io::Result<()> {
        let aside = folder.join("sockets.tmp");
        fs::write(&aside, serde_json::to_vec(self)?)?;
        fs::rename(aside, folder.join("sockets"))
    }
}

fn make_key(path: &Path) -> io::Result<[u8; 32]> {
    let key = clock::secret();
    let aside = path.with_extension("tmp");
    // One left by a start that was killed is in the way of `create_new`.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(aside, path)?;
    Ok(key)
}

fn folder(path: &Path, source: io::Error) -> EdgeError {
    EdgeError::Folder { path: path.into(), source }
}
