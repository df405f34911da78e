//! A private PostgreSQL: our child, on our port, on our data. The trap avoided: after a kill -9 its backends outlive it, and
//! a new server on the same data must wait for the last of them.

use super::{
    binaries,
    child::{Launch, OnDrop, ServerChild},
    error::ServerError,
    found::{self, Leader},
    identity, os_user,
    postgres_files::{PostgresFiles, SUPERUSER},
};
use rustix::process::Signal;
use std::{fs::File, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Crash recovery may take its time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A private PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    child: ServerChild,
    port: u16,
    password: String,
    _lock: File,
}

impl Postgres {
    /// Starts PostgreSQL on the data in the folder, which is made when there is none. A server that an earlier run left on
    /// the same data is stopped first. It outlives this value and this process unless [`Postgres::stop`] is called.
    pub async fn start(folder: &Path) -> Result<Self, ServerError> {
        Self::launch(folder, OnDrop::LeaveRunning).await
    }

    /// As [`Postgres::start`], for data that is thrown away: it ends with this value or this process.
    pub async fn start_for_test(folder: &Path) -> Result<Self, ServerError> {
        Self::launch(folder, OnDrop::End).await
    }

    async fn launch(folder: &Path, on_drop: OnDrop) -> Result<Self, ServerError> {
        let user = os_user::for_postgres()?;
        let files = PostgresFiles::in_folder(identity::folder(folder)?);
        if let Some(user) = user {
            user.can_reach(&files.folder)?;
        }
        let lock = identity::lock(&files.folder)?;
        let programs = binaries::postgres(files.major())?;
        let left = || found::standing_in("postgres", &files.data);
        found::stop_all(left, Leader::Pid(files.pid()), files.data.clone()).await?;
        let password = files.password(user)?;
        if files.major().is_none() {
            files.create(&programs, user, on_drop).await?;
        }
        files.forget_stale_pid()?;
        let port = identity::port(&files.folder)?;
        files.configure(port, user)?;
        let launch = Launch {
            server: "PostgreSQL",
            program: programs.postgres,
            arguments: vec!["-D".into(), files.data.clone().into()],
            folder: files.folder.clone(),
            log: files.log.clone(),
            user,
        };
        let child = ServerChild::spawn(launch, on_drop)?;
        let pid = child.pid();
        let ours = &files;
        let answers = move || async move { ours.names_as_ready(pid, port) && speaks_postgres(port).await };
        child.ready(PATIENCE, answers).await?;
        Ok(Self { child, port, password, _lock: lock })
    }

    /// A URL for the superuser.
    pub fn url(&self, database: &str) -> String {
        let Self { port, password, .. } = self;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
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

    /// Ends open sessions, writes a checkpoint and stops.
    pub async fn stop(self) {
        self.child.stop(Signal::INT, Signal::QUIT).await;
    }
}

/// PostgreSQL answers a request for TLS with one letter, before any authentication.
async fn speaks_postgres(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
        stream.read_u8().await
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Ok(b'S' | b'N')))
}
