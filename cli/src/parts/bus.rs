//! The connection to NATS. The trap avoided: a part that does not start because a hint is not to be had; the client connects
//! in the background, and for ever again.

use crate::config::Bus;
use anyhow::{Context as _, Result};
use async_nats::{Client, ConnectOptions, ServerAddr};
use std::time::Duration;

/// The client, if there is a bus; it need not be up.
pub(crate) async fn connect(bus: &Bus, program: &str) -> Result<Option<Client>> {
    let Some(url) = &bus.url else { return Ok(None) };
    let patient = ConnectOptions::new()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|attempts| Duration::from_millis(50 << attempts.min(5)));
    open(url, program, patient).await.map(Some)
}

/// The client, once the bus has answered.
pub(crate) async fn connect_now(url: &str, program: &str) -> Result<Client> {
    open(url, program, ConnectOptions::new()).await
}

async fn open(url: &str, program: &str, options: ConnectOptions) -> Result<Client> {
    // Its errors may quote the URL, which holds a password; and it reads none from there by itself.
    let address: ServerAddr = url.parse().map_err(|_| anyhow::anyhow!("the URL of NATS is `nats://host:port`"))?;
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => options.user_and_password(user.to_owned(), password.to_owned()),
        _ => options,
    };
    let client = options.name(program).connect(address).await;
    client.map_err(|error| anyhow::anyhow!("{:?}", error.kind())).context("speaking to NATS")
}
