//! The connection to NATS. The trap avoided: a part that does not start because a hint is not to be had; the client connects
//! in the background, and for ever again.

use crate::config::Bus;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// The client, if there is a bus; it need not be up.
pub(crate) async fn connect(bus: &Bus, program: &str) -> Result<Option<async_nats::Client>> {
    let Some(url) = &bus.url else { return Ok(None) };
    let client = async_nats::ConnectOptions::new()
        .name(program)
        .retry_on_initial_connect()
        .reconnect_delay_callback(|attempts| Duration::from_millis(50 << attempts.min(5)))
        .connect(url)
        .await;
    // Its error may quote the URL, which holds a password.
    client.map(Some).map_err(|error| anyhow::anyhow!("{:?}", error.kind())).context("preparing to speak to NATS")
}
