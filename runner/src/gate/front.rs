//! The gate's address. Every connection says first whom it means; only then are bytes passed, both ways and unread. The trap
//! avoided: an address that was reused for another allocation must answer 421, never with the wrong tenant's pages.

use super::{GateSpec, app::Running, owner};
use rhone_domain::{
    host_protocol::{GateIdentity, MISDIRECTED_HEADER, PREAMBLE_LIMIT, Preamble},
    ids::AllocationId,
};
use std::{io, net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

const PREAMBLE_TIME: Duration = Duration::from_secs(2);
/// How long a refused client may take to read its answer.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// What every connection needs to know.
#[derive(Clone)]
pub(super) struct Front {
    spec: watch::Receiver<GateSpec>,
    app: watch::Receiver<Option<Running>>,
    passing: watch::Sender<usize>,
    known: watch::Sender<Option<Running>>,
}

/// One passed connection, counted while it lives.
struct Passing<'a>(&'a watch::Sender<usize>);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Front {
    pub(super) fn new(spec: watch::Receiver<GateSpec>, app: watch::Receiver<Option<Running>>) -> Self {
        Self { spec, app, passing: watch::Sender::new(0), known: watch::Sender::new(None) }
    }

    pub(super) async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let front = self.clone();
                    tokio::spawn(async move {
                        if let Err(error) = front.serve(client).await {
                            tracing::debug!(%error, "a connection broke");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        *self.passing.borrow()
    }

    /// Waits until none is.
    pub(super) async fn closed(&self) {
        let _ = self.passing.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Lets the last bytes of an ended app reach their readers.
    pub(super) async fn all_passed(&self, patience: Duration) {
        let _ = timeout(patience, self.passing.subscribe().wait_for(|count| *count == 0)).await;
    }

    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let Ok(read) = timeout(PREAMBLE_TIME, read_preamble(&mut client)).await else { return Ok(()) };
        let (preamble, rest) = read?;
        match preamble {
            Some(Preamble::Who { allocation }) if allocation == self.allocation() => self.say_who(client).await,
            Some(Preamble::Connect { allocation, epoch })
                if allocation == self.allocation() && epoch >= self.spec.borrow().min_epoch =>
            {
                self.pass(client, &rest).await
            }
            Some(Preamble::Who { .. } | Preamble::Connect { .. }) | None => {
                tracing::debug!(?preamble, "a connection was not meant for us");
                farewell(client, &misdirected()).await
            }
        }
    }

    fn allocation(&self) -> AllocationId {
        self.spec.borrow().allocation
    }

    async fn say_who(&self, client: TcpStream) -> io::Result<()> {
        let pid = self.app.borrow().map(|app| app.process.pid);
        let mut line = {
            let spec = self.spec.borrow();
            let (allocation, environment, deployment) = (spec.allocation, spec.environment, spec.deployment);
            serde_json::to_vec(&GateIdentity { allocation, environment, deployment, digest: spec.digest, pid })?
        };
        line.push(b'\n');
        farewell(client, &line).await
    }

    async fn pass(&self, mut client: TcpStream, first: &[u8]) -> io::Result<()> {
        let Some(mut app) = self.connect().await else {
            let answer =
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            return farewell(client, answer).await;
        };
        self.passing.send_modify(|count| *count += 1);
        let _passing = Passing(&self.passing);
        app.set_nodelay(true)?;
        app.write_all(first).await?;
        copy_bidirectional(&mut client, &mut app).await?;
        Ok(())
    }

    /// The app, if it is there; one that still starts refuses the connection. Whose port it is is asked once per start.
    async fn connect(&self) -> Option<TcpStream> {
        let running = (*self.app.borrow())?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, running.port)).await.ok()?;
        if *self.known.borrow() != Some(running) {
            let ask = move || owner::listens(running.process.pid, running.members, running.port);
            if !tokio::task::spawn_blocking(ask).await.unwrap_or(false) {
                tracing::warn!(port = running.port, "somebody else listens on the app's port");
                return None;
            }
            self.known.send_replace(Some(running));
        }
        Some(stream)
    }
}

/// The preamble, and what came after it in the same breath.
async fn read_preamble(client: &mut TcpStream) -> io::Result<(Option<Preamble>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(4 << 10);
    loop {
        if let Some(end) = bytes.iter().take(PREAMBLE_LIMIT).position(|byte| *byte == b'\n') {
            let rest = bytes.split_off(end + 1);
            return Ok((std::str::from_utf8(&bytes[..end]).ok().and_then(Preamble::read), rest));
        }
        if bytes.len() >= PREAMBLE_LIMIT || client.read_buf(&mut bytes).await? == 0 {
            return Ok((None, Vec::new()));
        }
    }
}

fn misdirected() -> Vec<u8> {
    format!(
        "HTTP/1.1 421 Misdirected Request\r\n{MISDIRECTED_HEADER}: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Answers and closes so that the answer arrives: closing with unread bytes would reset the connection before it is read.
async fn farewell(mut client: TcpStream, answer: &[u8]) -> io::Result<()> {
    client.write_all(answer).await?;
    client.shutdown().await?;
    let mut unread = [0; 4 << 10];
    let _ =
        timeout(FAREWELL_TIME, async { while client.read(&mut unread).await.is_ok_and(|length| length > 0) {} }).await;
    Ok(())
}
