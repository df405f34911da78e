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
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

/// Between two looks at the processes, at least and at most.
const LOOK: Duration = Duration::from_millis(40);
const LATEST: Duration = Duration::from_millis(250);

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
    let (mut pause, most, processes) = (LOOK, limits.memory_bytes, limits.processes);
    loop {
        sleep(pause).await;
        let began = Instant::now();
        let memory = spawn_blocking(move || {
            let tree = Tree::of(root);
            (tree.tasks < processes).then(|| tree.bytes(most))
        });
        match memory.await {
            Ok(None) => return Stop::Processes,
            Ok(Some(memory)) => {
                peak.0.fetch_max(memory, Ordering::Relaxed);
                if memory > most {
                    return Stop::Memory;
                }
            }
            // The next look sees it.
            Err(_) => {}
        }
        pause = pause_after(began.elapsed());
    }
}

fn pause_after(look: Duration) -> Duration {
    (look * 4).clamp(LOOK, LATEST)
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
    let weighed = spawn_blocking(move || {
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

    /// What is in memory for all of them: counted quickly, and exactly where that is too much, or a file may be counted twice.
    fn bytes(&self, most: u64) -> u64 {
        let files = held::Memory::of(&self.pids);
        if files.bytes() == 0 && self.memory <= most { self.memory } else { self.exactly(&files) }
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

#[cfg(test)]
mod tests {
    //! How often is looked, and what one look says; limits are passed in `tests/builder/limits.rs`.
    use super::*;
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };

    #[test]
    fn a_look_that_takes_long_delays_the_next_one_by_a_quarter_of_a_second_at_most() {
        for (look, pause) in [(0, 40), (10, 40), (20, 80), (62, 248), (63, 250), (5_000, 250)] {
            assert_eq!(pause_after(Duration::from_millis(look)), Duration::from_millis(pause), "{look}");
        }
    }

    /// The sin: a file of memory that its process has mapped, weighed as the file and as the process's own.
    #[test]
    fn a_mapped_file_of_memory_is_counted_once_far_below_the_limit() {
        let holds = "import mmap, os\nfile = os.memfd_create('x')\nos.truncate(file, 64 << 20)\n\
            held = mmap.mmap(file, 64 << 20)\nheld.write(b'x' * (64 << 20))\nprint('held', flush=True)\nos.read(0, 1)";
        let mut command = Command::new("python3");
        let mut process = command
            .args(["-c", holds])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there, as in all tests of limits");
        let mut said = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut said).expect("it says so");
        let tree = Tree::of(process.id());
        let (once, twice) = (tree.bytes(u64::MAX), tree.memory + held::Memory::of(&tree.pids).bytes());
        drop(process.stdin.take());
        process.wait().expect("it ends");
        assert!((64 << 20..96 << 20).contains(&once), "{once}");
        assert!(twice > 128 << 20, "the sin is one: {twice}");
    }
}
