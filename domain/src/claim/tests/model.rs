//! A claim against its naive model: somebody has the name, or nobody.

use super::{BLUE, Claim, Command, Event, GREEN, Rejection, claim};
use crate::{
    aggregate::Aggregate as _,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, holds,
    },
};
use proptest::prelude::*;
use uuid::Uuid;

#[derive(Clone, Copy, Debug)]
enum Act {
    Claim(Uuid),
    Release(Uuid),
}

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Uuid>);

impl Model for Naive {
    type Noun = Claim;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let who = prop_oneof![Just(BLUE), Just(GREEN)];
        (who, any::<bool>()).prop_map(|(who, take)| if take { Act::Claim(who) } else { Act::Release(who) }).boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match *act {
            Act::Claim(who) if self.0 == Some(who) => AlreadySo,
            Act::Claim(_) if self.0.is_some() => Refused("NAME_TAKEN"),
            Act::Release(who) if self.0 != Some(who) => Refused("NOT_HELD"),
            Act::Claim(who) => {
                self.0 = Some(who);
                Changed
            }
            Act::Release(_) => {
                self.0 = None;
                Changed
            }
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Claim(who) => claim(who),
            Act::Release(holder) => Command::Release { holder },
        }
    }

    fn seen(noun: &Claim) -> Self {
        Self(noun.holder)
    }
}

fn takes_it_from_the_holder(noun: &Claim, command: Command) -> Result<Vec<Event>, Rejection> {
    match noun.decide(command.clone()) {
        Err(Rejection::Taken) => Claim::default().decide(command),
        other => other,
    }
}

fn anybody_releases(noun: &Claim, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.holder, command) {
        (Some(holder), Command::Release { .. }) => Ok(vec![Event::Released { holder }]),
        (_, command) => noun.decide(command),
    }
}

fn is_never_released(noun: &mut Claim, event: &Event) {
    if matches!(event, Event::Claimed { .. }) {
        noun.apply(event);
    }
}

#[test]
fn random_commands_find_the_claim_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("TakesItFromTheHolder", Ways::deciding(takes_it_from_the_holder)),
        ("AnybodyReleases", Ways::deciding(anybody_releases)),
        ("IsNeverReleased", Ways::applying(is_never_released)),
    ]);
}
