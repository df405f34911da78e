//! A workspace against its naive model: whether it is there, who belongs to it as what, and who may say so. Told by ranks: an
//! owner is above an admin, an admin above a member, and nobody gives or takes what is above themselves.

use super::{ALICE, BOB, CAROL, Command, Event, Rejection, Role, Workspace, create};
use crate::{
    aggregate::Aggregate as _,
    authorization::Membership,
    ids::ActorId,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

/// By whom, and about whom.
#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Add(ActorId, ActorId, Role),
    SetRole(ActorId, ActorId, Role),
    Remove(ActorId, ActorId),
}

#[derive(Debug, Default, PartialEq)]
struct Naive {
    open: bool,
    members: BTreeMap<ActorId, Role>,
}

const NOT_YOURS: Answer = Refused("NOT_YOURS_TO_GIVE");

impl Naive {
    /// 0 is who does not belong to it.
    fn rank(&self, who: ActorId) -> u8 {
        self.members.get(&who).map_or(0, |role| rank_of(*role))
    }

    fn owners(&self) -> usize {
        self.members.values().filter(|role| **role == Role::Owner).count()
    }

    fn is_last_owner(&self, who: ActorId) -> bool {
        self.members.get(&who) == Some(&Role::Owner) && self.owners() == 1
    }

    fn add(&mut self, by: ActorId, who: ActorId, role: Role) -> Answer {
        match self.members.get(&who) {
            Some(known) if *known == role => AlreadySo,
            Some(_) => Refused("MEMBER_EXISTS"),
            None if self.rank(by) < rank_of(role) => NOT_YOURS,
            None => {
                self.members.insert(who, role);
                Changed
            }
        }
    }

    fn set_role(&mut self, by: ActorId, who: ActorId, role: Role) -> Answer {
        if !self.members.contains_key(&who) {
            return Refused("NO_MEMBER");
        }
        if self.members[&who] == role {
            return AlreadySo;
        }
        let above = by != who && self.rank(by) < self.rank(who);
        if above || self.rank(by) < rank_of(role) {
            return NOT_YOURS;
        }
        if self.is_last_owner(who) {
            return Refused("LAST_OWNER");
        }
        self.members.insert(who, role);
        Changed
    }

    fn remove(&mut self, by: ActorId, who: ActorId) -> Answer {
        if !self.members.contains_key(&who) {
            return Refused("NO_MEMBER");
        }
        if by != who && self.rank(by) < self.rank(who) {
            return NOT_YOURS;
        }
        if self.is_last_owner(who) {
            return Refused("LAST_OWNER");
        }
        self.members.remove(&who);
        Changed
    }
}

const fn rank_of(role: Role) -> u8 {
    match role {
        Role::Owner => 3,
        Role::Admin => 2,
        Role::Member => 1,
    }
}

impl Model for Naive {
    type Noun = Workspace;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let who = || prop::sample::select(vec![ALICE, BOB, CAROL]);
        let role = || prop::sample::select(vec![Role::Owner, Role::Admin, Role::Member]);
        prop_oneof![
            1 => Just(Act::Create),
            4 => (who(), who(), role()).prop_map(|(by, who, role)| Act::Add(by, who, role)),
            2 => (who(), who(), role()).prop_map(|(by, who, role)| Act::SetRole(by, who, role)),
            2 => (who(), who()).prop_map(|(by, who)| Act::Remove(by, who)),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match *act {
            Act::Create if self.open => Refused("ALREADY_EXISTS"),
            Act::Create => {
                self.open = true;
                self.members.insert(ALICE, Role::Owner);
                Changed
            }
            _ if !self.open => Refused("NOT_FOUND"),
            Act::Add(by, who, role) => self.add(by, who, role),
            Act::SetRole(by, who, role) => self.set_role(by, who, role),
            Act::Remove(by, who) => self.remove(by, who),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create => create(),
            Act::Add(by, actor, role) => Command::AddMember { actor, role, by },
            Act::SetRole(by, actor, role) => Command::SetRole { actor, role, by },
            Act::Remove(by, actor) => Command::RemoveMember { actor, by },
        }
    }

    fn seen(noun: &Workspace) -> Self {
        let members = noun.members.iter().map(|(who, of)| (*who, of.role)).collect();
        Self { open: noun.id.is_some(), members }
    }
}

fn is_created_over(noun: &Workspace, command: Command) -> Result<Vec<Event>, Rejection> {
    if matches!(command, Command::Create { .. }) { Workspace::default().decide(command) } else { noun.decide(command) }
}

/// Whoever asks is taken for an owner.
fn lets_anybody_give(noun: &Workspace, command: Command) -> Result<Vec<Event>, Rejection> {
    let (Command::AddMember { by, .. } | Command::SetRole { by, .. } | Command::RemoveMember { by, .. }) = command
    else {
        return noun.decide(command);
    };
    let mut other = noun.clone();
    other.members.entry(by).or_insert_with(|| Membership::of(Role::Owner));
    other.decide(command)
}

fn forgets_its_first_owner(noun: &mut Workspace, event: &Event) {
    noun.apply(event);
    if matches!(event, Event::Created { .. }) {
        noun.members.clear();
    }
}

fn keeps_the_first_role(noun: &mut Workspace, event: &Event) {
    if !matches!(event, Event::MemberRoleChanged { .. }) {
        noun.apply(event);
    }
}

fn keeps_who_was_removed(noun: &mut Workspace, event: &Event) {
    if !matches!(event, Event::MemberRemoved { .. }) {
        noun.apply(event);
    }
}

/// As if there were always another one.
fn another_owner(noun: &mut Workspace) {
    noun.members.insert(ActorId(Uuid::from_u128(99)), Membership::of(Role::Owner));
}

#[test]
fn random_commands_find_the_workspace_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("IsCreatedOver", Ways::deciding(is_created_over)),
        ("LetsIntoNothing", Ways::deciding(|noun, c| blind(noun, c, |n| n.id = n.id.or(Some(super::ACME))))),
        ("LetsAnybodyGive", Ways::deciding(lets_anybody_give)),
        ("LosesItsLastOwner", Ways::deciding(|noun, c| blind(noun, c, another_owner))),
        ("ForgetsItsFirstOwner", Ways::applying(forgets_its_first_owner)),
        ("KeepsTheFirstRole", Ways::applying(keeps_the_first_role)),
        ("KeepsWhoWasRemoved", Ways::applying(keeps_who_was_removed)),
    ]);
}
