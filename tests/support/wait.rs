//! Waiting for conditions, never for time alone. The trap avoided: a sleep that is long enough on one machine.

use std::{
    future::Future,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Long enough for anything that is not broken, even on a slow machine under load.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Looks until there is something, and returns it; panics with `what` when it takes too long.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, most: Duration, look: impl FnMut() -> F) -> T {
    within(most, look).await.unwrap_or_else(|| panic!("after {} s still not so: {what}", most.as_secs()))
}

/// Looks until there is something; nothing when it takes too long.
pub async fn within<T, F: Future<Output = Option<T>>>(most: Duration, mut look: impl FnMut() -> F) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if begun.elapsed() > most {
            return None;
        }
        sleep(LOOK).await;
    }
}
