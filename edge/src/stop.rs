//! How the edge's tasks hear that it is to end. Written by `run`. The trap: a guard on the watched value that is held across
//! an await, so this gives none back.

use tokio::sync::watch;

/// Ends when the edge is to end, or nobody is left to say so.
pub(crate) async fn requested(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
