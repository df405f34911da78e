//! A wire to the database that can lose an answer or hold a question back: of a statement that holds a certain word, either
//! the server's answer never comes back and then the connection breaks, or the statement itself arrives only when it is let
//! go. The trap avoided: cutting too early, when nothing was committed; the test looks into the database before it cuts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// The wire. The word works once.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    heard: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    free: watch::Sender<bool>,
}

/// What every connection shares.
#[derive(Clone)]
struct Shared {
    word: Arc<[u8]>,
    trick: Trick,
    free: watch::Sender<bool>,
    heard: watch::Sender<bool>,
    cut: watch::Sender<bool>,
}

/// What is done to the statement with the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trick {
    LoseItsAnswer,
    HoldIt,
}

impl Proxy {
    /// Leads to `target`; listens for `word`, and loses the answer.
    pub async fn start(target: String, word: &str) -> Self {
        Self::playing(target, word, Trick::LoseItsAnswer).await
    }

    /// Leads to `target`; holds the first statement with `word` until it is let go.
    pub async fn holding(target: String, word: &str) -> Self {
        Self::playing(target, word, Trick::HoldIt).await
    }

    async fn playing(target: String, word: &str, trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (heard, cut, free) = (watch::Sender::new(false), watch::Sender::new(false), watch::Sender::new(false));
        let word = word.as_bytes().into();
        let shared = Shared { word, trick, free: free.clone(), heard: heard.clone(), cut: cut.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (shared, target) = (shared.clone(), target.clone());
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        carry(client, server, shared).await;
                    }
                });
            }
        });
        Self { address, heard, cut, free }
    }

    /// Whether the word went by.
    pub fn has_heard(&self) -> bool {
        *self.heard.borrow()
    }

    /// Lets what was held go on its way.
    pub fn let_go(&self) {
        self.free.send_replace(true);
    }

    /// Breaks the connection on which it did.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }
}

async fn carry(client: TcpStream, server: TcpStream, shared: Shared) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let silent = Arc::new(AtomicBool::new(false));
    let mut cut = shared.cut.subscribe();
    let asked = ask(from_client, to_server, shared, Arc::clone(&silent));
    let answered = answer(from_server, to_client, Arc::clone(&silent));
    tokio::select! {
        () = asked => {}
        () = answered => {}
        () = async {
            let _ = cut.wait_for(|cut| *cut && silent.load(Ordering::SeqCst)).await;
        } => {}
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: Shared, silent: Arc<AtomicBool>) {
    let (mut buffer, mut recent) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        recent.extend_from_slice(&buffer[..length]);
        let spoken = recent.windows(shared.word.len()).any(|window| window == &*shared.word);
        if spoken && !shared.heard.send_replace(true) {
            match shared.trick {
                Trick::LoseItsAnswer => silent.store(true, Ordering::SeqCst),
                Trick::HoldIt => drop(shared.free.subscribe().wait_for(|free| *free).await),
            }
        }
        recent.drain(..recent.len().saturating_sub(shared.word.len()));
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silent: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !silent.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
