//! The sets of variables against their naive model: plain maps, one after the other, of which only the last one ever changes
//! into the next.

use super::{Command, Event, LANE, Lane, Rejection, Variables, key, wanted};
use crate::{
    aggregate::Aggregate as _,
    ids::AppId,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    numbers::EnvSet,
    story::at,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const KEYS: [&str; 3] = ["ADDRESS", "REGION", "TOKEN"];

/// Whose variables they are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    Shop,
    AnotherApp,
}

#[derive(Clone, Debug)]
struct Act {
    whose: Whose,
    expected: Option<u64>,
    sealed_for: u64,
    set: BTreeMap<usize, u8>,
    unset: BTreeSet<usize>,
}

#[derive(Debug, PartialEq)]
struct Naive {
    whose: Option<Whose>,
    sets: Vec<BTreeMap<usize, u8>>,
}

impl Default for Naive {
    fn default() -> Self {
        Self { whose: None, sets: vec![BTreeMap::new()] }
    }
}

impl Naive {
    fn current(&self) -> u64 {
        self.sets.len() as u64 - 1
    }
}

impl Model for Naive {
    type Noun = Variables;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let whose = prop_oneof![9 => Just(Whose::Shop), 1 => Just(Whose::AnotherApp)];
        let expected = prop_oneof![3 => Just(None), 1 => (0..4_u64).prop_map(Some)];
        let set = prop::collection::btree_map(0..KEYS.len(), 0..3_u8, 0..3);
        let unset = prop_oneof![
            2 => Just(BTreeSet::new()),
            1 => prop::collection::btree_set(0..KEYS.len(), 0..2),
        ];
        let act = (whose, expected, 1..5_u64, set, unset);
        act.prop_map(|(whose, expected, sealed_for, set, unset)| Act { whose, expected, sealed_for, set, unset })
            .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        let mut next = self.sets.last().expect("the first").clone();
        let fresh = act.set.iter().any(|(key, value)| next.get(key) != Some(value));
        if self.whose.is_some_and(|whose| whose != act.whose) {
            return Refused("NOT_FOUND");
        }
        if act.expected.is_some_and(|expected| expected != self.current()) {
            return Refused("STALE_SET");
        }
        if act.set.is_empty() && act.unset.is_empty() || act.unset.iter().any(|key| act.set.contains_key(key)) {
            return Refused("INVALID");
        }
        if act.unset.iter().any(|key| !next.contains_key(key)) {
            return Refused("NOT_FOUND");
        }
        if !fresh && act.unset.is_empty() {
            return AlreadySo;
        }
        if act.sealed_for != self.current() + 1 {
            return Refused("SEALED_FOR_ANOTHER_SET");
        }
        next.retain(|key, _| !act.unset.contains(key));
        next.extend(&act.set);
        self.whose = Some(act.whose);
        self.sets.push(next);
        Changed
    }

    fn command(act: &Act) -> Command {
        let another = Lane { app: AppId(Uuid::from_u128(0xa99)), ..LANE };
        Command::Change {
            lane: if act.whose == Whose::Shop { LANE } else { another },
            expected: act.expected.map(EnvSet),
            sealed_for: EnvSet(act.sealed_for),
            set: act.set.iter().map(|(name, value)| (key(KEYS[*name]), wanted(*value))).collect(),
            unset: act.unset.iter().map(|name| key(KEYS[*name])).collect(),
            at: at(1),
        }
    }

    fn seen(noun: &Variables) -> Self {
        let whose = noun.lane.map(|lane| if lane == LANE { Whose::Shop } else { Whose::AnotherApp });
        let name = |key: &super::Key| KEYS.iter().position(|name| *name == key.as_str()).expect("one of the three");
        let told = |set| noun.at(EnvSet(set)).expect("it was made");
        let plain = |set| told(set).iter().map(|(key, entry)| (name(key), entry.digest.0[0])).collect();
        Self { whose, sets: (0..=noun.current.0).map(plain).collect() }
    }
}

fn with_other_words(
    noun: &Variables,
    Command::Change { lane, sealed_for: _, expected: _, set, unset, at }: Command,
) -> Result<Vec<Event>, Rejection> {
    noun.decide(Command::Change { lane, expected: None, sealed_for: noun.current.next(), set, unset, at })
}

fn goes_by_no_set(
    noun: &Variables,
    Command::Change { lane, sealed_for, set, unset, at, .. }: Command,
) -> Result<Vec<Event>, Rejection> {
    noun.decide(Command::Change { lane, expected: None, sealed_for, set, unset, at })
}

/// A change rewrites the sets before it, to which deployments are pinned.
fn rewrites_history(noun: &mut Variables, event: &Event) {
    noun.apply(event);
    let Event::Changed { set, .. } = event;
    for (key, entry) in set {
        noun.history.entry(key.clone()).or_default().insert(EnvSet(1), Some(*entry));
    }
}

/// What a change does not name is lost.
fn carries_nothing_over(noun: &mut Variables, event: &Event) {
    noun.apply(event);
    let Event::Changed { to, set, .. } = event;
    for (_, life) in noun.history.iter_mut().filter(|(key, _)| !set.contains_key(*key)) {
        life.insert(*to, None);
    }
}

#[test]
fn random_changes_make_the_sets_that_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("OpensForAnotherSet", Ways::deciding(with_other_words)),
        ("GoesByNoSet", Ways::deciding(goes_by_no_set)),
        ("IsAnybodys", Ways::deciding(|noun, command| blind(noun, command, |n| n.lane = None))),
        ("RewritesHistory", Ways::applying(rewrites_history)),
        ("CarriesNothingOver", Ways::applying(carries_nothing_over)),
    ]);
}
