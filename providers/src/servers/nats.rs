//! A private NATS with JetStream: a fast hint, never the truth. The trap avoided: a server of someone else on our port,
//! recognised by the name it gives in its first line.

use super::{
    binaries,
    child::{Launch, OnDrop, ServerChild},
    error::ServerError,
    found::{self, Leader},
    identity,
};
use rustix::process::Signal;
use std::{fs::File, path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
};

const USER: &str = "rhone";
const PATIENCE: Duration = Duration::from_secs(20);

/// A private NATS server.
#[derive(Debug)]
pub struct Nats {
    child: ServerChild,
    port: u16,
    password: String,
    _lock: File,
}

/// What the server says of itself in its first line.
#[derive(serde::Deserialize)]
struct Greeting {
    server_name: String,
    #[serde(default)]
    jetstream: bool,
}

impl Nats {
    /// Starts NATS on the store in the folder, which is made when there is none. A server that an earlier run left on the
    /// same store is stopped first. It outlives this value and this process unless [`Nats::stop`] is called.
    pub async fn start(folder: &Path) -> Result<Self, ServerError> {
        Self::launch(folder, OnDrop::LeaveRunning).await
    }

    /// As [`Nats::start`], and it ends with this value or this process.
    pub async fn start_for_test(folder: &Path) -> Result<Self, ServerError> {
        Self::launch(folder, OnDrop::End).await
    }

    async fn launch(folder: &Path, on_drop: OnDrop) -> Result<Self, ServerError> {
        let folder = identity::folder(folder)?;
        let lock = identity::lock(&folder)?;
        let program = binaries::nats()?;
        let settings = folder.join("nats.conf");
        let left = || found::with_argument("nats-server", &settings);
        found::stop_all(left, Leader::Each, folder.clone()).await?;
        let name = identity::kept(&folder.join("name"), || format!("rhone-{}", identity::random_hex::<8>()))?;
        let password = identity::kept(&folder.join("password"), identity::random_hex::<24>)?;
        let port = identity::port(&folder)?;
        identity::write_private(&settings, &configuration(&name, &password, port, &folder.join("jetstream")))?;
        let launch = Launch {
            server: "NATS",
            program,
            arguments: vec!["-c".into(), settings.clone().into()],
            log: folder.join("nats.log"),
            folder,
            user: None,
        };
        let child = ServerChild::spawn(launch, on_drop)?;
        child.ready(PATIENCE, || greets_as(port, &name)).await?;
        Ok(Self { child, port, password, _lock: lock })
    }

    /// A URL with the user and the password.
    pub fn url(&self) -> String {
        let Self { port, password, .. } = self;
        format!("nats://{USER}:{password}@127.0.0.1:{port}")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process to signal.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Resolves when the process has ended.
    pub async fn wait(&self) {
        self.child.wait().await;
    }

    /// Closes its store and stops.
    pub async fn stop(self) {
        self.child.stop(Signal::TERM, Signal::QUIT).await;
    }
}

/// The `Debug` form of a text has the escapes that the configuration's strings understand.
fn configuration(name: &str, password: &str, port: u16, store: &Path) -> String {
    let store = store.to_string_lossy();
    format!(
        "server_name: {name:?}\nlisten: \"127.0.0.1:{port}\"\n\
         jetstream {{ store_dir: {store:?}, max_memory_store: 64MB, max_file_store: 1GB }}\n\
         authorization {{ user: {USER:?}, password: {password:?} }}\n"
    )
}

async fn greets_as(port: u16, name: &str) -> bool {
    let ask = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut line = String::new();
        BufReader::new(stream.take(64 * 1024)).read_line(&mut line).await.ok()?;
        serde_json::from_str::<Greeting>(line.strip_prefix("INFO ")?).ok()
    };
    let greeting = tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten();
    greeting.is_some_and(|greeting| greeting.server_name == name && greeting.jetstream)
}
