//! WebSockets through an edge, held open and watched. Each socket has a task that does nothing but read, so that its end is
//! noticed when it comes. The trap avoided: a socket that is dead and that nobody asked; every one is made to answer.

use crate::wait::{PATIENCE, within};
use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use serde_json::Value;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{ClientRequestBuilder, Error, Message},
};

/// How a socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The close frame's code; none when it broke off without one.
    pub code: Option<u16>,
    /// When it was noticed.
    pub at: Instant,
}

/// A socket that is read all the time.
#[derive(Debug)]
pub struct Watched {
    /// The app's greeting.
    pub greeting: Value,
    shared: Arc<Shared>,
    say: mpsc::UnboundedSender<String>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    heard: AtomicU64,
    end: OnceLock<End>,
}

impl Watched {
    /// Opens one through an edge.
    pub async fn open(edge: &str, host: &str) -> Result<Self, Error> {
        let (mut socket, greeting) = timeout(PATIENCE, greeted(edge, host))
            .await
            .map_err(|_| Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no greeting came")))??;
        let shared = Arc::new(Shared::default());
        let (say, mut said) = mpsc::unbounded_channel::<String>();
        let watched = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let code = loop {
                tokio::select! {
                    message = socket.next() => match message {
                        Some(Ok(Message::Text(_))) => { watched.heard.fetch_add(1, Ordering::SeqCst); }
                        Some(Ok(Message::Close(close))) => break close.map(|close| u16::from(close.code)),
                        Some(Err(_)) | None => break None,
                        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    },
                    words = said.recv() => match words {
                        Some(words) => if socket.send(Message::text(words)).await.is_err() { break None },
                        None => return,
                    },
                }
            };
            let _ = watched.end.set(End { code, at: Instant::now() });
            watched.ended.store(true, Ordering::SeqCst);
        });
        Ok(Self { greeting, shared, say, task })
    }

    /// Whether it has ended, by whomever.
    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::SeqCst)
    }

    /// How it ended, if it did.
    pub fn end(&self) -> Option<End> {
        self.shared.end.get().copied()
    }

    /// Whether it answers now.
    pub async fn answers(&self) -> bool {
        let before = self.shared.heard.load(Ordering::SeqCst);
        if self.say.send("are you there".to_owned()).is_err() {
            return false;
        }
        let look = async || {
            let answered = self.shared.heard.load(Ordering::SeqCst) > before;
            (answered || self.has_ended()).then_some(answered)
        };
        within(PATIENCE, look).await.unwrap_or_default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn greeted(edge: &str, host: &str) -> Result<(WebSocketStream<TcpStream>, Value), Error> {
    let stream = TcpStream::connect(edge.trim_start_matches("http://")).await?;
    let uri = format!("ws://{host}/_vango/ws").parse().expect("a host makes a URL");
    let (mut socket, _) = client_async(ClientRequestBuilder::new(uri), stream).await?;
    let greeting = match socket.next().await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap_or(Value::Null),
        Some(Err(error)) => return Err(error),
        Some(Ok(_)) | None => return Err(Error::ConnectionClosed),
    };
    Ok((socket, greeting))
}

/// Opens many.
pub async fn open_many(edge: &str, host: &str, count: usize) -> Vec<Watched> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        sockets.push(Watched::open(edge, host).await.expect("a socket opens"));
    }
    sockets
}

/// How many have ended.
pub fn ended(sockets: &[Watched]) -> usize {
    sockets.iter().filter(|socket| socket.has_ended()).count()
}

/// Makes every one answer, all at once; panics with the number of those that do not. One after another, a thousand would take
/// longer than some of them may live.
pub async fn all_answer(sockets: &[Watched], after: &str) {
    let answers = join_all(sockets.iter().map(Watched::answers)).await;
    let silent = answers.into_iter().filter(|answers| !answers).count();
    assert_eq!(
        (silent, ended(sockets)),
        (0, 0),
        "sockets that are silent, sockets that ended, of {} {after}",
        sockets.len()
    );
}
