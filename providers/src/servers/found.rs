//! Processes that an earlier run left behind, found by what they do and not by a remembered number. The trap avoided:
//! a pid in a file that is somebody else's by now.

use super::error::ServerError;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Processes of that program whose working folder this is. `PostgreSQL` and all its children stand in their data folder.
pub(super) fn standing_in(program: &str, folder: &Path) -> Vec<u32> {
    matching(|process| runs(process, program) && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder))
}

/// Processes of that program with this argument.
pub(super) fn with_argument(program: &str, argument: &Path) -> Vec<u32> {
    matching(|process| {
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        runs(process, program) && arguments.split(|byte| *byte == 0).any(|it| it == argument.as_os_str().as_bytes())
    })
}

fn matching(is_ours: impl Fn(&Path) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, process)| is_ours(process))
        .map(|(pid, _)| pid)
        .collect()
}

/// The link says `name (deleted)` after an upgrade of the program.
fn runs(process: &Path, program: &str) -> bool {
    let executable = fs::read_link(process.join("exe")).unwrap_or_default();
    let name = executable.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    name.trim_end_matches(" (deleted)") == program
}

/// Stops the processes: asks the leader when it lives, for it stops the others in order; then ends them all.
pub(super) async fn stop_all(find: impl Fn() -> Vec<u32>, leader: Leader, folder: PathBuf) -> Result<(), ServerError> {
    let first = find();
    if first.is_empty() {
        return Ok(());
    }
    tracing::info!(folder = %folder.display(), pids = ?first, "stopping what an earlier run left");
    if let Some(leader) = first.iter().find(|pid| leader.is(**pid)) {
        send(*leader, Signal::INT);
        wait_until_none(&find, Duration::from_secs(10)).await;
    }
    for (signal, patience) in [(Signal::QUIT, 3), (Signal::KILL, 5)] {
        for pid in find() {
            send(pid, signal);
        }
        wait_until_none(&find, Duration::from_secs(patience)).await;
    }
    find().first().map_or(Ok(()), |pid| Err(ServerError::Lingers { pid: *pid, folder }))
}

/// Which process stops the others in order. Without it they are orphans that only end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leader {
    /// Every process leads itself.
    Each,
    /// This one, when it still lives.
    Pid(Option<u32>),
}

impl Leader {
    fn is(self, pid: u32) -> bool {
        match self {
            Self::Each => true,
            Self::Pid(leader) => leader == Some(pid),
        }
    }
}

async fn wait_until_none(find: impl Fn() -> Vec<u32>, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !find().is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends the signal; a process that is gone already is what we wanted.
pub(super) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether the process still does anything; a zombie does not.
pub(super) fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
