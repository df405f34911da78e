//! Reports on their way: one file each, in order, removed when the control plane took it. A report is on disk before anything
//! that follows from it is done, so it may be sent twice but never lost. One that is refused for good is dropped with an
//! alarm: it must not hold up those behind it.

use crate::{
    clock,
    control_plane::{ControlPlane, Delivery, chain},
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
    sync::{Mutex, PoisonError, atomic::Ordering},
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

    /// Sends what waits, for ever. A fault of the disk is waited out: reports may be late, allocations must not suffer.
    pub(crate) async fn send_all(&self, control: &ControlPlane, host: HostId, tally: &Tally) -> Result<(), Error> {
        let (mut pause, mut at_once) = (RETRY, AT_ONCE);
        loop {
            let reason = match self.send(control, host, tally, at_once).await {
                Ok(Sent::All) => {
                    self.more.notified().await;
                    continue;
                }
                Ok(Sent::Some) => {
                    (pause, at_once) = (RETRY, AT_ONCE);
                    continue;
                }
                Ok(Sent::OneIsRefused) => {
                    at_once = 1;
                    continue;
                }
                Ok(Sent::Later(reason)) => reason,
                Err(error) => chain(&error),
            };
            count(&tally.control_failures);
            tracing::debug!(reason, "the reports wait");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SLOWEST_RETRY);
        }
    }

    async fn send(&self, control: &ControlPlane, host: HostId, tally: &Tally, at_once: usize) -> Result<Sent, Error> {
        let batch: Vec<_> = self.waiting()?.into_iter().take(at_once).collect();
        if batch.is_empty() {
            return Ok(Sent::All);
        }
        let reports = read(&batch);
        if reports.is_empty() {
            remove(&batch)?;
            return Ok(Sent::Some);
        }
        match control.report(&Reports { host, reports }).await {
            Delivery::Taken => {
                tally.reports_sent.fetch_add(batch.len() as u64, Ordering::Relaxed);
                remove(&batch)?;
                Ok(Sent::Some)
            }
            Delivery::Refused(_) if batch.len() > 1 => Ok(Sent::OneIsRefused),
            Delivery::Refused(status) => {
                count(&tally.reports_dropped);
                tracing::error!(report = ?read(&batch), %status, "a report was refused and is dropped");
                remove(&batch)?;
                Ok(Sent::Some)
            }
            Delivery::Later(reason) => Ok(Sent::Later(reason)),
        }
    }
}

/// How one sending went.
enum Sent {
    /// Nothing waits.
    All,
    /// The first ones are done with.
    Some,
    /// One of several is refused for good; which one is not said.
    OneIsRefused,
    /// They must wait.
    Later(String),
}

/// What the files say; one that says nothing is lost, and said to be.
fn read(batch: &[(u64, PathBuf)]) -> Vec<Report> {
    let readable = |(number, path): &(u64, PathBuf)| match durable::read(path) {
        Ok(report) => report,
        Err(error) => {
            tracing::error!(number, error = chain(&error), "a report cannot be read and is lost");
            None
        }
    };
    batch.iter().filter_map(readable).collect()
}

fn remove(batch: &[(u64, PathBuf)]) -> Result<(), Error> {
    batch.iter().try_for_each(|(_, path)| fs::remove_file(path).map_err(Error::file(path)))
}
