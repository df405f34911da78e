//! A running server as our child: its end is awaited once, by a task, and seen by all. It has a process group of its own, so
//! that the terminal's Ctrl-C reaches us and not it. The trap avoided: a signal to a pid that was reaped and given away.

use super::{
    error::{ServerError, during},
    found,
    os_user::OsUser,
};
use rustix::process::Signal;
use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

/// What to run, where, and as whom.
pub(super) struct Launch {
    /// The name in error messages.
    pub(super) server: &'static str,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// Its working folder.
    pub(super) folder: PathBuf,
    /// Where its output goes.
    pub(super) log: PathBuf,
    /// As whom, when not as us.
    pub(super) user: Option<OsUser>,
}

/// What happens to the server when its owner is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDrop {
    /// It goes on; the next start stops it first.
    LeaveRunning,
    /// It is ended at once. A second process ends it should we die without dropping anything.
    End,
}

/// A running server.
#[derive(Debug)]
pub(super) struct ServerChild {
    server: &'static str,
    pid: u32,
    log: PathBuf,
    ended: watch::Receiver<Option<ExitStatus>>,
    on_drop: OnDrop,
    guard: Option<Child>,
}

impl ServerChild {
    /// Starts the program.
    pub(super) fn spawn(launch: Launch, on_drop: OnDrop) -> Result<Self, ServerError> {
        let log =
            OpenOptions::new().create(true).append(true).open(&launch.log).map_err(during("open", &launch.log))?;
        let errors = log.try_clone().map_err(during("open", &launch.log))?;
        let mut command = command(&launch.program, &launch.folder, launch.user);
        command.args(launch.arguments).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        let mut child = command.spawn().map_err(during("run", &launch.program))?;
        let pid = child.id().expect("it was not awaited yet");
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                tell.send_replace(Some(status));
            }
        });
        let guard = match on_drop {
            OnDrop::LeaveRunning => None,
            OnDrop::End => Some(guard(pid)?),
        };
        Ok(Self { server: launch.server, pid, log: launch.log, ended, on_drop, guard })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Resolves when the process has ended.
    pub(super) async fn wait(&self) {
        let _ = self.ended.clone().wait_for(Option::is_some).await;
    }

    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            found::send(self.pid, signal);
        }
    }

    /// Polls until the server answers as ours, or has ended, or the time is over.
    pub(super) async fn ready<A: Future<Output = bool> + Send>(
        &self,
        patience: Duration,
        answers: impl Fn() -> A + Send,
    ) -> Result<(), ServerError> {
        let poll = async {
            while !answers().await {
                if self.has_ended() {
                    let last = last_line(&fs::read(&self.log).unwrap_or_default());
                    return Err(ServerError::Ended { server: self.server, last, log: self.log.clone() });
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        };
        timeout(patience, poll).await.unwrap_or_else(|_| {
            Err(ServerError::Silent { server: self.server, seconds: patience.as_secs(), log: self.log.clone() })
        })
    }

    /// Asks it to end with the first signal, waits, and insists with the second and then with SIGKILL.
    pub(super) async fn stop(&self, ask: Signal, insist: Signal) {
        for (signal, patience) in [(ask, 10), (insist, 5), (Signal::KILL, 5)] {
            self.signal(signal);
            if timeout(Duration::from_secs(patience), self.wait()).await.is_ok() {
                return;
            }
        }
        tracing::error!(server = self.server, pid = self.pid, "does not end even after SIGKILL");
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.as_mut() {
            let _ = guard.start_kill();
        }
        if self.on_drop == OnDrop::LeaveRunning || self.has_ended() {
            return;
        }
        found::send(self.pid, Signal::QUIT);
        let deadline = Instant::now() + Duration::from_secs(5);
        while found::lives(self.pid) {
            if Instant::now() > deadline {
                found::send(self.pid, Signal::KILL);
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A shell that waits for the end of its input, which comes with our death, and then ends the server.
fn guard(pid: u32) -> Result<Child, ServerError> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read -r _; kill -QUIT \"$1\"", "guard", &pid.to_string()]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    shell.spawn().map_err(during("run", "/bin/sh"))
}

/// A command with a plain locale and nothing of the caller's PostgreSQL settings, as the user when one is given.
pub(super) fn command(program: &Path, folder: &Path, user: Option<OsUser>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC").env("HOME", folder);
    for name in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGTZ", "PGDATESTYLE"] {
        command.env_remove(name);
    }
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// The last line that says anything.
pub(super) fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it printed nothing").to_owned()
}
