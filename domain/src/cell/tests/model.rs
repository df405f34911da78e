//! A cell against its naive model: it is made once, in one region, under one name.

use super::*;
use crate::{
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{BERGEN, LYON, slug},
};
use proptest::prelude::*;

/// Which, where, and called what.
type Life = (u128, RegionId, &'static str);

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Life>);

const NAMES: [&str; 2] = ["fjord", "harbour"];

impl Model for Naive {
    type Noun = Cell;
    type Act = Life;

    fn act() -> BoxedStrategy<Life> {
        let (region, name) = (prop::sample::select(vec![LYON, BERGEN]), prop::sample::select(NAMES.to_vec()));
        (1..=2_u128, region, name).boxed()
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

    fn command((which, region, name): &Life) -> Command {
        Command::Create(Created { id: CellId(Uuid::from_u128(*which)), region: *region, slug: slug(name) })
    }

    fn seen(noun: &Cell) -> Self {
        let name = |known: &Slug| NAMES.into_iter().find(|name| *known == slug(name)).expect("one of the two");
        Self(noun.created.as_ref().map(|life| (life.id.0.as_u128(), life.region, name(&life.slug))))
    }
}

/// Whoever names the cell again moves it.
fn moves_to_another_region(noun: &Cell, Command::Create(again): Command) -> Result<Vec<Event>, Rejection> {
    match &noun.created {
        Some(known) if known.id == again.id && known.slug == again.slug && known.region != again.region => {
            Ok(vec![Event::Created(again)])
        }
        _ => noun.decide(Command::Create(again)),
    }
}

/// It is the same one wherever it is.
fn forgets_the_region(noun: &Cell, Command::Create(mut again): Command) -> Result<Vec<Event>, Rejection> {
    again.region = noun.created.as_ref().map_or(again.region, |known| known.region);
    noun.decide(Command::Create(again))
}

#[test]
fn random_commands_find_the_cell_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("MovesToAnotherRegion", Ways::deciding(moves_to_another_region)),
        ("ForgetsTheRegion", Ways::deciding(forgets_the_region)),
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
        ("ForgetsThatItExists", Ways::applying(|_, _| {})),
    ]);
}
