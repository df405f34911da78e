//! Processes of this host that are not our children. A pid alone names nobody for long: it is always kept with the start
//! time from `/proc/<pid>/stat`, and a process that was given a used pid is never taken for the old one.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};
use std::{fs, io};

/// A process, told apart from every later one with its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostProcess {
    /// Its pid; also its group, for the apps we start.
    pub(crate) pid: u32,
    /// Clock ticks from the boot of the machine to its start.
    pub(crate) started: u64,
}

impl HostProcess {
    /// The process that has this pid now; none when it is gone or a zombie.
    pub(crate) fn now_at(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        started(&stat).map(|started| Self { pid, started })
    }

    /// A child of ours that nobody has waited for yet: it has its pid even when it has ended already.
    pub(crate) fn unreaped(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        begun(&stat).map(|(_, started)| Self { pid, started })
    }

    /// This process.
    pub(crate) fn current() -> io::Result<Self> {
        Self::now_at(std::process::id()).ok_or_else(|| io::Error::other("/proc/self/stat does not say when we started"))
    }

    /// Whether it still runs. A zombie does not.
    pub(crate) fn is_alive(self) -> bool {
        Self::now_at(self.pid) == Some(self)
    }

    /// Sends a signal to it, if it is still the same one.
    pub(crate) fn signal(self, signal: Signal) {
        if let (true, Some(pid)) = (self.is_alive(), self.id()) {
            // Gone in between: what was wanted.
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends a signal to its whole group, if it is still the same one.
    pub(crate) fn signal_group(self, signal: Signal) {
        if let (true, Some(pid)) = (self.is_alive(), self.id()) {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn id(self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// Kills every process whose environment names this allocation: what a killed gate may have left behind.
pub(crate) fn kill_all_with(variable: &str) {
    let Ok(folders) = fs::read_dir("/proc") else { return };
    let pids = folders.flatten().filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    for process in pids.filter_map(HostProcess::now_at) {
        let Ok(environment) = fs::read(format!("/proc/{}/environ", process.pid)) else { continue };
        if environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes()) {
            tracing::warn!(pid = process.pid, variable, "killing a process that lost its gate");
            process.signal(Signal::KILL);
        }
    }
}

/// Field 22 of `stat`, unless the process is dead. The name in brackets may hold spaces and brackets: count from its end.
fn started(stat: &str) -> Option<u64> {
    begun(stat).filter(|(state, _)| !matches!(*state, "Z" | "X" | "x")).map(|(_, started)| started)
}

/// The state, and when it was started.
fn begun(stat: &str) -> Option<(&str, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    //! What `/proc` says is read by its end.
    use super::*;

    #[test]
    fn the_start_is_found_behind_a_name_with_brackets_and_spaces() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(started(stat), Some(4711));
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let zombie = "7 (a) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!((started(zombie), begun(zombie)), (None, Some(("Z", 4711))));
    }

    #[test]
    fn a_used_pid_is_not_the_old_process() {
        let me = HostProcess::current().expect("we run");
        assert!(me.is_alive());
        assert!(!HostProcess { started: me.started + 1, ..me }.is_alive());
    }
}
