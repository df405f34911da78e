//! A visitor of the app, who comes through the edge like everybody: by hostname. The trap avoided: asking the app itself,
//! which would prove nothing about the route.

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, StatusCode, header::HOST};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// How long an app may take to say something.
const PATIENCE: Duration = Duration::from_secs(10);

/// A visitor of one host.
#[derive(Clone)]
pub(super) struct Visitor {
    edge: String,
    host: String,
    http: Client,
}

/// An open socket of the app.
pub(super) struct Session {
    socket: WebSocketStream<TcpStream>,
    /// Which version greeted.
    pub(super) version: String,
    /// Which allocation did.
    pub(super) allocation: String,
}

impl Visitor {
    pub(super) fn new(edge: &str, host: &str) -> Result<Self> {
        // A connection per visit: one that was kept would not find out who serves now.
        let http = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(2)).build();
        Ok(Self { edge: edge.to_owned(), host: host.to_owned(), http: http.context("preparing to visit")? })
    }

    /// A page.
    pub(super) async fn get(&self, path: &str) -> Result<(StatusCode, String)> {
        let url = format!("{}{path}", self.edge);
        let answer = self.http.get(url).header(HOST, &self.host).send().await.context("visiting the edge")?;
        let status = answer.status();
        Ok((status, answer.text().await.context("reading the app's answer")?))
    }

    /// Counts one up in the app's memory; the sum.
    pub(super) async fn increment(&self) -> Result<u64> {
        let url = format!("{}/api/incr", self.edge);
        let answer = self.http.post(url).header(HOST, &self.host).send().await.context("visiting the edge")?;
        let said: Value = serde_json::from_str(&answer.text().await.context("reading the app's answer")?)
            .context("the app answers JSON")?;
        said["count"].as_u64().context("the app counts")
    }

    /// Which version answers; none while none does.
    pub(super) async fn version(&self) -> Option<String> {
        let (status, body) = self.get("/sessions").await.ok()?;
        let said: Value = serde_json::from_str(&body).ok().filter(|_| status.is_success())?;
        said["version"].as_str().map(str::to_owned)
    }

    /// Returns when this version answers.
    pub(super) async fn wait_for(&self, version: &str, patience: Duration) -> Result<Instant> {
        let until = Instant::now() + patience;
        while self.version().await.as_deref() != Some(version) {
            if Instant::now() >= until {
                bail!("{} does not answer as {version} after {} s", self.host, patience.as_secs());
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(Instant::now())
    }

    /// Opens a socket and reads the greeting.
    pub(super) async fn connect(&self) -> Result<Session> {
        let address = self.edge.strip_prefix("http://").unwrap_or(&self.edge);
        let stream = TcpStream::connect(address).await.context("connecting to the edge")?;
        let opened = timeout(PATIENCE, client_async(format!("ws://{}/_vango/ws", self.host), stream)).await;
        let (socket, _) = opened.context("the edge did not open the socket in time")?.context("opening a socket")?;
        let mut session = Session { socket, version: String::new(), allocation: String::new() };
        let hello: Value = serde_json::from_str(&session.read().await?).context("a greeting is JSON")?;
        let said = |name: &str| hello[name].as_str().unwrap_or_default().to_owned();
        (session.version, session.allocation) = (said("version"), said("allocation"));
        Ok(session)
    }
}

impl Session {
    async fn read(&mut self) -> Result<String> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.context("the app said nothing in time")? {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(frame))) => bail!("the socket was closed: {frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("the socket broke"),
                None => bail!("the socket ended"),
            }
        }
    }

    /// Says something and hears it again: the very same socket lives.
    pub(super) async fn echo(&mut self, text: &str) -> Result<()> {
        self.socket.send(Message::text(text)).await.context("the socket broke")?;
        // It may be told in between that its version drains.
        while self.read().await? != text {}
        Ok(())
    }
}
