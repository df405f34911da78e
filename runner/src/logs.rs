//! Lines of apps on their way to the control plane: each allocation's chunks in their order, again and again until they are taken. A
//! chunk is the same under the same number, so that one which was taken and not acknowledged is taken once. The trap avoided:
//! an allocation that prints without end, behind which the others wait; every turn takes a little of each.

use crate::{
    agent::Host,
    allocation_folder::AllocationFolder,
    control_plane::{Delivery, chain},
    error::Error,
    log_folder,
    tally::count,
};
use rhone_domain::{
    ids::AllocationId,
    logs::{CHUNK_BYTES, LogChunk, LogChunks},
};
use std::{convert::Infallible, fs, path::PathBuf, sync::atomic::Ordering, time::Duration};
use tokio::time::sleep;

/// Between two looks when nothing waits.
const LOOK: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_millis(250);
const SLOWEST_RETRY: Duration = Duration::from_secs(5);
/// Of one allocation, and of all, in one request.
const EACH: usize = 2;
const AT_ONCE: usize = 32;
const BYTES: usize = 4 * CHUNK_BYTES;

/// A chunk that is under way.
struct Waiting {
    path: PathBuf,
    chunk: LogChunk,
    bytes: usize,
}

/// Whose turn it is: it goes round.
#[derive(Debug, Default)]
struct Turn {
    last: Option<AllocationId>,
}

impl Turn {
    /// All of them, beginning behind the one that was served last.
    fn order(&self, folders: Vec<AllocationFolder>) -> Vec<(AllocationId, AllocationFolder)> {
        let mut named: Vec<_> = folders.into_iter().filter_map(|folder| Some((folder.allocation()?, folder))).collect();
        named.sort_unstable_by_key(|(allocation, _)| *allocation);
        let begin = named.iter().position(|(allocation, _)| Some(*allocation) > self.last).unwrap_or(0);
        named.rotate_left(begin);
        named
    }
}

/// How one sending went.
enum Sent {
    /// Nothing waits.
    Nothing,
    /// Some are done with.
    Some,
    /// One of several is refused for good; which one is not said.
    OneIsRefused,
    /// They must wait.
    Later(String),
}

/// Sends what waits, for ever. Whatever fails is tried again: lines may be late, allocations must not suffer.
pub(crate) async fn send_all(host: &Host) -> Infallible {
    let (mut pause, mut at_once, mut turn) = (RETRY, AT_ONCE, Turn::default());
    loop {
        let reason = match send(host, at_once, &mut turn).await {
            Ok(Sent::Nothing) => {
                (pause, at_once) = (RETRY, AT_ONCE);
                sleep(LOOK).await;
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
        count(&host.tally.control_failures);
        tracing::debug!(reason, "the lines of apps wait");
        sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_RETRY);
    }
}

async fn send(host: &Host, at_once: usize, turn: &mut Turn) -> Result<Sent, Error> {
    let waiting = waiting(host, at_once, turn)?;
    if waiting.is_empty() {
        return Ok(Sent::Nothing);
    }
    let chunks = LogChunks { host: host.config.host, chunks: waiting.iter().map(|one| one.chunk.clone()).collect() };
    match host.control.logs(&chunks).await {
        Delivery::Taken => {
            let lines: usize = chunks.chunks.iter().map(|chunk| chunk.lines.len()).sum();
            host.tally.log_lines_sent.fetch_add(lines as u64, Ordering::Relaxed);
            remove(&waiting)?;
            Ok(Sent::Some)
        }
        Delivery::Refused(_) if waiting.len() > 1 => Ok(Sent::OneIsRefused),
        Delivery::Refused(status) => {
            count(&host.tally.log_chunks_dropped);
            let chunk = &waiting[0].chunk;
            tracing::error!(allocation.id = %chunk.allocation, chunk.first_line, %status, "lines were refused and are dropped");
            remove(&waiting)?;
            Ok(Sent::Some)
        }
        Delivery::Later(reason) => Ok(Sent::Later(reason)),
    }
}

/// The oldest chunks of every allocation, as many as one request takes; one at least, however large.
fn waiting(host: &Host, at_once: usize, turn: &mut Turn) -> Result<Vec<Waiting>, Error> {
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    for (allocation, folder) in turn.order(AllocationFolder::list(&host.config.data_dir)?) {
        let room = at_once - waiting.len();
        for (first, path) in log_folder::take_over(&folder.logs_path(), EACH.min(room))? {
            let Some(one) = read(allocation, first, path)? else { continue };
            bytes += one.bytes;
            if bytes > BYTES && !waiting.is_empty() {
                return Ok(waiting);
            }
            waiting.push(one);
            turn.last = Some(allocation);
        }
        if waiting.len() >= at_once {
            break;
        }
    }
    Ok(waiting)
}

/// One without lines is nothing to be sent.
fn read(allocation: AllocationId, first_line: u64, path: PathBuf) -> Result<Option<Waiting>, Error> {
    let lines = log_folder::read(&path).map_err(Error::file(&path))?;
    if lines.is_empty() {
        fs::remove_file(&path).map_err(Error::file(&path))?;
        return Ok(None);
    }
    let bytes = lines.iter().map(|line| line.text.len() + 64).sum();
    Ok(Some(Waiting { path, chunk: LogChunk { allocation, first_line, lines }, bytes }))
}

fn remove(waiting: &[Waiting]) -> Result<(), Error> {
    waiting.iter().try_for_each(|one| fs::remove_file(&one.path).map_err(Error::file(&one.path)))
}
