//! An accepted connection: its operations, its heartbeat and its token's standing, in one loop. The trap avoided: a token
//! revoked while its connection lives; it is asked for again twice a second, and nothing is delivered while the question is open.

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::BoxStream;
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use tokio_stream::{StreamExt, StreamMap};

use super::{
    close::Close,
    handshake,
    message::{self, FromClient, FromServer},
    operation::{self, Item},
};
use crate::{
    authenticate::{AuthError, Authenticator},
    fault::{Code, Fault},
    guard::{documents::Asker, outcome},
    readiness::Connected,
    request::RequestInfo,
    shell::Shell,
};

/// How long the answer to the last word may take.
const ANSWER: Duration = Duration::from_secs(1);

/// Serves one socket until it ends or the server does; `session` is the cookie of the page that opened it.
pub(crate) async fn serve<E: Executor, A: Authenticator>(
    mut socket: WebSocket,
    shell: Arc<Shell<E, A>>,
    info: RequestInfo,
    session: Option<String>,
    _connected: Connected,
) {
    let close = tokio::select! {
        () = shell.readiness.drained() => Close::RESTART,
        close = talk(&mut socket, &shell, info, session.as_deref()) => close,
    };
    if let Some(frame) = close.frame() {
        tell(&mut socket, frame, shell.settings.send_timeout).await;
    }
}

async fn talk<E: Executor, A: Authenticator>(
    socket: &mut WebSocket,
    shell: &Arc<Shell<E, A>>,
    info: RequestInfo,
    session: Option<&str>,
) -> Close {
    match handshake::accept(socket, shell, &info, session).await {
        Ok(caller) => Connection::new(socket, shell, caller, info).run().await,
        Err(close) => close,
    }
}

/// Says the last word, and hears what is still said, up to the answer: a connection that is left with something unread in it is
/// reset, and the other side may lose the last word to that. Whether it reads it is its own business.
async fn tell(socket: &mut WebSocket, last: Message, patience: Duration) {
    if let Ok(Ok(())) = timeout(patience, socket.send(last)).await {
        let answered = async { while let Some(Ok(_unheeded)) = socket.recv().await {} };
        let _left = timeout(ANSWER, answered).await;
    }
}

struct Connection<'a, E, A: Authenticator> {
    socket: &'a mut WebSocket,
    shell: &'a Arc<Shell<E, A>>,
    actor: A::Actor,
    asker: Asker,
    info: RequestInfo,
    operations: StreamMap<String, BoxStream<'static, Item>>,
    /// When the token was last known to stand.
    valid_at: Instant,
    /// When the other side last said anything.
    heard_at: Instant,
}

/// What woke the loop.
enum Event {
    Recheck,
    KeepAlive,
    Frame(Option<Result<Message, axum::Error>>),
    Item(String, Item),
}

impl<'a, E: Executor, A: Authenticator> Connection<'a, E, A> {
    fn new(
        socket: &'a mut WebSocket,
        shell: &'a Arc<Shell<E, A>>,
        (actor, asker): (A::Actor, Asker),
        info: RequestInfo,
    ) -> Self {
        let now = Instant::now();
        Self { socket, shell, actor, asker, info, operations: StreamMap::new(), valid_at: now, heard_at: now }
    }

    async fn run(mut self) -> Close {
        let settings = &self.shell.settings;
        let (mut recheck, mut ping) = (every(settings.recheck_interval), every(settings.ping_interval));
        loop {
            let event = tokio::select! {
                _ = recheck.tick() => Event::Recheck,
                _ = ping.tick() => Event::KeepAlive,
                frame = self.socket.recv() => Event::Frame(frame),
                Some((id, item)) = self.operations.next() => Event::Item(id, item),
            };
            if let Err(close) = self.on(event).await {
                return close;
            }
        }
    }

    async fn on(&mut self, event: Event) -> Result<(), Close> {
        match event {
            Event::Recheck => self.recheck().await,
            Event::KeepAlive => self.keep_alive().await,
            Event::Frame(frame) => self.receive(frame).await,
            Event::Item(id, item) => self.deliver(&id, item).await,
        }
    }

    async fn recheck(&mut self) -> Result<(), Close> {
        let interval = self.shell.settings.recheck_interval;
        // Not within the time: whoever is late would begin again at the end of the line, for ever.
        let _turn = self.shell.load.standing().await;
        match timeout(interval, self.shell.authenticator.still_valid(&self.actor)).await {
            Ok(Ok(())) => self.valid_at = Instant::now(),
            Ok(Err(AuthError::Refused)) => return Err(Close::FORBIDDEN),
            // Unknown is not wrong, for a while.
            Ok(Err(AuthError::Unavailable(_))) | Err(_) => {
                if self.valid_at.elapsed() > self.shell.settings.recheck_grace {
                    return Err(Close::TRY_LATER);
                }
            }
        }
        Ok(())
    }

    async fn keep_alive(&mut self) -> Result<(), Close> {
        if self.heard_at.elapsed() > self.shell.settings.ping_interval * 2 {
            return Err(Close::SILENT);
        }
        self.send(FromServer::Ping).await
    }

    async fn receive(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), Close> {
        let message = message::read(frame)?;
        self.heard_at = Instant::now();
        match message {
            Some(FromClient::ConnectionInit { .. }) => Err(Close::TOO_MANY_INITS),
            Some(FromClient::Ping { payload }) => self.send(FromServer::Pong { payload }).await,
            Some(FromClient::Subscribe { id, payload }) => self.subscribe(id, payload),
            Some(FromClient::Complete { id }) => {
                self.operations.remove(&id);
                Ok(())
            }
            Some(FromClient::Pong {}) | None => Ok(()),
        }
    }

    fn subscribe(&mut self, id: String, payload: Value) -> Result<(), Close> {
        if id.is_empty() {
            return Err(Close::INVALID);
        }
        if self.operations.contains_key(&id) {
            return Err(Close::DUPLICATE);
        }
        let info = self.info.again(self.shell.ids.next());
        let limit = self.shell.settings.operations_per_connection;
        // Refusals wait in the map too, so a flood of them would grow without an end: past twice the limit it is abuse.
        if self.operations.len() >= limit * 2 {
            return Err(Close::INVALID);
        }
        let items = if self.operations.len() >= limit {
            let fault = Fault::new(Code::RateLimited, format!("at most {limit} operations on a connection"));
            operation::refused(outcome::refuse(fault, &info).errors)
        } else {
            operation::start(self.shell, (&self.actor, self.asker), info, payload)
        };
        self.operations.insert(id, items);
        Ok(())
    }

    async fn deliver(&mut self, id: &str, item: Item) -> Result<(), Close> {
        match item {
            Item::Next(payload) => self.send(FromServer::Next { id, payload }).await,
            Item::Error(payload) => {
                self.operations.remove(id);
                self.send(FromServer::Error { id, payload }).await
            }
            Item::Complete => {
                self.operations.remove(id);
                self.send(FromServer::Complete { id }).await
            }
        }
    }

    async fn send(&mut self, message: FromServer<'_>) -> Result<(), Close> {
        let sent = timeout(self.shell.settings.send_timeout, self.socket.send(message.into_message()));
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Close::Gone),
        }
    }
}

fn every(interval: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
