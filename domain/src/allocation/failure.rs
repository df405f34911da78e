//! Why allocations failed, told to whoever waited for them: an operation that ends because of it says so in its own failure.
//! Trap: a sentence that sends people to another one.

use super::{Allocation, Cause, State};
use crate::operation::Failure;

/// As much of a runner's sentence as an operation's failure repeats.
const LONGEST: usize = 500;

/// The one of these that failed last. Ids rise with time.
pub fn last_failure<'a>(allocations: impl IntoIterator<Item = &'a Allocation>) -> Option<&'a Allocation> {
    let failed = allocations.into_iter().filter(|one| one.state == Some(State::Failed));
    failed.max_by_key(|one| one.planned.as_ref().map(|planned| planned.id))
}

/// A failure with what it was about besides: why the last of these failed.
#[must_use]
pub fn because<'a>(mut failure: Failure, allocations: impl IntoIterator<Item = &'a Allocation>) -> Failure {
    if let Some(last) = last_failure(allocations) {
        failure.message = format!("{}; the last of them, because {}", failure.message, last.why_failed());
        failure.actual = failure.actual.or_else(|| Some(last.cause.map_or("failed", Cause::as_str).to_owned()));
        failure.expected = failure.expected.or_else(|| Some(State::Ready.to_string()));
    }
    failure
}

impl Allocation {
    /// Why it will not run: the cause, and what its runner said.
    pub fn why_failed(&self) -> String {
        let cause = self.cause.map(Cause::told);
        let said = self.reason.as_ref().map(|reason| reason.chars().take(LONGEST).collect::<String>());
        match (cause, said) {
            (Some(cause), Some(said)) => format!("{cause}: {said}"),
            (None, Some(said)) => said,
            // It failed before its reason was kept.
            (Some(cause), None) => format!("{cause}; restarts {}", self.restarts),
            (None, None) => "its runner did not say why".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Which one is told of, and how.
    use super::*;
    use crate::{
        allocation::Event,
        numbers::Epoch,
        story::{self, GREEN},
    };

    fn failed(number: u128, cause: Option<Cause>, reason: &str) -> Allocation {
        let planned = story::planned(story::allocation(number), GREEN, Epoch(1));
        let restarted = Event::Restarted { restarts: 8, exit: "exit 3".into() };
        crate::aggregate::fold(&[Event::Planned(planned), restarted, Event::Failed { reason: reason.into(), cause }])
    }

    fn plain() -> Failure {
        let message = "the allocations failed".to_owned();
        Failure { code: "ALLOCATION_FAILED".into(), message, expected: None, actual: None, route_changed: false }
    }

    #[test]
    fn the_last_one_is_told_of_with_its_cause_and_its_reason() {
        let (first, last) = (failed(1, Some(Cause::NotReady), "slow"), failed(2, Some(Cause::AppExited), "exit 3"));
        let alive = Allocation { state: Some(State::Ready), ..failed(3, None, "not this one") };
        let told = because(plain(), [&last, &alive, &first]);
        assert_eq!(told.message, "the allocations failed; the last of them, because its app ended by itself: exit 3");
        assert_eq!((told.expected.as_deref(), told.actual.as_deref()), (Some("ready"), Some("app_exited")));
        assert_eq!(because(plain(), []), plain());
    }

    #[test]
    fn what_is_known_is_told_and_no_more() {
        let whole = failed(1, Some(Cause::AppExited), &"x".repeat(9_000));
        assert_eq!(whole.why_failed().len(), "its app ended by itself: ".len() + LONGEST);
        assert_eq!(failed(1, None, "exit 1").why_failed(), "exit 1");
        let before = Allocation { reason: None, ..failed(1, Some(Cause::AppExited), "") };
        assert_eq!(before.why_failed(), "its app ended by itself; restarts 8");
        let silent = Allocation { cause: None, ..before };
        assert_eq!(silent.why_failed(), "its runner did not say why");
    }
}
