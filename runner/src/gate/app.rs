//! One life of the app's process: in a group of its own, with a clean environment, on a private port that changes with every
//! start, so that nothing but the gate knows where it is.

use super::{GateSpec, log::Log};
use crate::{host_process::HostProcess, variables::Opened};
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
}

/// The app, as long as its process lives.
pub(super) struct App {
    child: Child,
    outputs: JoinSet<()>,
    pub(super) running: Running,
}

impl App {
    /// Starts the words: the artifact's own command, or what stands in its place.
    pub(super) fn start(spec: &GateSpec, words: &[String], variables: &Opened, log: &Log) -> io::Result<Self> {
        let port = free_port()?;
        let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut child = Command::new(program_path(spec, program))
            .args(arguments)
            .current_dir(&spec.folder)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))
            .envs(variables.iter())
            // Ours come last: no variable of the app's takes their place.
            .env("PORT", port.to_string())
            .env("RHONE_ALLOCATION", spec.allocation.to_string())
            .env("RHONE_DEPLOYMENT", spec.deployment.to_string())
            .env("RHONE_ENVIRONMENT", spec.environment.to_string())
            .env("RHONE_REGION", spec.region.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut outputs = JoinSet::new();
        child.stdout.take().map(|output| outputs.spawn(log.clone().keep(LogStream::Stdout, output)));
        child.stderr.take().map(|output| outputs.spawn(log.clone().keep(LogStream::Stderr, output)));
        let process = child.id().and_then(HostProcess::now_at).ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { child, outputs, running: Running { port, process } })
    }

    /// Waits for its end; whatever it left in its group ends with it.
    pub(super) async fn ended(&mut self) -> String {
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

    pub(super) fn signal(&self, signal: Signal) {
        self.running.process.signal_group(signal);
    }
}

/// A name with a slash is a file of the artifact, and so is one that the artifact holds; only then is it looked up in PATH.
fn program_path(spec: &GateSpec, program: &str) -> PathBuf {
    let inside = spec.folder.join(program);
    if program.contains('/') || inside.exists() { inside } else { PathBuf::from(program) }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()?.port())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}
