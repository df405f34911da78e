//! A host of git repositories that lets nobody in but who signs in: git's own `http-backend` behind the bridge that the
//! builder's tests have too. It writes down what it was shown.

use crate::{program, repository::Repository, wait::PATIENCE};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Such a host, which runs.
#[derive(Debug)]
pub struct PrivateRepositories {
    child: Child,
    port: u16,
    room: TempDir,
    _repository: Repository,
}

impl PrivateRepositories {
    /// For who signs in with this user and secret.
    pub fn start(repository: Repository, username: &str, secret: &str) -> Self {
        let room = tempfile::tempdir().expect("a folder");
        fs::write(room.path().join("key"), format!("{username}:{secret}")).expect("a file");
        fs::write(room.path().join("seen"), "").expect("a file");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut python = Command::new("python3");
        python.arg(program::root().join("builder/tests/private_git.py")).arg(port.to_string());
        python.args([repository.folder(), room.path().join("key"), room.path().join("seen")]).arg("");
        let child = python.stdin(Stdio::null()).spawn().expect("it starts");
        // It ends with this, also when it is not heard of.
        let started = Self { child, port, room, _repository: repository };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the host does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// As credentials name it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// As deploys name the repository.
    pub fn address(&self) -> String {
        format!("http://{}/.git", self.host())
    }

    /// Where it says back what it was shown, as no repository should.
    pub fn telling(&self) -> String {
        format!("http://{}/told/shop", self.host())
    }

    /// What it was asked and shown, line by line.
    pub fn saw(&self) -> String {
        fs::read_to_string(self.room.path().join("seen")).expect("it is there")
    }
}

impl Drop for PrivateRepositories {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
