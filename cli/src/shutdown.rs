//! How a part hears that it is to end: SIGTERM or SIGINT. Registered before anything else, so that none is missed.

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Ends at the first SIGTERM, SIGINT or SIGHUP after this call.
pub(crate) fn requested() -> Result<impl Future<Output = ()> + Send + 'static> {
    let listen = |kind| signal(kind).context("listening for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

/// Ends when the word is given, or nobody is left to give it. It gives back no guard, which would block the word's giver.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
