//! Wakes the other processes after an append, by core NATS, and is woken by them. The trap avoided: an append that waits for
//! the bus; `appended` only leaves a mark, a task of its own publishes it, and several marks are one message.

use futures_util::StreamExt as _;
use rhone_domain::envelope::StreamId;
use rhone_eventstore::{Bell, Position, Wake};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::sleep};

/// Carries nothing but the hint that something was appended.
pub const SUBJECT: &str = "rhone.wake";

/// A bus that takes a message no faster than this is as good as none.
const PATIENCE: Duration = Duration::from_millis(200);
/// Between two rings that come from outside: a flood of hints costs no more than a poll each.
const BETWEEN: Duration = Duration::from_millis(1);
const RETRY: Duration = Duration::from_millis(500);

/// Wakes the other processes.
#[derive(Clone, Debug)]
pub struct NatsWake {
    mark: Arc<Notify>,
}

impl NatsWake {
    /// Publishes through this client from now on.
    pub fn new(client: async_nats::Client) -> Self {
        let mark = Arc::new(Notify::new());
        let marked = Arc::clone(&mark);
        tokio::spawn(async move {
            loop {
                marked.notified().await;
                match tokio::time::timeout(PATIENCE, client.publish(SUBJECT, Vec::new().into())).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a wake was not sent"),
                    Err(_) => tracing::debug!("a wake was not sent in time"),
                }
            }
        });
        Self { mark }
    }
}

impl Wake for NatsWake {
    fn appended(&self, _: Position, _: &[StreamId]) {
        self.mark.notify_one();
    }
}

/// The two ways of one bus, if there is one: what is appended here is told, what is appended elsewhere rings the bell.
pub fn over(client: Option<&async_nats::Client>, bell: &Bell) -> Arc<dyn Wake> {
    let Some(client) = client else { return Arc::new(bell.clone()) };
    tokio::spawn(listen(client.clone(), bell.clone()));
    Arc::new(Both { bell: bell.clone(), others: NatsWake::new(client.clone()) })
}

/// This process and the others.
struct Both {
    bell: Bell,
    others: NatsWake,
}

impl Wake for Both {
    fn appended(&self, position: Position, streams: &[StreamId]) {
        self.bell.ring();
        self.others.appended(position, streams);
    }
}

async fn listen(client: async_nats::Client, bell: Bell) {
    loop {
        match client.subscribe(SUBJECT).await {
            Ok(mut hints) => {
                while hints.next().await.is_some() {
                    bell.ring();
                    sleep(BETWEEN).await;
                }
            }
            Err(error) => tracing::warn!(%error, "wakes are not heard; polling goes on"),
        }
        sleep(RETRY).await;
    }
}
