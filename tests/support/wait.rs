//! Waiting for conditions, never for time alone. The trap avoided: a sleep that is long enough on one machine.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// How often a condition is looked at, at first.
const LOOK: Duration = Duration::from_millis(20);
/// And how often at last. Each look is a question to the platform, and takes from it what somebody else waits for.
const LATER_LOOK: Duration = Duration::from_millis(100);

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
        // Who looks may itself wait for what never comes.
        if let Ok(Some(found)) = timeout(most + PATIENCE, look()).await {
            return Some(found);
        }
        if begun.elapsed() > most {
            return None;
        }
        // A fortieth of what it took already is little to whoever waits.
        sleep((begun.elapsed() / 40).clamp(LOOK, LATER_LOOK)).await;
    }
}

/// What took its time.
#[derive(Debug)]
pub struct Took<T> {
    /// What it came to.
    pub came: T,
    /// How long it took.
    pub took: Duration,
    /// How long it might have taken.
    pub allowed: Duration,
}

/// What comes on top at most: a machine that is slower than that proves nothing.
const MOST_MORE: Duration = Duration::from_secs(14);

/// For what has to be over within a second because somebody is told so. On a busy machine everything takes longer: what anybody
/// asks meanwhile is the measure, and ten of the longest come on top.
pub async fn within_a_second<T, A: Future<Output = ()>>(
    mut ask: impl FnMut() -> A,
    ending: impl Future<Output = T>,
) -> Took<T> {
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    let ends = async {
        let came = ending.await;
        over.store(true, Ordering::SeqCst);
        (came, begun.elapsed())
    };
    let asking = async {
        let mut longest = Duration::ZERO;
        while !over.load(Ordering::SeqCst) {
            let asked = Instant::now();
            ask().await;
            longest = longest.max(asked.elapsed());
        }
        longest
    };
    let ((came, took), longest) = tokio::join!(ends, asking);
    Took { came, took, allowed: Duration::from_secs(1) + (longest * 10).min(MOST_MORE) }
}
