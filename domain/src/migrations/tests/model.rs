//! What ran in an environment against its naive model: a row of names in the order in which they ran, and those that were undone.

use super::{Command, Event, Migrations, Recorded, Rejection, restore};
use crate::{
    aggregate::Aggregate as _,
    database_impact::Impact::{self, Additive, Destructive},
    digest::Digest,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, holds,
    },
    numbers::Epoch,
    story::{BLUE_BYTES, GREEN_BYTES, ran},
};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["0001", "0002", "0003", "0004"];

#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    name: usize,
    digest: Digest,
    impact: Impact,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Record(Told),
    Restore(usize),
}

#[derive(Debug, Default, PartialEq)]
struct Naive {
    ran: Vec<Told>,
    undone: Vec<Told>,
}

impl Model for Naive {
    type Noun = Migrations;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let bytes = prop_oneof![4 => Just(GREEN_BYTES), 1 => Just(BLUE_BYTES)];
        let impact = prop_oneof![4 => Just(Additive), 1 => Just(Destructive)];
        let told = (0..NAMES.len(), bytes, impact).prop_map(|(name, digest, impact)| Told { name, digest, impact });
        prop_oneof![4 => told.prop_map(Act::Record), 1 => (0..NAMES.len()).prop_map(Act::Restore)].boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        let known = |name| self.ran.iter().position(|one| one.name == name);
        match *act {
            Act::Record(told) => match known(told.name).map(|at| self.ran[at]) {
                Some(known) if known.digest != told.digest => Refused("MIGRATION_MISMATCH"),
                Some(known) if known.impact != told.impact => Refused("MIGRATION_IMPACT_MISMATCH"),
                Some(_) => AlreadySo,
                None => {
                    self.undone.retain(|one| one.name != told.name);
                    self.ran.push(told);
                    Changed
                }
            },
            Act::Restore(name) => match known(name) {
                None => Refused("MIGRATION_NOT_RECORDED"),
                Some(at) => {
                    let gone = self.ran.split_off(at);
                    self.undone.extend(gone);
                    Changed
                }
            },
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Record(Told { name, digest, impact }) => {
                Command::Record(Recorded { digest, ..ran(NAMES[name], impact, Epoch(1)) })
            }
            Act::Restore(name) => restore(NAMES[name]),
        }
    }

    fn seen(noun: &Migrations) -> Self {
        let told = |one: &Recorded| Told {
            name: NAMES.iter().position(|name| *name == one.id.as_str()).expect("one of the four"),
            digest: one.digest,
            impact: one.impact,
        };
        Self { ran: noun.ran.iter().map(told).collect(), undone: noun.undone.iter().map(told).collect() }
    }
}

fn takes_the_name_for_the_bytes(noun: &Migrations, command: Command) -> Result<Vec<Event>, Rejection> {
    match noun.decide(command) {
        Err(Rejection::OtherBytes { .. } | Rejection::OtherImpact { .. }) => Ok(vec![]),
        decided => decided,
    }
}

fn records_it_twice(noun: &Migrations, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Record(recorded) => Migrations::default().decide(Command::Record(recorded)),
        command @ Command::Restore { .. } => noun.decide(command),
    }
}

/// The database went back to before one ran, and what came after it is said to have stayed.
fn undoes_one_alone(noun: &Migrations, command: Command) -> Result<Vec<Event>, Rejection> {
    let mut events = noun.decide(command)?;
    for event in &mut events {
        if let Event::Restored { undone, .. } = event {
            undone.truncate(1);
        }
    }
    Ok(events)
}

fn forgets_what_was_undone(noun: &mut Migrations, event: &Event) {
    noun.apply(event);
    noun.undone.clear();
}

#[test]
fn random_commands_find_the_migrations_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("TakesTheNameForTheBytes", Ways::deciding(takes_the_name_for_the_bytes)),
        ("RecordsItTwice", Ways::deciding(records_it_twice)),
        ("UndoesOneAlone", Ways::deciding(undoes_one_alone)),
        ("ForgetsWhatWasUndone", Ways::applying(forgets_what_was_undone)),
    ]);
}
