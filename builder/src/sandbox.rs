//! Where a build runs: in a bubblewrap sandbox, or, where the machine cannot make one, as a plain process under the same limits,
//! kept by a guard, and with a warning. The traps avoided: the host's environment, files and network; a program that outlives its build; root in
//! the sandbox that is root outside.

mod bubblewrap;
mod calls;
mod held;
mod images;
mod plain;
mod shell;
mod watch;

pub(crate) use bubblewrap::{BROUGHT, SETTINGS};
pub(crate) use calls::hold as hold_calls;
pub(crate) use images::{BUILT, IN_IMAGE};
pub(crate) use plain::warning;
pub(crate) use shell::PATH;
pub(crate) use watch::{Peak, descendants};

use crate::{
    log::Log,
    process::{self, Ends, Outcome},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
};
use tokio::{process::Command, time::Instant};

/// What one build may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildLimits {
    /// Of all its processes together.
    pub memory_bytes: u64,
    /// For all its steps together, by the clock.
    pub seconds: u64,
    /// Processes and threads at one time.
    pub processes: u64,
    /// Of what it writes, with the sources; also of the artifact's folder.
    pub disk_bytes: u64,
    /// Whether a plan may ask for the network.
    pub network: bool,
}

impl Default for BuildLimits {
    fn default() -> Self {
        let gib = 1024 * 1024 * 1024;
        Self { memory_bytes: 2 * gib, seconds: 900, processes: 512, disk_bytes: 4 * gib, network: true }
    }
}

/// What stands around a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sandbox {
    /// Namespaces of its own, made by bubblewrap.
    Bubblewrap,
    /// Limits, a clean environment, and what the kernel keeps from it without one; with why.
    Plain(String),
}

impl Sandbox {
    /// Tries to make one.
    pub async fn of_this_machine() -> Self {
        match bubblewrap::tried().await {
            Ok(()) => Self::Bubblewrap,
            Err(why) => Self::Plain(why),
        }
    }
}

/// With what builds are made: how much each may take, and what this machine puts around it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// How much.
    pub limits: BuildLimits,
    /// What stands around it.
    pub sandbox: Sandbox,
    /// The program that keeps what must not outlive its worker: one that begins by calling [`crate::guard::asked`].
    pub guard: PathBuf,
}

impl Machine {
    /// With the best that can be made here.
    pub async fn here(limits: BuildLimits, guard: PathBuf) -> Self {
        Self { limits, sandbox: Sandbox::of_this_machine().await, guard }
    }
}

/// Whether a build reaches the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Network {
    Closed,
    Open,
}

/// What a room is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Programs without any power.
    Steps,
    /// `buildah`, which is root among users of the room's own.
    Images,
}

/// The folders of one build on the host.
pub(crate) struct Room {
    root: PathBuf,
    purpose: Purpose,
    /// Whom its programs run as, when root starts them; in a room for images, the first of its users.
    user: Option<u32>,
}

/// Folders that its programs may write into.
const WRITABLE: [&str; 5] = ["src", "home", "tmp", "said", "image"];

/// Which calls its programs may not make, where they cannot write.
const CALLS: &str = "etc/calls";

impl Room {
    /// Makes the folders; the caller fills `src` and then gives the room away.
    pub(crate) fn make(root: &Path, purpose: Purpose, network: Network) -> io::Result<Self> {
        for name in WRITABLE.iter().chain(&["etc", "etc/containers"]) {
            fs::create_dir(root.join(name))?;
        }
        let (user, inside) = match purpose {
            Purpose::Steps => bubblewrap::a_user().map_or((None, 1000), |user| (Some(user), user)),
            Purpose::Images => (bubblewrap::by_root().then(images::first_user), 0),
        };
        for (name, text) in bubblewrap::settings(inside, network).into_iter().chain(images::settings()) {
            fs::write(root.join("etc").join(name), text)?;
        }
        fs::write(root.join(CALLS), calls::filter(purpose)?)?;
        Ok(Self { root: root.to_owned(), purpose, user })
    }

    /// Lets its programs write where they may.
    pub(crate) fn give_away(&self) -> io::Result<()> {
        let Some(user) = self.user else { return Ok(()) };
        WRITABLE.iter().try_for_each(|name| bubblewrap::give(&self.root.join(name), user))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Why a step was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Time,
    Memory,
    Processes,
    Disk,
}

/// How a step ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Whether it tried addresses to which there is no way: it reached for a network that is closed.
    pub(crate) reached_out: bool,
}

/// One step's program in its room.
pub(crate) struct Run<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) room: &'a Room,
    pub(crate) network: Network,
    pub(crate) deadline: Instant,
    /// A program from elsewhere on the host, which is [`BROUGHT`] in the sandbox.
    pub(crate) brought: Option<&'a Path>,
}

impl Run<'_> {
    /// Runs the program to its end, or stops it at a limit.
    pub(crate) async fn run(
        &self,
        words: &[String],
        env: &BTreeMap<String, String>,
        log: &Log,
        peak: &Peak,
    ) -> io::Result<Result<Ended, Stop>> {
        let said = self.room.at("said").join("net");
        let _ = fs::remove_file(&said);
        if !self.is_shut_in() {
            plain::may_enter(self.room)?;
        }
        let (command, ends) = self.command(words, env);
        let limits = &self.machine.limits;
        let watch = async |pid| watch::watch(pid, &self.room.root, limits, self.deadline, peak).await;
        Ok(match process::run(command, ends, log, watch).await? {
            Outcome::Stopped(stop) => Err(stop),
            // What was written within a moment was not weighed while it was.
            Outcome::Ended(_) if watch::is_too_heavy(None, &self.room.root, limits.disk_bytes).await => Err(Stop::Disk),
            Outcome::Ended(status) => {
                let closed = self.network == Network::Closed && self.is_shut_in();
                let reached_out = closed && tokio::task::spawn_blocking(move || shell::reached_out(&said)).await?;
                Ok(Ended { status, reached_out })
            }
        })
    }

    fn is_shut_in(&self) -> bool {
        self.machine.sandbox == Sandbox::Bubblewrap
    }

    fn command(&self, words: &[String], env: &BTreeMap<String, String>) -> (Command, Ends) {
        if !self.is_shut_in() {
            let (command, order) = plain::command(self, words, env);
            return (command, Ends::Guard(order));
        }
        // In a room for images, root is one of the room's own users.
        let user = self.room.user.filter(|_| self.room.purpose == Purpose::Steps);
        (bubblewrap::command(self, &shell::limited(&self.machine.limits, user, env), words), Ends::Group)
    }
}
