//! A backend against its naive model: who uses it for what, and whom that keeps out.

use super::{Backend, Command, Event, Purpose, Rejection, Use, production};
use crate::{
    aggregate::Aggregate as _,
    environment::Kind,
    ids::WorkspaceId,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{ACME, because, bindings::binding_id},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

const STRANGERS: WorkspaceId = WorkspaceId(Uuid::from_u128(9));

/// A use in small.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Small {
    purpose: Purpose,
    workspace: WorkspaceId,
    kind: Kind,
    meant: bool,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Take(u128, Small),
    Release(u128),
}

#[derive(Debug, Default, PartialEq)]
struct Naive(BTreeMap<u128, Small>);

/// What of one use keeps another out.
fn between(of: Small, other: Small) -> Option<&'static str> {
    let truth = [of, other].map(|one| one.purpose == Purpose::Truth);
    let fan_out = [of, other].iter().any(|one| one.purpose == Purpose::Broadcast);
    match truth {
        [true, true] if of.workspace != other.workspace => Some("SHARED_DATABASE"),
        [true, true] if of.kind != other.kind && !of.meant => Some("SHARED_DATABASE"),
        [true, false] | [false, true] if fan_out => Some("BROADCAST_IS_TRUTH"),
        _ => None,
    }
}

impl Model for Naive {
    type Noun = Backend;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let purpose = prop::sample::select(Purpose::ALL);
        let workspace = prop_oneof![4 => Just(ACME), 1 => Just(STRANGERS)];
        let kind = prop::sample::select(vec![Kind::Production, Kind::Preview]);
        let small = (purpose, workspace, kind, any::<bool>());
        let small = small.prop_map(|(purpose, workspace, kind, meant)| Small { purpose, workspace, kind, meant });
        prop_oneof![
            4 => (1..=3_u128, small).prop_map(|(who, small)| Act::Take(who, small)),
            1 => (1..=3_u128).prop_map(Act::Release),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match *act {
            Act::Take(who, small) if self.0.get(&who) == Some(&small) => AlreadySo,
            Act::Take(who, small) => {
                let mut others = self.0.iter().filter(|(other, _)| **other != who);
                if let Some(code) = others.find_map(|(_, other)| between(small, *other)) {
                    return Refused(code);
                }
                self.0.insert(who, small);
                Changed
            }
            Act::Release(who) if self.0.remove(&who).is_some() => Changed,
            Act::Release(_) => AlreadySo,
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Take(who, Small { purpose, workspace, kind, meant }) => {
                let shared = meant.then(|| because("one data set for both"));
                Command::Take(Use { binding: binding_id(who), purpose, workspace, kind, shared, ..production() })
            }
            Act::Release(who) => Command::Release { binding: binding_id(who) },
        }
    }

    fn seen(noun: &Backend) -> Self {
        let who = |of: &Use| of.binding.0.as_u128() - binding_id(0).0.as_u128();
        let small = |of: &Use| Small {
            purpose: of.purpose,
            workspace: of.workspace,
            kind: of.kind,
            meant: of.shared.is_some(),
        };
        Self(noun.uses.values().map(|of| (who(of), small(of))).collect())
    }
}

/// Preview and production the same database, by accident.
fn anything_is_meant(noun: &Backend, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::SharedDatabase { .. }), Command::Take(of)) => Ok(vec![Event::Taken(of)]),
        (decided, _) => decided,
    }
}

fn fans_out_from_the_truth(noun: &Backend, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::BroadcastIsTruth), Command::Take(of)) => Ok(vec![Event::Taken(of)]),
        (decided, _) => decided,
    }
}

fn is_never_released(noun: &mut Backend, event: &Event) {
    if matches!(event, Event::Taken(_)) {
        noun.apply(event);
    }
}

#[test]
fn random_commands_find_the_backend_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("AnythingIsMeant", Ways::deciding(anything_is_meant)),
        ("FansOutFromTheTruth", Ways::deciding(fans_out_from_the_truth)),
        ("SeesNobodyElse", Ways::deciding(|noun, command| blind(noun, command, |n| n.uses.clear()))),
        ("IsNeverReleased", Ways::applying(is_never_released)),
    ]);
}
