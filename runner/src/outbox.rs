//! Reports on their way: one file each, in order, removed when the control plane took it. A report is on disk before anything
//! that follows from it is done, so it may be sent twice but never lost. One that is refused for good is dropped with an
//! alarm: it must not hold up those behind it.

use crate::{
    clock,
    control_plane::{ControlPlane, Delivery},
    durable,
    error::Error,
    tally::{Tally, count},
};
use rhone_domain::{
    host_protocol::{Report, Reports, Seen},
    ids::{AllocationId, HostId},
    numbers::Generation,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

const AT_ONCE: usize = 64;
const RETRY: Duration = Duration::from_millis(250);
const SLOWEST_RETRY: Duration = Duration::from_secs(5);

/// The reports of one host that were not yet taken.
#[derive(Debug)]
pub(crate) struct Outbox {
    folder: PathBuf,
    next: Mutex<u64>,
    more: Notify,
}

impl Outbox {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Error> {
        let folder = data_dir.join("outbox");
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let outbox = Self { folder, next: Mutex::new(1), more: Notify::new() };
        if let Some((last, _)) = outbox.waiting()?.last() {
            *outbox.next.lock().unwrap_or_else(PoisonError::into_inner) = last + 1;
        }
        Ok(outbox)
    }

    /// Keeps a report until it is taken.
    pub(crate) fn put(&self, allocation: AllocationId, generation: Generation, seen: Seen) -> Result<(), Error> {
        tracing::info!(allocation.id = %allocation, %generation, ?seen, "seen");
        // The file is written under the lock: a later number must not be on disk before an earlier one.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let report = Report { allocation, generation, seen, at: clock::now() };
        durable::write(&self.folder.join(format!("{next:020}.json", next = *next)), &report)?;
        *next += 1;
        drop(next);
        self.more.notify_one();
        Ok(())
    }

    /// The numbers and files of what waits, in order.
    pub(crate) fn waiting(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let mut waiting = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::file(&self.folder))? {
            let path = entry.map_err(Error::file(&self.folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(number) = name.and_then(|name| name.strip_suffix(".json")?.parse().ok()) {
                waiting.push((number, path));
            }
        }
        waiting.sort_unstable();
        Ok(waiting)
    }

    /// Sends what waits, for ever.
    pub(crate) async fn send_all(&self, control: &ControlPlane, host: HostId, tally: &Tally) -> Result<(), Error> {
        let mut pause = RETRY;
        let mut at_once = AT_ONCE;
        loop {
            let batch: Vec<_> = self.waiting()?.into_iter().take(at_once).collect();
            if batch.is_empty() {
                self.more.notified().await;
                continue;
            }
            match control.report(&Reports { host, reports: read(&batch)? }).await {
                Delivery::Taken => {
                    tally.reports_sent.fetch_add(batch.len() as u64, std::sync::atomic::Ordering::Relaxed);
                    remove(&batch)?;
                    (pause, at_once) = (RETRY, AT_ONCE);
                }
                Delivery::Refused(_) if batch.len() > 1 => at_once = 1,
                Delivery::Refused(status) => {
                    count(&tally.reports_dropped);
                    tracing::error!(report = ?read(&batch)?, %status, "a report was refused and is dropped");
                    remove(&batch)?;
                }
                Delivery::Later(reason) => {
                    count(&tally.control_failures);
                    tracing::debug!(reason, "the reports wait");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(SLOWEST_RETRY);
                }
            }
        }
    }
}

fn read(batch: &[(u64, PathBuf)]) -> Result<Vec<Report>, Error> {
    batch.iter().filter_map(|(_, path)| durable::read(path).transpose()).collect()
}

fn remove(batch: &[(u64, PathBuf)]) -> Result<(), Error> {
    batch.iter().try_for_each(|(_, path)| fs::remove_file(path).map_err(Error::file(path)))
}
