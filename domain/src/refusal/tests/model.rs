//! The refusals of a target against their naive model: all that was put on record within the last minute, of which the same is
//! there once, and no more than thirty are.

use super::*;
use crate::model::{
    Answer::{self, AlreadySo, Changed},
    Model, Ways, blind, changed_if, holds,
};
use proptest::prelude::*;

/// Who was refused what, and when in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Act {
    who: u128,
    what: u64,
    second: i64,
}

/// What was put on record within a minute of the last.
#[derive(Debug, Default, PartialEq)]
struct Naive(Vec<Act>);

impl Naive {
    fn within_a_minute_of(&self, second: i64) -> impl Iterator<Item = &Act> {
        self.0.iter().filter(move |one| second - one.second < 60)
    }
}

impl Model for Naive {
    type Noun = Refusals;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        (1..=2_u128, 0..30_u64, 0..3_i64).prop_map(|(who, what, second)| Act { who, what, second }).boxed()
    }

    /// Enough for a minute to be full, and for another one to begin; no clock goes back.
    fn acts() -> BoxedStrategy<Vec<Act>> {
        let pause = prop_oneof![12 => Just(0), 4 => 1..5_i64, 1 => Just(59), 1 => Just(60)];
        let acts = prop::collection::vec((Self::act(), pause), 1..80);
        acts.prop_map(|acts| {
            let mut second = 0;
            let after = |(act, pause): (Act, i64)| {
                second += pause;
                Act { second, ..act }
            };
            acts.into_iter().map(after).collect()
        })
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        let same = |one: &Act| (one.who, one.what) == (act.who, act.what);
        let full = self.within_a_minute_of(act.second).count() >= 30;
        let answer = changed_if(!full && !self.within_a_minute_of(act.second).any(same), AlreadySo);
        if answer == Changed {
            self.0.push(*act);
            self.0.retain(|one| act.second - one.second < 60);
        }
        answer
    }

    fn command(act: &Act) -> Command {
        let refused = Refused { actor: ActorId(Uuid::from_u128(act.who)), ..refused(&act.what.to_string()) };
        Command::Record { refused, at: at(act.second) }
    }

    fn seen(noun: &Refusals) -> Self {
        let act = |(refused, at): &(Refused, DateTime<Utc>)| Act {
            who: refused.actor.0.as_u128(),
            what: refused.actual.as_ref().and_then(|what| what.parse().ok()).expect("a number"),
            second: at.timestamp(),
        };
        let all = Self(noun.recent.iter().map(act).collect());
        let last = all.0.last().map_or(0, |last| last.second);
        Self(all.within_a_minute_of(last).copied().collect())
    }
}

/// The trap of the noun: a caller that retries for ever fills the log.
fn records_every_repetition(noun: &Refusals, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |noun| noun.recent.clear())
}

/// A caller that alternates between two fills it too.
fn compares_with_the_last_alone(noun: &Refusals, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |noun| drop(noun.recent.drain(..noun.recent.len().saturating_sub(1))))
}

/// One that thinks of something else each time fills it as well.
fn knows_no_limit(noun: &Refusals, Command::Record { refused, at }: Command) -> Result<Vec<Event>, Rejection> {
    let mut other = noun.clone();
    other.recent.retain(|(one, _)| *one == refused);
    other.decide(Command::Record { refused, at })
}

/// What one was refused is on record for the other.
fn forgets_who_asked(noun: &Refusals, Command::Record { refused, at }: Command) -> Result<Vec<Event>, Rejection> {
    let mut other = noun.clone();
    other.recent.iter_mut().for_each(|(one, _)| one.actor = refused.actor);
    other.decide(Command::Record { refused, at })
}

/// Nothing is put on record a second time, however much later.
fn never_forgets(noun: &Refusals, Command::Record { refused, at }: Command) -> Result<Vec<Event>, Rejection> {
    let mut other = noun.clone();
    other.recent.iter_mut().filter(|(one, _)| *one == refused).for_each(|(_, when)| *when = at);
    other.decide(Command::Record { refused, at })
}

#[test]
fn random_refusals_are_put_on_record_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("RecordsEveryRepetition", Ways::deciding(records_every_repetition)),
        ("ComparesWithTheLastAlone", Ways::deciding(compares_with_the_last_alone)),
        ("KnowsNoLimit", Ways::deciding(knows_no_limit)),
        ("ForgetsWhoAsked", Ways::deciding(forgets_who_asked)),
        ("NeverForgets", Ways::deciding(never_forgets)),
    ]);
}
