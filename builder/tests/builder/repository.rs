//! Real repositories, made by the machine's git, and servers for them on ports of the system's choice.

use crate::machines::tools;
use rhone_builder::{
    log::{Line, Log},
    source::{Allowed, Fetched, Limits, Reference, Source, SourceError, SourcePolicy, fetch},
};
use rhone_domain::logs::Mask;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

pub(crate) const OPEN: SourcePolicy = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };

/// A repository with a folder of files, and room beside it.
pub(crate) struct Repository {
    pub(crate) root: TempDir,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let repository = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(repository.path()).unwrap();
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("app")
    }

    pub(crate) fn url(&self) -> String {
        self.path().display().to_string()
    }

    /// Git as somebody who writes commits.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args([
            "-c",
            "user.name=Alice",
            "-c",
            "user.email=alice@example.org",
            "-c",
            "protocol.file.allow=always",
        ]);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_COMMITTER_DATE", "1700000000 +0000").env("GIT_AUTHOR_DATE", "1700000000 +0000");
        let done = command.arg("-C").arg(self.path()).args(arguments).output().expect("git runs");
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A repository with one file in one commit.
    pub(crate) fn with_one_commit() -> (Self, String) {
        let repository = Self::new();
        repository.write("hello.txt", "hello\n");
        repository.write("bin/run", "#!/bin/sh\n");
        fs::set_permissions(repository.path().join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
        let commit = repository.commit("Say hello\n\nAt length.");
        (repository, commit)
    }
}

pub(crate) fn log() -> (Log, Receiver<Line>) {
    Log::channel(100_000, Mask::default())
}

pub(crate) fn said(mut lines: Receiver<Line>) -> String {
    let mut text = String::new();
    while let Ok(line) = lines.try_recv() {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

pub(crate) fn source(repository: &str, reference: Reference) -> Source {
    Source { repository: repository.to_owned(), reference, sign_in: None }
}

pub(crate) async fn fetched(source: &Source, into: &Path) -> Result<Fetched, SourceError> {
    fetch(source, into, &Limits::default(), &OPEN, &tools(), &log().0).await
}

pub(crate) async fn refused(source: &Source) -> &'static str {
    let room = tempfile::tempdir().unwrap();
    let into = room.path().join("source");
    let refused = fetched(source, &into).await.expect_err("it was fetched");
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 0, "{refused:?} left something");
    refused.code()
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts the program with a free port, and waits until it is listened to.
    pub(crate) fn start(make: impl Fn(u16) -> Command) -> Self {
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let mut command = make(port);
            // Some, `git daemon` for one, are children of the program that is started, and would outlive it.
            command.process_group(0);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut server = Self { child, port };
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && server.child.try_wait().unwrap().is_none() {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return server;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("no server listens");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.child.wait();
    }
}
