//! How stored bytes leave the house: so many answers at a time, each to somebody who takes it. The trap avoided: an answer whose
//! handler is done long before its body; a limit on the one says nothing of the other, so the body holds its place itself.

use std::{error::Error, io, pin::pin, sync::Arc, time::Duration};

use axum::http::StatusCode;
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::refusal::Refusal;

/// An answer of which nothing is taken for so long is given up.
const STALL: Duration = Duration::from_secs(30);
/// How many answers to users one process gives at a time.
const MOST: usize = 64;
/// How many parts of an answer wait for whoever takes them.
const AHEAD: usize = 2;

/// The places for users who fetch bytes. Runners need none: what they fetch is what they were told to run.
#[derive(Clone, Debug)]
pub struct Fetching {
    places: Arc<Semaphore>,
}

impl Default for Fetching {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Fetching {
    /// A place, if there is one.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let message = "too many artifacts are being fetched; try again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
        })
    }
}

/// The same parts to somebody who takes each in time. For whoever does not, the place is free again and the answer breaks off.
pub(super) fn paced<T, E>(
    parts: impl Stream<Item = Result<T, E>> + Send + 'static,
    place: Option<OwnedSemaphorePermit>,
) -> impl Stream<Item = Result<T, io::Error>> + Send
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    let (taken, taking) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _place = place;
        let mut parts = pin!(parts.map(Some).chain(stream::iter([None])));
        while let Some(part) = parts.next().await {
            let sent = timeout(STALL, taken.send(part.map(|part| part.map_err(io::Error::other)))).await;
            // Nobody is there any more, or nobody takes it.
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    stream::unfold(Some(taking), |taking| async move {
        let mut taking = taking?;
        match taking.recv().await {
            Some(Some(part)) => Some((part, Some(taking))),
            Some(None) => None,
            // Without its last word it is not whole.
            None => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    //! Who takes nothing holds nothing.
    use super::*;

    const PARTS: usize = 64;

    fn many() -> impl Stream<Item = Result<&'static str, io::Error>> + Send + 'static {
        stream::repeat_with(|| Ok("blue")).take(PARTS)
    }

    /// How many places are free after a minute in which nobody took anything of an answer.
    async fn free_after_a_stall<S>(answer: impl Fn(OwnedSemaphorePermit) -> S) -> usize {
        let fetching = Fetching::default();
        let _answer = answer(fetching.place().expect("there is room"));
        assert_eq!(fetching.places.available_permits(), MOST - 1, "it has a place");
        tokio::time::sleep(STALL * 2).await;
        fetching.places.available_permits()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_loses_the_place() {
        assert_eq!(free_after_a_stall(|place| paced(many(), Some(place))).await, MOST);
        // The sin: the body that holds its place for as long as somebody holds the connection.
        let held = |place: OwnedSemaphorePermit| many().inspect(move |_| _ = &place);
        assert_eq!(free_after_a_stall(held).await, MOST - 1, "it is caught above");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_given_up_in_the_middle_does_not_end_well() {
        let answer = paced(many(), None);
        tokio::time::sleep(STALL * 2).await;
        let parts: Vec<_> = answer.collect().await;
        assert!(parts.len() < PARTS && parts.last().is_some_and(Result::is_err), "{parts:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_taken_comes_whole_and_one_too_many_is_refused_until_another_ends() {
        let fetching = Fetching::default();
        let mut places: Vec<_> = (0..MOST).map(|_| fetching.place().expect("there is room")).collect();
        let refusal = fetching.place().expect_err("there is none left");
        assert_eq!((refusal.status, refusal.code), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
        let parts: Vec<_> = paced(many(), places.pop()).collect().await;
        let parts: Result<Vec<_>, _> = parts.into_iter().collect();
        assert_eq!(parts.expect("none is broken").len(), PARTS);
        drop(places);
        assert!(fetching.place().is_ok());
    }
}
