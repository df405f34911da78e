//! Debian's own registry of images, on a free port of this machine, with its blobs in a folder that goes with it.

use crate::wait::PATIENCE;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A line of `htpasswd`: `alice` with [`SECRET`], as libcrypt's `crypt` gives it for the salt `$2y$05$abcdefghijklmnopqrstuu`.
pub const ALICE: &str = "alice:$2y$05$abcdefghijklmnopqrstuuTQLdDQ2arfM5hmv74DJrVlfO6Ojq7Qm\n";

/// What she signs in with.
pub const SECRET: &str = "canary-of-the-registry";

/// A registry that runs.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    port: u16,
    _room: TempDir,
}

impl Registry {
    /// None, said loudly, where it is not installed.
    pub fn start() -> Option<Self> {
        Self::with(None)
    }

    /// One that lets in who signs in as a line of `htpasswd` says, and nobody else.
    pub fn private(password: &str) -> Option<Self> {
        Self::with(Some(password))
    }

    fn with(password: Option<&str>) -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            eprintln!("SKIPPED: `docker-registry` is not installed");
            return None;
        }
        let room = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let config = room.path().join("config.yml");
        let auth = password.map(|password| {
            let file = room.path().join("htpasswd");
            fs::write(&file, password).expect("a file");
            format!("auth:\n  htpasswd:\n    realm: images\n    path: {}\n", file.display())
        });
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{}",
            room.path().join("store").display(),
            auth.unwrap_or_default()
        );
        fs::write(&config, text).expect("a file");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).env_clear().env("OTEL_TRACES_EXPORTER", "none");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, port, _room: room })
    }

    /// As credentials name it.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The name of an image in it.
    pub fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.host())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
