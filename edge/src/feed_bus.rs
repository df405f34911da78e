//! The bus as a hint: entries and heartbeats over NATS, milliseconds after the commit. It may forget, repeat, forge or be
//! dead; the edge boots and serves without it. The trap: a subscription that nobody polls stalls for ever, so this task does
//! nothing but poll and hand on, and drops what cannot be taken: the repair path brings it.

use crate::{applier::Word, core::Core};
use async_nats::{ConnectOptions, ServerAddr};
use futures_util::StreamExt;
use rhone_domain::feed::{Message, subject};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::sleep};

/// How long until a failed connection or an ended subscription is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// No message of the feed is larger.
const MESSAGE_LIMIT: usize = 1024 * 1024;

/// Listens for as long as the edge runs.
pub(crate) async fn listen(core: Arc<Core>, words: mpsc::Sender<Word>) {
    let Some(url) = core.config.nats_url.clone() else { return };
    loop {
        if let Err(error) = subscribe(&core, url.reveal(), &words).await {
            tracing::warn!(error = &*error, "the bus is not heard");
        }
        if words.is_closed() {
            return;
        }
        sleep(AGAIN).await;
    }
}

async fn subscribe(
    core: &Core,
    url: &str,
    words: &mpsc::Sender<Word>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let name = format!("rhone-edge-{}", core.identity.edge);
    let options = ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| Duration::from_millis(50 << attempts.clamp(0, 6)));
    // The client reads no credentials from a URL by itself.
    let address: ServerAddr = url.parse()?;
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => options.user_and_password(user.to_owned(), password.to_owned()),
        _ => options,
    };
    let client = options.connect(address).await?;
    let mut messages = client.subscribe(subject(core.config.region)).await?;
    while let Some(message) = messages.next().await {
        if message.payload.len() > MESSAGE_LIMIT {
            core.counters.feed_unread.up();
            continue;
        }
        match serde_json::from_slice::<Message>(&message.payload) {
            Ok(heard) => match words.try_send(Word::Bus(Box::new(heard))) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => core.repair.notify_one(),
                Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
            },
            Err(error) => {
                core.counters.feed_unread.up();
                tracing::debug!(error = &error as &dyn std::error::Error, "a message of the bus is none of the feed");
            }
        }
    }
    Ok(())
}
