//! Keeps one private server running on its port and its data. The trap avoided: a server that comes back on another port,
//! where nobody looks for it; then `up` ends, and says so.

use super::report::Reporting;
use crate::shutdown::told;
use rhone_providers::servers::{Nats, Postgres, ServerError};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A private server.
pub(super) trait Server: Sized + Send + Sync + 'static {
    /// As it is reported.
    const NAME: &'static str;
    /// Starts it on this folder.
    fn start(folder: &Path) -> impl Future<Output = Result<Self, ServerError>> + Send;
    /// Its process.
    fn pid(&self) -> u32;
    /// Its port.
    fn port(&self) -> u16;
    /// Resolves when it has ended.
    fn wait(&self) -> impl Future<Output = ()> + Send;
    /// Ends it in order.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

macro_rules! server {
    ($server:ty, $name:literal) => {
        impl Server for $server {
            const NAME: &'static str = $name;
            async fn start(folder: &Path) -> Result<Self, ServerError> {
                <$server>::start(folder).await
            }
            fn pid(&self) -> u32 {
                <$server>::pid(self)
            }
            fn port(&self) -> u16 {
                <$server>::port(self)
            }
            async fn wait(&self) {
                <$server>::wait(self).await;
            }
            async fn stop(self) {
                <$server>::stop(self).await;
            }
        }
    };
}

server!(Postgres, "postgres");
server!(Nats, "nats");

/// What a keeper is told, and whom it tells.
pub(super) struct Terms {
    pub(super) folder: PathBuf,
    pub(super) report: Reporting,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) trouble: mpsc::Sender<String>,
}

/// Keeps the server until told to stop.
pub(super) async fn keep<S: Server>(mut server: S, mut terms: Terms) {
    let (port, mut restarts) = (server.port(), 0);
    terms.report.runs(S::NAME, server.pid(), restarts);
    loop {
        tokio::select! {
            () = server.wait() => tracing::warn!(server = S::NAME, "ended by itself and is started again"),
            () = told(&mut terms.stop) => {
                server.stop().await;
                return terms.report.ended(S::NAME);
            }
        }
        drop(server);
        let Some(again) = start_again::<S>(&mut terms).await else { return terms.report.ended(S::NAME) };
        server = again;
        restarts += 1;
        terms.report.runs(S::NAME, server.pid(), restarts);
        if server.port() != port {
            let reason = format!("{} came back on another port, {port} is taken: start `rhone up` again", S::NAME);
            let _ = terms.trouble.send(reason).await;
        }
    }
}

/// The server, or none when told to stop.
async fn start_again<S: Server>(terms: &mut Terms) -> Option<S> {
    let mut pause = FIRST_PAUSE;
    loop {
        match S::start(&terms.folder).await {
            Ok(server) => return Some(server),
            Err(error) => tracing::error!(server = S::NAME, %error, "could not be started again"),
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = told(&mut terms.stop) => return None,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
