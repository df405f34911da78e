//! A Docker Engine of the tests' own: its folders, its socket, no network. The trap avoided: containers and daemons left behind
//! by a test that was killed; a shell waits for this process' end and stops them.

use crate::wait::{PATIENCE, within};
use rustix::process::geteuid;
use serde_json::Value;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Starts the daemon, waits until this process is gone or wants it stopped, stops it, and removes its folder.
const SHELL: &str = r#"
folder=$1
dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" -H "unix://$folder/docker.sock" \
    --iptables=false --ip6tables=false --bridge=none >"$folder/log" 2>&1 </dev/null &
daemon=$!
read -r _
kill -TERM "$daemon" 2>/dev/null
wait "$daemon"
# The network namespace of the host, which the daemon mounts for itself and leaves.
umount "$folder"/exec/netns/* 2>/dev/null
rm -rf -- "$folder"
"#;

/// An engine that runs.
#[derive(Debug)]
pub struct Engine {
    folder: PathBuf,
    /// Its end is the shell's sign to stop everything.
    guard: Child,
}

impl Engine {
    /// None, said loudly, where none is installed or this user may not run one.
    pub async fn start() -> Option<Self> {
        let installed = Command::new("dockerd").arg("--version").output().is_ok_and(|said| said.status.success());
        if !installed || !geteuid().is_root() {
            eprintln!("SKIPPED: `dockerd` is not installed, or this user is not root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("rhone-engine-").tempdir_in("/var/tmp").expect("a folder").keep();
        let guard = Command::new("sh").args(["-c", SHELL, "engine"]).arg(&folder).stdin(Stdio::piped()).spawn();
        let engine = Self { folder, guard: guard.expect("there is a shell") };
        let answers = within(PATIENCE, async || engine.ask("GET", "/_ping").map(drop)).await;
        assert!(answers.is_some(), "the engine is not up; it said: {}", engine.said());
        Some(engine)
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// What it printed.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The containers with this label, also those that ended.
    pub fn containers(&self, label: &str) -> Vec<Value> {
        let all = self.ask("GET", "/containers/json?all=true").expect("it answers");
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|container| container["Labels"][name] == value).collect()
    }

    /// A container as it stands; none when there is none.
    pub fn container(&self, id: &str) -> Option<Value> {
        self.ask("GET", &format!("/containers/{id}/json"))
    }

    /// Its answer to one question, if it is a good one.
    fn ask(&self, method: &str, path: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "{method} {path} HTTP/1.0\r\nhost: engine\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let good = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        good.then(|| serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Those that do not end by themselves would be waited for.
        let all = self.ask("GET", "/containers/json?all=true").and_then(|all| all.as_array().cloned());
        for id in all.unwrap_or_default().iter().filter_map(|container| container["Id"].as_str()) {
            self.ask("DELETE", &format!("/containers/{id}?force=true&v=true"));
        }
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        assert!(std::thread::panicking() || !Path::new(&self.folder).exists(), "the engine's folder is left");
    }
}
