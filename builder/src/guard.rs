//! The guard of a program that must not outlive its worker: a build that has no sandbox, and git. A process between the worker
//! and the program, which every orphan of it comes back to, and which ends all that descends from it when the program ends or
//! the worker is gone, however that ended. Run by whichever program the worker names ([`asked`]). The traps avoided: a program
//! that left its session or that two forks made nobody's child; a guard within reach of what it guards; an order that is longer
//! than the kernel lets an argument be.

mod fence;

pub(crate) use fence::{Wall, walls};

use crate::sandbox::{Network, descendants};
use rustix::{
    io::Errno,
    process::{self, Pid, Signal, WaitOptions},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, BufRead, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The first word of whoever is to be a guard.
const WORD: &str = "build-guard";
/// The status of a guard that could not begin, as `env` and `nohup` have it.
const BROKEN: u8 = 125;
/// The status of one that found no such program.
pub(crate) const NO_PROGRAM: u8 = 127;
/// Between two looks at what was killed and is not gone yet.
const LOOK: Duration = Duration::from_millis(5);
/// No order is longer; what a program may be started with altogether is less.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What is kept, and what it may open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Within which walls; none around what Rhone itself brings.
    pub(crate) within: Option<Within>,
    pub(crate) words: Vec<String>,
}

/// What a build may open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Within {
    /// Folders that it may write into.
    pub(crate) writable: Vec<PathBuf>,
    /// A program from elsewhere on the host.
    pub(crate) brought: Option<PathBuf>,
    pub(crate) network: Network,
}

impl Order {
    /// The first line of what a guard is told by its input. Nothing else is written there: its end is the worker's.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("paths of a room are UTF-8, and words are text");
        line.push(b'\n');
        line
    }

    fn read(input: impl BufRead) -> Option<Self> {
        let mut line = Vec::new();
        input.take(LONGEST).read_until(b'\n', &mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }
}

/// A program that will be a guard, and has not been told of what.
pub(crate) fn command(guard: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(guard);
    command.arg(WORD);
    command
}

/// Keeps a program, where the words of this process ask for it, as its input orders; the program that the worker names begins
/// with this, and reads nothing before: it is started in a folder that strangers filled.
pub fn asked(words: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    is_asked(words).then(|| kept(Order::read(io::stdin().lock())))
}

fn is_asked(words: impl IntoIterator<Item = OsString>) -> bool {
    words.into_iter().nth(1).is_some_and(|word| word == WORD)
}

fn kept(order: Option<Order>) -> ExitCode {
    let Some(order) = order else { return ExitCode::from(BROKEN) };
    keep(&order).unwrap_or_else(|error| {
        tell(&error);
        ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NO_PROGRAM } else { BROKEN })
    })
}

#[expect(clippy::print_stderr, reason = "it is a program of its own, and its output is the build's log")]
fn tell(error: &io::Error) {
    eprintln!("a program could not be guarded: {error}");
}

/// Why the guard ends what it guards.
enum End {
    Itself(io::Result<ExitStatus>),
    NobodyWaits,
}

fn keep(order: &Order) -> io::Result<ExitCode> {
    process::set_child_subreaper(Some(process::getpid()))?;
    let child = started(order)?;
    let (tell, hear) = mpsc::channel();
    let gone = tell.clone();
    thread::spawn(move || gone.send(End::Itself(reaped(child.id()))));
    // The worker holds the other end, and nobody writes: it is at its end when the worker has let go of it, or is dead.
    thread::spawn(move || {
        let _ = io::stdin().read(&mut [0]);
        tell.send(End::NobodyWaits)
    });
    let end = hear.recv().unwrap_or(End::NobodyWaits);
    end_all();
    Ok(match end {
        End::Itself(status) => ExitCode::from(shell_status(status?)),
        End::NobodyWaits => ExitCode::from(BROKEN),
    })
}

/// Starts the build's program from a thread that shuts itself in first and then ends: what holds the build does not hold its
/// guard, which is therefore none of those that the build may signal.
fn started(order: &Order) -> io::Result<Child> {
    thread::scope(|scope| {
        let start = || {
            order.within.as_ref().map_or(Ok(()), fence::shut_in)?;
            Command::new(&order.words[0]).args(&order.words[1..]).stdin(Stdio::null()).spawn()
        };
        scope.spawn(start).join().unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
    })
}

/// Takes up whoever ends, until the child does: an orphan that nobody takes up still counts among the build's processes.
fn reaped(child: u32) -> io::Result<ExitStatus> {
    loop {
        match process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().cast_unsigned() == child => {
                return Ok(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills until nobody is left, without a pause while there is anybody new: who forks would be ahead after each. Whoever is made
/// between two looks is an orphan at the latest when its parent is dead, and then a child of this process: only when it has
/// none, nothing lives.
fn end_all() {
    let mut killed = BTreeSet::new();
    loop {
        let living: BTreeSet<u32> = descendants(std::process::id()).into_iter().collect();
        for pid in &living {
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
            // One that has just ended is what we want.
            let _ = pid.map(|pid| process::kill_process(pid, Signal::KILL));
        }
        let only_dying = living.is_subset(&killed);
        killed = living;
        loop {
            match process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if only_dying {
            thread::sleep(LOOK);
        }
    }
}

/// As a shell says it: 128 and the signal's number.
fn shell_status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN)
}

/// The folders of a room as an order names them.
pub(crate) fn writable(root: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| root.join(name)).collect()
}

#[cfg(test)]
mod tests {
    //! Who is taken for a guard, and for what.
    use super::*;

    #[test]
    fn only_the_one_word_makes_a_guard_and_an_order_that_nobody_reads_starts_nothing() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(asked(words(&["rhone"])).is_none());
        assert!(asked(words(&["rhone", "worker", WORD])).is_none());
        assert!(is_asked(words(&["rhone", WORD])));
        for line in ["", "{}", "{}\n", "{\"within\":null,\"words\":[\"/bin/true\"]"] {
            assert_eq!(kept(Order::read(line.as_bytes())), ExitCode::from(BROKEN), "{line}");
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written_however_long_and_what_follows_is_left() {
        let within =
            Within { writable: writable(Path::new("/room"), &["src"]), brought: None, network: Network::Closed };
        let order = Order { within: Some(within), words: vec!["/bin/true".to_owned(), "a\nb ".repeat(100_000)] };
        let line = order.line();
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
        let input = [&line[..], b"more"].concat();
        let mut input = input.as_slice();
        assert_eq!(Order::read(&mut input), Some(order));
        assert_eq!(input, b"more");
    }
}
