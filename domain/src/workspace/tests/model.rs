//! A workspace against its naive model: whether it is there, and who belongs to it as what.

use super::{ALICE, BOB, Command, Event, Rejection, Role, Workspace, create};
use crate::{
    aggregate::Aggregate as _,
    ids::ActorId,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Add(ActorId, Role),
}

#[derive(Debug, Default, PartialEq)]
struct Naive {
    open: bool,
    members: BTreeMap<ActorId, Role>,
}

impl Model for Naive {
    type Noun = Workspace;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let who = prop_oneof![Just(ALICE), Just(BOB)];
        let role = prop::sample::select(vec![Role::Owner, Role::Admin, Role::Member]);
        prop_oneof![1 => Just(Act::Create), 3 => (who, role).prop_map(|(who, role)| Act::Add(who, role))].boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match *act {
            Act::Create if self.open => Refused("ALREADY_EXISTS"),
            Act::Create => {
                self.open = true;
                self.members.insert(ALICE, Role::Owner);
                Changed
            }
            Act::Add(..) if !self.open => Refused("NOT_FOUND"),
            Act::Add(who, role) if self.members.insert(who, role) == Some(role) => AlreadySo,
            Act::Add(..) => Changed,
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create => create(),
            Act::Add(actor, role) => Command::AddMember { actor, role },
        }
    }

    fn seen(noun: &Workspace) -> Self {
        Self { open: noun.id.is_some(), members: noun.members.clone() }
    }
}

fn is_created_over(noun: &Workspace, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Create { .. } => Workspace::default().decide(command),
        command @ Command::AddMember { .. } => noun.decide(command),
    }
}

fn forgets_its_first_owner(noun: &mut Workspace, event: &Event) {
    noun.apply(event);
    if matches!(event, Event::Created { .. }) {
        noun.members.clear();
    }
}

fn keeps_the_first_role(noun: &mut Workspace, event: &Event) {
    let known = matches!(event, Event::MemberAdded { actor, .. } if noun.members.contains_key(actor));
    if !known {
        noun.apply(event);
    }
}

#[test]
fn random_commands_find_the_workspace_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("IsCreatedOver", Ways::deciding(is_created_over)),
        ("LetsIntoNothing", Ways::deciding(|noun, c| blind(noun, c, |n| n.id = n.id.or(Some(super::ACME))))),
        ("ForgetsItsFirstOwner", Ways::applying(forgets_its_first_owner)),
        ("KeepsTheFirstRole", Ways::applying(keeps_the_first_role)),
    ]);
}
