//! Random sequences of commands against a naive model of a noun, written from its rules and not from its code. Only tests
//! read it. Trap: a comparison that no broken noun fails; every model comes with sins, variants that break one rule each.

use crate::aggregate::{Aggregate, Rejection as _};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use std::fmt::Debug;

/// How many sequences a noun is compared in. A test counts the nouns: all together, no fewer than 100,000.
pub(crate) const SEQUENCES: u32 = 20_000;

/// How many sequences a broken noun gets until it must have been caught.
const SIN_SEQUENCES: u32 = 5_000;

/// What a command may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Changed,
    AlreadySo,
    Refused(&'static str),
}

/// Changed if so; otherwise that.
pub(crate) fn changed_if(changed: bool, otherwise: Answer) -> Answer {
    if changed { Answer::Changed } else { otherwise }
}

/// The rules of a noun, as one would tell them.
pub(crate) trait Model: Default + Debug + PartialEq {
    /// The noun.
    type Noun: Aggregate;
    /// A command in small.
    type Act: Clone + Debug + 'static;

    /// Any command.
    fn act() -> BoxedStrategy<Self::Act>;
    /// Any sequence of commands.
    fn acts() -> BoxedStrategy<Vec<Self::Act>> {
        prop::collection::vec(Self::act(), 1..30).boxed()
    }
    /// What comes of it.
    fn tell(&mut self, act: &Self::Act) -> Answer;
    /// The command in full.
    fn command(act: &Self::Act) -> <Self::Noun as Aggregate>::Command;
    /// The noun's state in the model's words.
    fn seen(noun: &Self::Noun) -> Self;
}

type Decided<A> = Result<Vec<<A as Aggregate>::Event>, <A as Aggregate>::Rejection>;

/// How a noun decides and takes an event in: as it does, or with a sin.
pub(crate) struct Ways<A: Aggregate> {
    pub(crate) decide: fn(&A, A::Command) -> Decided<A>,
    pub(crate) apply: fn(&mut A, &A::Event),
}

impl<A: Aggregate> Ways<A> {
    /// Without a sin.
    pub(crate) const HONEST: Self = Self { decide: A::decide, apply: A::apply };

    /// One that decides otherwise.
    pub(crate) const fn deciding(decide: fn(&A, A::Command) -> Decided<A>) -> Self {
        Self { decide, apply: A::apply }
    }

    /// One that takes events in otherwise.
    pub(crate) const fn applying(apply: fn(&mut A, &A::Event)) -> Self {
        Self { decide: A::decide, apply }
    }
}

/// Decides as if the state were another.
pub(crate) fn blind<A: Aggregate>(noun: &A, command: A::Command, to: fn(&mut A)) -> Decided<A> {
    let mut other = noun.clone();
    to(&mut other);
    other.decide(command)
}

fn check<M: Model>(ways: &Ways<M::Noun>, acts: &[M::Act]) -> Result<(), TestCaseError> {
    let (mut noun, mut model) = (M::Noun::default(), M::default());
    for act in acts {
        let found = (ways.decide)(&noun, M::command(act));
        let answer = match &found {
            Ok(events) if events.is_empty() => Answer::AlreadySo,
            Ok(_) => Answer::Changed,
            Err(rejection) => Answer::Refused(rejection.code()),
        };
        found.iter().flatten().for_each(|event| (ways.apply)(&mut noun, event));
        prop_assert_eq!(answer, model.tell(act), "the answer to {:?}", act);
        prop_assert_eq!(&M::seen(&noun), &model, "the state after {:?}", act);
    }
    Ok(())
}

fn run<M: Model>(ways: &Ways<M::Noun>, cases: u32) -> Result<(), String> {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&M::acts(), |acts| check::<M>(ways, &acts));
    outcome.map_err(|error| error.to_string())
}

/// Asserts that the noun does as the model says, in [`SEQUENCES`] sequences (or `PROPTEST_CASES`), and that every sin is
/// caught.
#[track_caller]
pub(crate) fn holds<M: Model>(sins: &[(&str, Ways<M::Noun>)]) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(SEQUENCES);
    assert_eq!(run::<M>(&Ways::HONEST, cases), Ok(()));
    let missed = sins.iter().filter(|(_, ways)| run::<M>(ways, SIN_SEQUENCES).is_ok()).map(|(name, _)| *name);
    assert_eq!(missed.collect::<Vec<_>>(), Vec::<&str>::new(), "of {} sins", sins.len());
}

#[cfg(test)]
mod tests {
    use super::SEQUENCES;
    use std::{fs, path::Path};

    /// How many files of tests compare a noun with its model.
    fn models(folder: &Path) -> u32 {
        let entries = fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("it is there").path());
        let of = |path: std::path::PathBuf| {
            let text = || fs::read_to_string(&path).expect("it is text");
            let compares =
                |text: &str| text.contains("holds::<Naive>(") || text.contains("unwrap_or(crate::model::SEQUENCES)");
            if path.is_dir() { models(&path) } else { u32::from(!path.ends_with("src/model.rs") && compares(&text())) }
        };
        entries.map(of).sum()
    }

    #[test]
    fn all_models_together_see_at_least_a_hundred_thousand_sequences() {
        let models = models(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        assert!(models * SEQUENCES >= 100_000, "{models} models of {SEQUENCES} sequences each");
    }
}
