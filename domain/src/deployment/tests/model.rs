//! A deployment against its naive model: not there, created, promotable by evidence about its own bytes, or failed for good.

use super::{BLUE, Command, Deployment, DeploymentId, Event, GREEN, Rejection, validate};
use crate::{
    aggregate::Aggregate as _,
    artifact_facts::ArtifactFacts,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{BLUE_BYTES, GREEN_BYTES, created, facts},
};
use proptest::prelude::*;

/// What may be wrong with an artifact.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    OtherBytes,
    NoCommand,
    NoHealthPath,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Create(DeploymentId),
    Validate(Flaw),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Life {
    Created,
    Promotable,
    Failed,
}

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<(DeploymentId, Life)>);

impl Model for Naive {
    type Noun = Deployment;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let flaw = prop::sample::select(vec![Flaw::None, Flaw::OtherBytes, Flaw::NoCommand, Flaw::NoHealthPath]);
        prop_oneof![
            3 => Just(Act::Create(BLUE)),
            1 => Just(Act::Create(GREEN)),
            4 => flaw.prop_map(Act::Validate),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match (self.0, *act) {
            (None, Act::Create(which)) => {
                self.0 = Some((which, Life::Created));
                Changed
            }
            (Some((known, _)), Act::Create(which)) if known == which => AlreadySo,
            (Some(_), Act::Create(_)) => Refused("ALREADY_EXISTS"),
            (None, Act::Validate(_)) => Refused("NOT_FOUND"),
            (Some((_, Life::Failed)), Act::Validate(_)) => Refused("DEPLOYMENT_FAILED"),
            (Some((_, Life::Promotable)), Act::Validate(_)) => AlreadySo,
            (Some((which, Life::Created)), Act::Validate(flaw)) => {
                // What BLUE's story calls other bytes are GREEN's own.
                let own = (flaw == Flaw::OtherBytes) == (which == GREEN);
                let fit = own && !matches!(flaw, Flaw::NoCommand | Flaw::NoHealthPath);
                self.0 = Some((which, if fit { Life::Promotable } else { Life::Failed }));
                Changed
            }
        }
    }

    fn command(act: &Act) -> Command {
        let sound = facts();
        match *act {
            Act::Create(which) => Command::Create(created(which)),
            Act::Validate(Flaw::None) => validate(BLUE_BYTES, sound),
            Act::Validate(Flaw::OtherBytes) => validate(GREEN_BYTES, sound),
            Act::Validate(Flaw::NoCommand) => validate(BLUE_BYTES, ArtifactFacts { command: vec![], ..sound }),
            Act::Validate(Flaw::NoHealthPath) => {
                validate(BLUE_BYTES, ArtifactFacts { health_path: "health".into(), ..sound })
            }
        }
    }

    fn seen(noun: &Deployment) -> Self {
        let life = match (&noun.validated, &noun.failed) {
            (_, Some(_)) => Life::Failed,
            (Some(_), None) => Life::Promotable,
            (None, None) => Life::Created,
        };
        Self(noun.created.as_ref().map(|created| (created.id, life)))
    }
}

fn validates_any_bytes(noun: &Deployment, command: Command) -> Result<Vec<Event>, Rejection> {
    match (&noun.created, command) {
        (Some(created), Command::Validate { facts, .. }) => {
            noun.decide(Command::Validate { digest: created.digest, facts })
        }
        (_, command) => noun.decide(command),
    }
}

fn validates_without_looking(noun: &Deployment, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Validate { digest, .. } => noun.decide(Command::Validate { digest, facts: Box::new(facts()) }),
        command @ Command::Create(_) => noun.decide(command),
    }
}

#[test]
fn random_commands_find_the_deployment_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("ValidatesAnyBytes", Ways::deciding(validates_any_bytes)),
        ("ValidatesWithoutLooking", Ways::deciding(validates_without_looking)),
        ("RisesFromFailure", Ways::deciding(|noun, command| blind(noun, command, |n| n.failed = None))),
        ("IsPromotableOnceCreated", Ways::applying(is_promotable_once_created)),
    ]);
}

/// The trap of the noun: successful before validation evidence exists.
fn is_promotable_once_created(noun: &mut Deployment, event: &Event) {
    noun.apply(event);
    if matches!(event, Event::Created(_)) {
        noun.validated = Some(crate::story::validated(BLUE));
    }
}
