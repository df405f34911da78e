//! A build where no sandbox can be made: a plain process under the same limits, with a clean environment, kept by a guard
//! (`guard.rs`) that ends all it started. The trap avoided: a warning that says less, or more, than what is open here.

use super::{Network, Room, Run, WRITABLE, bubblewrap, shell};
use crate::guard::{self, Order, Wall, Within};
use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt as _, path::Path};
use tokio::process::Command;

/// Its guard, and what that is told.
pub(super) fn command(run: &Run<'_>, words: &[String], env: &BTreeMap<String, String>) -> (Command, Order) {
    let (room, mut limits) = (run.room, run.machine.limits);
    if room.user.is_none() {
        // The kernel counts all that the worker's user has. Other builds begin after this one, so it has room for theirs: whoever
        // is refused a process by the kernel waits, and is never seen to have too many.
        limits.processes = limits.processes.saturating_mul(4).saturating_add(tasks_of_this_user());
    }
    // It has no terminal: what is written into the worker's is typed there.
    let mut all = vec!["/usr/bin/setsid".to_owned()];
    all.extend(shell::limited(&limits, room.user, env));
    all.push(room.at("said").join("net").display().to_string());
    all.extend_from_slice(words);
    let within = Within {
        writable: guard::writable(&room.root, &WRITABLE),
        brought: run.brought.map(ToOwned::to_owned),
        network: run.network,
    };
    let mut command = guard::command(&run.machine.guard);
    command.current_dir(room.at("src")).env_clear().env("PATH", shell::PATH);
    command.env("HOME", room.at("home")).env("TMPDIR", room.at("tmp")).envs(shell::FIXED);
    (command, Order { within: Some(within), words: all })
}

/// A user of the build's own has to pass through every folder above the room; in a sandbox the room is elsewhere.
pub(super) fn may_enter(room: &Room) -> io::Result<()> {
    let closed = |folder: &&Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 == 0);
    match room.user.and_then(|_| room.root.ancestors().find(closed)) {
        None => Ok(()),
        Some(folder) => Err(io::Error::other(format!(
            "a build without a sandbox has a user of its own, who cannot pass through {}: `chmod o+x`, or set build.scratch",
            folder.display()
        ))),
    }
}

/// Processes and threads; what cannot be seen is not counted.
fn tasks_of_this_user() -> u64 {
    let user = rustix::process::geteuid().as_raw();
    let own = fs::read_dir("/proc").into_iter().flatten().flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(|digit: char| digit.is_ascii_digit())
            && entry.metadata().is_ok_and(|found| found.uid() == user)
    });
    let tasks = own.map(|entry| fs::read_dir(entry.path().join("task")).map_or(0, Iterator::count));
    tasks.fold(0, |all, tasks| all.saturating_add(tasks as u64))
}

/// What the log of a build says that runs here without a sandbox.
pub(crate) fn warning(why: &str, network: Network) -> String {
    let who = if bubblewrap::by_root() { Who::Nobody } else { Who::TheWorker };
    told(why, who, &guard::walls(), network)
}

/// As whom it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A user of the build's own, which only root can give.
    Nobody,
    TheWorker,
}

fn told(why: &str, who: Who, walls: &[Wall], network: Network) -> String {
    let has = |wall| walls.contains(&wall);
    let own = who == Who::TheWorker;
    let mut open = Vec::new();
    match (has(Wall::Files), own) {
        (true, _) => {}
        (false, false) => open.push("every file of this machine that all its users may read"),
        (false, true) => {
            open.push(
                "every file of the worker's user, its configuration and keys and the sources of other builds too",
            );
        }
    }
    match (network, has(Wall::Tcp)) {
        (Network::Closed, true) => open.push("the network, by other ways than TCP"),
        (Network::Closed, false) => open.push("the network, which is open although it is not declared"),
        (Network::Open, _) => open.push("what listens on this machine's own addresses"),
    }
    // Who ends the guard ends what its limits and its end are held by.
    let guarded = !own || has(Wall::Signals);
    if !guarded {
        open.push("the worker, its other builds and this build's own guard, whose processes it may end");
    }
    if !has(Wall::Sockets) {
        open.push("sockets of this machine that are files");
    }
    open.push("the list of this machine's processes with their words");
    let holds = if guarded {
        "Its limits hold, its environment is its own, and all that it starts ends with it"
    } else {
        "Its environment is its own; its limits hold, and what it starts ends with it, only as long as it leaves its guard alone"
    };
    format!("WARNING: this build runs without a sandbox: {why}. {holds}. Not protected from it: {}", open.join("; "))
}

#[cfg(test)]
mod tests {
    //! What is said to be open is what is.
    use super::*;

    #[test]
    fn the_warning_names_exactly_what_no_wall_stands_before() {
        let all = [Wall::Files, Wall::Tcp, Wall::Signals, Wall::Sockets];
        let best = told("none here", Who::Nobody, &all, Network::Closed);
        assert!(best.contains("without a sandbox: none here. Its limits hold"), "{best}");
        assert!(best.ends_with(
            "Not protected from it: the network, by other ways than TCP; the list of this machine's processes with their words"
        ));
        let worst = told("none here", Who::TheWorker, &[], Network::Closed);
        assert!(worst.contains("only as long as") && !worst.contains(". Its limits hold"), "{worst}");
        for open in ["configuration and keys", "open although", "whose processes it may end", "sockets of this machine"]
        {
            assert!(worst.contains(open) && !best.contains(open), "{open}: {worst}");
        }
        assert!(!told("x", Who::TheWorker, &all, Network::Open).contains("configuration"), "the kernel holds it");
        assert!(
            told("x", Who::Nobody, &[], Network::Open).contains("every file of this machine that all"),
            "not the worker's"
        );
    }
}
