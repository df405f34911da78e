//! Processes of ours that an earlier `up` left behind, found by what they do: the part and the data folder on their command
//! line. The trap avoided: a pid in a file that is somebody else's by now.

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

/// A process, told apart from every later one with its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// Clock ticks from the boot of the machine to its start.
    pub started: u64,
}

impl Process {
    /// The process that has this pid now; none when it is gone or a zombie.
    pub(crate) fn now_at(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        started(&stat).map(|started| Self { pid, started })
    }

    fn is_alive(self) -> bool {
        Self::now_at(self.pid) == Some(self)
    }
}

/// Field 22 of `stat`, unless the process is dead. The name in brackets may hold anything: count from its end.
fn started(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// Sends a signal; a process that is gone already is what we wanted.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Ends every part that works on this data folder; gates and apps go on. How many there were.
pub(crate) async fn end_leftovers(data: &Path) -> usize {
    let left = parts_of(data);
    for (sent, patience) in [(Signal::TERM, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(5))] {
        left.iter().filter(|process| process.is_alive()).for_each(|process| signal(process.pid, sent));
        let until = Instant::now() + patience;
        while left.iter().any(|process| process.is_alive()) && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
    }
    left.len()
}

fn parts_of(data: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            is_part(&String::from_utf8_lossy(&line), &data.to_string_lossy())
        })
        .filter_map(Process::now_at)
        .collect()
}

/// `rhone <part> --data <folder>`, words ending with NUL.
fn is_part(line: &str, data: &str) -> bool {
    let words: Vec<&str> = line.split('\0').collect();
    let [_, "serve" | "work" | "edge" | "runner", "--data", folder, ..] = words[..] else { return false };
    folder == data
}

#[cfg(test)]
mod tests {
    //! What is a part of ours.
    use super::*;

    #[test]
    fn a_part_is_known_by_its_word_and_folder() {
        assert!(is_part("/bin/rhone\0edge\0--data\0/d\0--name\0edge-1\0", "/d"));
        assert!(!is_part("/bin/rhone\0edge\0--data\0/d2\0", "/d"));
        assert!(!is_part("/bin/rhone\0runner\0gate\0/d/runner/a/spec.json\0", "/d"));
        assert!(!is_part("/bin/rhone\0up\0--data\0/d\0", "/d"));
        assert!(!is_part("", "/d"));
    }

    #[test]
    fn this_process_is_alive_and_no_later_one_is_taken_for_it() {
        let me = Process::now_at(std::process::id()).expect("we run");
        assert!(me.is_alive());
        assert!(!Process { started: me.started + 1, ..me }.is_alive());
    }
}
