//! One life of the app's process: in a group of its own, with a clean environment, on a private port that changes with every
//! start, so that nothing but the gate knows where it is.

use super::{
    GateSpec,
    owner::Members,
    runtime::{App, Starting},
};
use crate::host_process::HostProcess;
use futures_util::future::BoxFuture;
use rhone_domain::logs::LogStream;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

/// How long what an ended app has printed is read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Where the app can be reached, and who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) port: u16,
    pub(super) process: HostProcess,
    /// Which processes are the app's.
    pub(super) members: Members,
}

/// The app, as long as its process lives.
pub(super) struct Process {
    child: Child,
    outputs: JoinSet<()>,
    running: Running,
}

/// Our own variables. They come last: none of the app's takes their place.
pub(super) fn ours(spec: &GateSpec, port: u16) -> [(&'static str, String); 5] {
    [
        ("PORT", port.to_string()),
        ("RHONE_ALLOCATION", spec.allocation.to_string()),
        ("RHONE_DEPLOYMENT", spec.deployment.to_string()),
        ("RHONE_ENVIRONMENT", spec.environment.to_string()),
        ("RHONE_REGION", spec.region.to_string()),
    ]
}

impl Process {
    /// Starts the words: the artifact's own command, or what stands in its place.
    pub(super) fn start(starting: Starting<'_>, words: &[String]) -> io::Result<Self> {
        let Starting { spec, variables, log, .. } = starting;
        let port = free_port()?;
        let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut child = Command::new(program_path(spec, program))
            .args(arguments)
            .current_dir(&spec.folder)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))
            .envs(variables.iter())
            .envs(ours(spec, port))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut outputs = JoinSet::new();
        child.stdout.take().map(|output| outputs.spawn(log.clone().keep(LogStream::Stdout, output)));
        child.stderr.take().map(|output| outputs.spawn(log.clone().keep(LogStream::Stderr, output)));
        // One that has ended by now is told of like any other: with its own end, and with its last words.
        let process = child.id().and_then(HostProcess::unreaped).ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { child, outputs, running: Running { port, process, members: Members::Group } })
    }

    async fn end(&mut self) -> String {
        let exit = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("unknown: {error}"),
        };
        if let Some(group) = i32::try_from(self.running.process.pid).ok().and_then(Pid::from_raw) {
            // An empty group is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
        // Its last words are in the pipes; somebody who left the group may hold them open for ever.
        let _ = timeout(LAST_WORDS, async { while self.outputs.join_next().await.is_some() {} }).await;
        exit
    }
}

impl App for Process {
    fn running(&self) -> Option<Running> {
        Some(self.running)
    }

    fn ended(&mut self) -> BoxFuture<'_, String> {
        Box::pin(self.end())
    }

    fn signal(&self, signal: Signal) -> BoxFuture<'_, ()> {
        self.running.process.signal_group(signal);
        Box::pin(async {})
    }
}

/// A name with a slash is a file of the artifact, and so is one that the artifact holds; only then is it looked up in PATH.
fn program_path(spec: &GateSpec, program: &str) -> PathBuf {
    let inside = spec.folder.join(program);
    if program.contains('/') || inside.exists() { inside } else { PathBuf::from(program) }
}

pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()?.port())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}
