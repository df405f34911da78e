//! How the edge speaks to an allocation's gate: one line that says who is meant, then HTTP. Used by the request path and by
//! observation, so that both take the same way. The trap: a gate answers a wrong line at once and closes, so the line
//! travels with the first bytes of the request and never ahead of it.

use crate::{body::Outgoing, table::Target};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rhone_domain::{
    host_protocol::{GateIdentity, Preamble},
    numbers::Epoch,
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};

/// A gate is on the same network; one that takes longer is as good as away.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a gate may take to say who it is.
const WHO: Duration = Duration::from_secs(2);
/// No identity is longer.
const IDENTITY_LIMIT: u64 = 4096;

/// Why a gate was not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    /// No connection.
    #[error("connecting to the gate")]
    Connect(#[source] io::Error),
    /// It did not answer in time.
    #[error("the gate did not answer in time")]
    Late,
    /// It hung up.
    #[error("speaking to the gate")]
    Speak(#[source] io::Error),
    /// HTTP could not begin.
    #[error("beginning HTTP with the gate")]
    Http(#[source] hyper::Error),
    /// Its answer was no identity.
    #[error("reading who the gate is")]
    Identity(#[source] serde_json::Error),
}

/// A connection on which the target's app is spoken to under this epoch.
pub(crate) async fn connect(target: &Target, epoch: Epoch) -> Result<SendRequest<Outgoing>, GateError> {
    let stream = dial(target).await?;
    let preamble = Preamble::Connect { allocation: target.endpoint.allocation, epoch }.to_line().into_bytes();
    let io = TokioIo::new(Prefixed { stream, preamble, sent: 0 });
    let (sender, connection) = http1::Builder::new().handshake(io).await.map_err(GateError::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to a gate ended");
        }
    });
    Ok(sender)
}

/// Asks the target's gate who stands behind it.
pub(crate) async fn who(target: &Target) -> Result<GateIdentity, GateError> {
    let ask = async {
        let mut stream = dial(target).await?;
        let line = Preamble::Who { allocation: target.endpoint.allocation }.to_line();
        stream.write_all(line.as_bytes()).await.map_err(GateError::Speak)?;
        let mut answer = Vec::new();
        stream.take(IDENTITY_LIMIT).read_to_end(&mut answer).await.map_err(GateError::Speak)?;
        let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
        serde_json::from_slice(line).map_err(GateError::Identity)
    };
    timeout(WHO, ask).await.map_err(|_| GateError::Late)?
}

async fn dial(target: &Target) -> Result<TcpStream, GateError> {
    let stream = timeout(CONNECT, TcpStream::connect(target.address)).await.map_err(|_| GateError::Late)?;
    let stream = stream.map_err(GateError::Connect)?;
    stream.set_nodelay(true).map_err(GateError::Connect)?;
    Ok(stream)
}

/// A stream whose first write is preceded by the preamble.
struct Prefixed {
    stream: TcpStream,
    preamble: Vec<u8>,
    sent: usize,
}

impl Prefixed {
    fn poll_preamble(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.preamble.len() {
            let rest = &self.preamble[self.sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                step => self.sent += step,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_preamble(cx))?;
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_preamble(cx))?;
        Pin::new(&mut this.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
