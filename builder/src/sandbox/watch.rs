//! Watches a step while it runs: the memory and the number of all its processes, what it has written, the time. The trap
//! avoided: limits of the kernel that hold for one process while a build has many.

use super::{BuildLimits, CALLS, Stop, held};
use crate::scratch;
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(40);

/// The most memory that the processes of a build had at one look.
#[derive(Debug, Default)]
pub(crate) struct Peak(AtomicU64);

impl Peak {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends when a limit is passed.
pub(super) async fn watch(first: u32, room: &Path, limits: &BuildLimits, deadline: Instant, peak: &Peak) -> Stop {
    tokio::select! {
        () = sleep_until(deadline) => Stop::Time,
        stop = processes(first, limits, peak) => stop,
        () = disk(first, room, limits.disk_bytes) => Stop::Disk,
    }
}

/// Many processes take long to look at, and are looked at the less often.
async fn processes(root: u32, limits: &BuildLimits, peak: &Peak) -> Stop {
    let mut pause = LOOK;
    loop {
        sleep(pause).await;
        let began = Instant::now();
        let tree = Tree::of(root);
        if tree.tasks >= limits.processes {
            return Stop::Processes;
        }
        let files = held::Memory::of(&tree.pids);
        let mut memory = tree.memory + files.bytes();
        if memory > limits.memory_bytes {
            memory = tree.exactly(&files);
        }
        peak.0.fetch_max(memory, Ordering::Relaxed);
        if memory > limits.memory_bytes {
            return Stop::Memory;
        }
        pause = (began.elapsed() * 4).max(LOOK);
    }
}

/// A large folder takes long to weigh, and is weighed the less often.
async fn disk(first: u32, room: &Path, most: u64) {
    loop {
        let began = Instant::now();
        if is_too_heavy(Some(first), room, most).await {
            return;
        }
        sleep((began.elapsed() * 4).max(Duration::from_millis(100))).await;
    }
}

/// With what the processes hold of it that has no name any more, while there are any.
pub(super) async fn is_too_heavy(first: Option<u32>, room: &Path, most: u64) -> bool {
    let room = room.to_owned();
    let weighed = tokio::task::spawn_blocking(move || {
        // Of a file: a folder of an overlay is on another device than what lies in it.
        let device = fs::metadata(room.join(CALLS)).map(|file| file.dev()).ok();
        let held = first.zip(device).map_or(0, |(first, device)| held::deleted(&Tree::of(first).pids, device));
        scratch::weigh(&room, most).bytes + held
    });
    weighed.await.is_ok_and(|bytes| bytes > most)
}

/// Everything that descends from a process, the eldest first.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    Tree::of(root).pids.iter().skip(1).filter_map(|pid| pid.parse().ok()).collect()
}

/// A process and everything that descends from it.
#[derive(Default)]
struct Tree {
    pids: Vec<String>,
    tasks: u64,
    /// What is in memory for them alone; what two of them share since one made the other is counted twice.
    memory: u64,
}

impl Tree {
    fn of(root: u32) -> Self {
        let mut tree = Self::default();
        let mut open = vec![root.to_string()];
        while let Some(pid) = open.pop() {
            let process = PathBuf::from("/proc").join(&pid);
            for task in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
                tree.tasks += 1;
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                open.extend(children.split_whitespace().map(str::to_owned));
            }
            tree.memory += resident(&process).unwrap_or(0);
            tree.pids.push(pid);
        }
        tree
    }

    /// By the kernel's own shares, which take longer to add up; where they cannot be read, what was counted. With the files of
    /// memory that they hold.
    fn exactly(&self, files: &held::Memory) -> u64 {
        let share = |pid: &String| {
            let process = PathBuf::from("/proc").join(pid);
            let rollup = fs::read_to_string(process.join("smaps_rollup")).ok();
            let lines = |text: String| {
                let wanted = |line: &str| line.starts_with("Pss_Anon:") || line.starts_with("Pss_Shmem:");
                let kib = |line: &str| line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
                text.lines().filter(|line| wanted(line)).filter_map(kib).sum::<u64>() * 1024
            };
            let has = rollup.filter(|text| !text.is_empty()).map(lines).or_else(|| resident(&process)).unwrap_or(0);
            has.saturating_sub(files.mapped(&process))
        };
        files.bytes() + self.pids.iter().map(share).sum::<u64>()
    }
}

/// What a process alone, or with others that it shares with, has in memory besides the files that it reads.
fn resident(process: &Path) -> Option<u64> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let kib = |line: &str| line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let lines = status.lines().filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"));
    Some(lines.filter_map(kib).sum::<u64>() * 1024)
}
