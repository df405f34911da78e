//! The bodies that pass through the edge: what goes to an app and what comes back. The trap: a connection is used again
//! before its answer was read to the end, so it is given back only by the body that saw the end.

use crate::allocations::InFlight;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::SendRequest,
};
use rhone_domain::numbers::Epoch;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// What goes to an app.
pub(crate) enum Outgoing {
    /// Nothing.
    Empty,
    /// What the client sends, as it comes.
    Client(Incoming),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body) => body.size_hint(),
        }
    }
}

/// A connection in use, given back when its answer has been read.
pub(crate) struct Lease {
    /// The connection.
    pub(crate) sender: SendRequest<Outgoing>,
    /// Under which epoch it was made.
    pub(crate) epoch: Epoch,
    /// Whom it leads to; counted as open work until it is given back.
    pub(crate) work: InFlight,
}

impl Lease {
    /// Keeps the connection for the next request, once it is ready for one.
    pub(crate) fn give_back(mut self) {
        if self.sender.is_closed() {
            return;
        }
        tokio::spawn(async move {
            if self.sender.ready().await.is_ok() {
                self.work.allocation().keep_idle(self.sender, self.epoch);
            }
        });
    }
}

/// What goes back to a client.
pub(crate) enum Answer {
    /// The edge's own words.
    Own(Full<Bytes>),
    /// The app's.
    App {
        /// As it comes.
        body: Incoming,
        /// Its connection.
        lease: Option<Lease>,
    },
}

impl Answer {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self::Own(Full::default())
    }

    /// The app's body over this connection.
    pub(crate) fn from_app(body: Incoming, lease: Lease) -> Self {
        let mut answer = Self::App { body, lease: Some(lease) };
        answer.settle();
        answer
    }

    fn settle(&mut self) {
        if let Self::App { body, lease } = self
            && body.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let polled = match this {
            Self::Own(body) => return Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::App { body, lease } => {
                let polled = Pin::new(body).poll_frame(cx);
                if matches!(polled, Poll::Ready(None))
                    && let Some(lease) = lease.take()
                {
                    lease.give_back();
                }
                polled
            }
        };
        this.settle();
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::App { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::App { body, .. } => body.size_hint(),
        }
    }
}
