//! A region against its naive model: it is made once, and its name is its own.

use super::*;
use crate::{
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{name, slug},
};
use proptest::prelude::*;

/// Which, known as what, and called what by people.
type Life = (u128, &'static str, &'static str);

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Life>);

const SLUGS: [&str; 2] = ["lyon", "bergen"];
const NAMES: [&str; 2] = ["Lyon", "Bergen"];

/// Which of these a text is.
fn one_of(texts: [&'static str; 2], text: &str) -> &'static str {
    texts.into_iter().find(|one| *one == text).expect("one of the two")
}

impl Model for Naive {
    type Noun = Region;
    type Act = Life;

    fn act() -> BoxedStrategy<Life> {
        (1..=2_u128, prop::sample::select(SLUGS.to_vec()), prop::sample::select(NAMES.to_vec())).boxed()
    }

    fn tell(&mut self, act: &Life) -> Answer {
        match self.0 {
            None => {
                self.0 = Some(*act);
                Changed
            }
            Some(life) if life == *act => AlreadySo,
            Some(_) => Refused("ALREADY_EXISTS"),
        }
    }

    fn command((which, known_as, called): &Life) -> Command {
        let id = RegionId(Uuid::from_u128(*which));
        Command::Create(Created { id, slug: slug(known_as), name: name(called) })
    }

    fn seen(noun: &Region) -> Self {
        let life = |known: &Created| {
            (known.id.0.as_u128(), one_of(SLUGS, known.slug.as_str()), one_of(NAMES, known.name.as_str()))
        };
        Self(noun.created.as_ref().map(life))
    }
}

/// A region that many records name gets another name under them.
fn takes_another_slug(noun: &Region, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if known.id == again.id && known.slug != again.slug => Ok(vec![Event::Created(again)]),
        _ => noun.decide(Command::Create(again)),
    }
}

fn goes_by_the_id_alone(noun: &Region, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if known.id == again.id => Ok(vec![]),
        _ => noun.decide(Command::Create(again)),
    }
}

#[test]
fn random_commands_find_the_region_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("TakesAnotherSlug", Ways::deciding(takes_another_slug)),
        ("GoesByTheIdAlone", Ways::deciding(goes_by_the_id_alone)),
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
        ("ForgetsThatItExists", Ways::applying(|_, _| {})),
    ]);
}
