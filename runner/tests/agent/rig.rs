//! One host: a data folder, an agent that can be killed and started, and the words a test needs. Everything that was started
//! is killed at the end by its own pid, whether the test passed or not.

use crate::control::{Control, TOKEN};
use futures_util::StreamExt as _;
use rhone_domain::{
    digest::Digest,
    host_protocol::{Desired, GateIdentity, Goal, Preamble, Seen},
    ids::{AllocationId, AppId, CellId, DeploymentId, EnvironmentId, HostId, RegionId, WorkspaceId},
    numbers::{EnvSet, Epoch, Generation},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use uuid::Uuid;

pub(crate) const EPOCH: Epoch = Epoch(7);
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Rig {
    pub(crate) control: Control,
    folder: tempfile::TempDir,
    agent: Child,
}

/// Waits for a condition; the name stands in the failure.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An id that no other test of this machine has: orphans are found by it.
pub(crate) fn id<I: From<Uuid>>() -> I {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (process, next) = (u128::from(std::process::id()), u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    I::from(Uuid::from_u128((since << 64) | (process << 32) | next))
}

/// `target/<profile>`, where this test was built.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_owned()
}

/// Cargo as whoever runs the tests starts it, and with the features of the whole workspace. What it tells a test of its package
/// would be news to the build of `ring`: that, and all that rests on it, would be compiled anew, here and by whoever comes next.
fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    let told = ["CARGO_MANIFEST_", "CARGO_PKG_"];
    for (name, _) in std::env::vars_os() {
        if told.iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The folder of the binaries. What is run is built first: a test of some targets alone would run the others as they were.
pub(crate) fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let folder = built();
        if folder.ends_with("debug") {
            for target in [["--bin", "counter"], ["--example", "runner_agent"]] {
                let built = cargo().args(["build", "--quiet", "--workspace"]).args(target).status();
                assert!(built.expect("cargo runs").success(), "`cargo build {}` failed", target.join(" "));
            }
        }
        for name in ["counter", "examples/runner_agent"] {
            assert!(folder.join(name).exists(), "{name} is missing in {}: build it first", folder.display());
        }
        folder
    })
}

/// The app as a tar, and the tar's digest.
pub(crate) fn artifact(version: &str) -> (Digest, Vec<u8>) {
    let mut builder = tar::Builder::new(Vec::new());
    let binary = fs::read(binaries().join("counter")).expect("readable");
    let page = format!("<title>{version}</title>");
    let files =
        [("counter", 0o755, binary), ("version.txt", 0o644, version.into()), ("public/index.html", 0o644, page.into())];
    for (name, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, &content[..]).expect("an entry");
    }
    let bytes = builder.into_inner().expect("an archive");
    (Digest::of(&[&bytes]), bytes)
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host: HostId = id();
        let control = Control::start(host).await;
        let program = binaries().join("examples/runner_agent");
        let config = json!({
            "data_dir": folder.path().join("data"),
            "control_url": format!("http://{}", control.address),
            "token": TOKEN,
            "host": host,
            "gate_command": [program, "gate"],
            "admin": "127.0.0.1:0",
            "log_backlog_bytes": 400_000,
        });
        fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
        let agent = spawn(folder.path());
        Self { control, folder, agent }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn kill_agent(&mut self) {
        self.agent.kill().expect("killed");
        self.agent.wait().expect("reaped");
    }

    pub(crate) fn start_agent(&mut self) {
        self.agent = spawn(self.folder.path());
    }

    /// An order to run the version, stored but not yet given.
    pub(crate) fn desired(&self, version: &str) -> Desired {
        let (digest, bytes) = artifact(version);
        self.control.store(digest, bytes);
        Desired {
            allocation: id(),
            generation: Generation(1),
            goal: Goal::Run,
            workspace: id::<WorkspaceId>(),
            app: id::<AppId>(),
            environment: id::<EnvironmentId>(),
            deployment: id::<DeploymentId>(),
            env_set: EnvSet(1),
            region: id::<RegionId>(),
            cell: id::<CellId>(),
            artifact: digest,
            min_epoch: EPOCH,
            command: vec!["./counter".to_owned()],
            health_path: "/health".to_owned(),
            ready_timeout_ms: 60_000,
            drain_timeout_ms: 60_000,
            drain_deadline: None,
        }
    }

    /// Orders and waits until it is ready: the order and its address.
    pub(crate) async fn running(&self, version: &str) -> (Desired, String) {
        let desired = self.desired(version);
        self.control.order(&desired);
        let address = self.ready_at(desired.allocation, 1).await;
        (desired, address)
    }

    /// The address of the nth report of `Ready`. One that is sent again is the same one. One that an agent had told when it was
    /// killed, and had not yet noted as told, is told once more by its successor: there the second one proves no take-over, and
    /// [`Rig::adopted`] does.
    pub(crate) async fn ready_at(&self, allocation: AllocationId, nth: usize) -> String {
        until("ready", async || {
            let seen = self.control.seen(allocation);
            assert!(!matches!(seen.last(), Some(Seen::Failed { .. })), "{seen:?}");
            let mut addresses = seen.into_iter().filter_map(|seen| match seen {
                Seen::Ready { address, .. } => Some(address),
                Seen::Pulling
                | Seen::Starting { .. }
                | Seen::Restarted { .. }
                | Seen::Draining
                | Seen::Stopped { .. }
                | Seen::Failed { .. } => None,
            });
            addresses.nth(nth - 1)
        })
        .await
    }

    /// Waits until the last thing seen is this.
    pub(crate) async fn saw_last(&self, allocation: AllocationId, what: &str, is: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        until(what, async || {
            let seen = self.control.seen(allocation);
            seen.last().is_some_and(&is).then_some(seen)
        })
        .await
    }

    /// Waits until this was reported, however often and whatever came after it.
    pub(crate) async fn saw(&self, allocation: AllocationId, seen: &Seen) {
        until(&format!("{seen:?}"), async || self.control.seen(allocation).contains(seen).then_some(())).await;
    }

    /// Waits until the agent that runs now has taken over so many gates.
    pub(crate) async fn adopted(&self, gates: u64) {
        let line = format!("rhone_runner_gates_adopted_total {gates}\n");
        until(&line, async || self.admin("/metrics").await?.contains(&line).then_some(())).await;
    }

    /// One of an allocation's files.
    pub(crate) fn file(&self, allocation: AllocationId, name: &str) -> Option<Value> {
        let path = self.data().join("allocations").join(allocation.to_string()).join(name);
        fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    }

    pub(crate) fn gate_pid(&self, allocation: AllocationId) -> u32 {
        let status = self.file(allocation, "gate.json").expect("a gate");
        status["gate"]["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
    }

    /// A page of the agent's own server; none while it is down.
    pub(crate) async fn admin(&self, path: &str) -> Option<String> {
        let file: Value = serde_json::from_slice(&fs::read(self.data().join("agent.json")).ok()?).ok()?;
        asked(file["admin"].as_str()?, &format!("GET {path} HTTP/1.0\r\n\r\n")).await
    }
}

fn spawn(folder: &Path) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("agent.log")).expect("a log");
    Command::new(binaries().join("examples/runner_agent"))
        .arg("agent")
        .arg(folder.join("config.json"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the agent starts")
}

pub(crate) fn kill(signal: &str, pid: u32) {
    let sent =
        Command::new("sh").args(["-c", "kill \"$0\" \"$1\"", signal, &pid.to_string()]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "kill runs");
}

/// Whether a process runs; a zombie does not.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The processes whose entries of this file in `/proc` are so.
pub(crate) fn processes(file: &str, are_so: impl Fn(&[String]) -> bool) -> Vec<u32> {
    let folders = fs::read_dir("/proc").expect("listed").flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        are_so(&text.split_terminator('\0').map(str::to_owned).collect::<Vec<_>>())
    })
    .collect()
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.folder.path().join("agent.log")).unwrap_or_default());
        }
        for entry in fs::read_dir(self.data().join("allocations")).into_iter().flatten().flatten() {
            let Ok(bytes) = fs::read(entry.path().join("gate.json")) else { continue };
            let status: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            for process in [&status["gate"], &status["app"]] {
                if let Some(pid) =
                    process["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| lives(*pid))
                {
                    kill("-KILL", pid);
                }
            }
            if std::thread::panicking() {
                eprintln!("{status}\n{}", fs::read_to_string(entry.path().join("gate.log")).unwrap_or_default());
            }
        }
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(self.folder.path()).status();
    }
}

/// Says a preamble, and then this; everything that comes back. None when nobody listens or the connection breaks.
pub(crate) async fn say(address: &str, preamble: &str, words: &str) -> Option<String> {
    asked(address, &format!("{preamble}{words}")).await
}

/// The same of whoever took the place of one that died, and may never hang up.
async fn asked(address: &str, words: &str) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(words.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    timeout(PATIENCE, exchange).await.ok().flatten()
}

pub(crate) async fn get(address: &str, allocation: AllocationId, path: &str) -> Option<String> {
    let preamble = Preamble::Connect { allocation, epoch: EPOCH }.to_line();
    say(address, &preamble, &format!("GET {path} HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n")).await
}

pub(crate) async fn who(address: &str, allocation: AllocationId) -> Option<GateIdentity> {
    serde_json::from_str(&say(address, &Preamble::Who { allocation }.to_line(), "").await?).ok()
}

/// The app's pid, once it runs and answers, and is not this one.
pub(crate) async fn app_after(address: &str, allocation: AllocationId, before: u32) -> u32 {
    until("another process answers", async || {
        let pid = who(address, allocation).await?.pid.filter(|pid| *pid != before)?;
        get(address, allocation, "/health").await?.starts_with("HTTP/1.1 200").then_some(pid)
    })
    .await
}

/// A socket to the app, through the gate; the greeting is not yet read.
pub(crate) async fn socket(address: &str, allocation: AllocationId) -> WebSocketStream<TcpStream> {
    let mut stream = TcpStream::connect(address).await.expect("the gate listens");
    let preamble = Preamble::Connect { allocation, epoch: EPOCH }.to_line();
    stream.write_all(preamble.as_bytes()).await.expect("sent");
    let opened = timeout(PATIENCE, tokio_tungstenite::client_async("ws://app/_vango/ws", stream)).await;
    opened.expect("an answer in time").expect("a socket").0
}

/// What the app says next.
pub(crate) async fn heard(socket: &mut WebSocketStream<TcpStream>) -> Message {
    timeout(PATIENCE, socket.next()).await.expect("it says something").expect("open").expect("a message")
}
