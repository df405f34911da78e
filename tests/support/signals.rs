//! Signals to processes that the platform reports as its own, and a pause of whoever would start them again. The trap
//! avoided: a supervisor that stays stopped because a test failed; the pause ends when it is dropped.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{fs, path::Path};

/// Ends a process without warning.
pub fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

/// Sends a signal; a process that is gone already is no reason to fail.
pub fn send(pid: u32, signal: Signal) {
    let _ = kill_process(raw(pid), signal);
}

/// Whether a process lives; one that waits to be reaped does not.
pub fn is_alive(pid: u32) -> bool {
    let zombie = fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])));
    test_kill_process(raw(pid)).is_ok() && zombie == Some(false)
}

/// A process that does not run while this lives.
#[derive(Debug)]
pub struct Paused(u32);

impl Paused {
    /// Stops it.
    pub fn new(pid: u32) -> Self {
        send(pid, Signal::STOP);
        Self(pid)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        send(self.0, Signal::CONT);
    }
}

/// Ends the gates and then the apps of a runner's folder: they outlive their agent, and the test is over.
pub fn end_all_of(folder: &Path) {
    that_mention(folder).into_iter().for_each(kill);
    running_from(folder).into_iter().for_each(kill);
}

/// Every live process whose program lies below this folder.
pub fn running_from(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.starts_with(folder)))
        .filter(|pid| is_alive(*pid))
        .collect()
}

/// Every live process that works in a folder below this one.
pub fn working_in(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|place| place.starts_with(folder)))
        .filter(|pid| is_alive(*pid))
        .collect()
}

/// Every live process on whose command line this folder stands, shells aside.
pub fn that_mention(folder: &Path) -> Vec<u32> {
    let folder = folder.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            !line.starts_with(b"sh\0") && String::from_utf8_lossy(&line).contains(&folder)
        })
        .filter(|pid| is_alive(*pid))
        .collect()
}

fn raw(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid is positive and fits")
}
