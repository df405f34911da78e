//! A workspace against its naive model: whether it is there, who belongs to it as what, and who may say so. Told by ranks: an
//! owner is above an admin, an admin above a member, and nobody gives or takes what is above themselves.

use super::{ALICE, BOB, CAROL, Command, Event, Invitation, Rejection, Role, Workspace, at, create};
use crate::{
    aggregate::Aggregate as _,
    authorization::Membership,
    digest::Digest,
    ids::{ActorId, InvitationId},
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
    Invite(ActorId, u8, Role, i64, i64),
    Revoke(ActorId, u8),
    Accept(ActorId, u8, i64),
}

#[derive(Debug, Default, PartialEq)]
struct Naive {
    open: bool,
    members: BTreeMap<ActorId, Role>,
    /// As what, by whom, until when.
    invitations: BTreeMap<u8, (Role, ActorId, i64)>,
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

    fn invite(&mut self, by: ActorId, which: u8, role: Role, since: i64, until: i64) -> Answer {
        if until <= since {
            return Refused("INVITATION_TOO_LONG");
        }
        if self.rank(by) < rank_of(role) {
            return NOT_YOURS;
        }
        if self.invitations.contains_key(&which) {
            return Refused("ALREADY_EXISTS");
        }
        self.invitations.retain(|_, (_, _, until)| *until > since);
        self.invitations.insert(which, (role, by, until));
        Changed
    }

    fn revoke(&mut self, by: ActorId, which: u8) -> Answer {
        match self.invitations.get(&which) {
            None => Refused("NO_INVITATION"),
            Some((role, ..)) if self.rank(by) < rank_of(*role) => NOT_YOURS,
            Some(_) => {
                self.invitations.remove(&which);
                Changed
            }
        }
    }

    fn accept(&mut self, who: ActorId, which: u8, at: i64) -> Answer {
        match self.invitations.get(&which) {
            Some((role, by, until)) if at < *until && self.rank(*by) >= rank_of(*role) => {
                if self.members.contains_key(&who) {
                    return Refused("MEMBER_EXISTS");
                }
                self.members.insert(who, *role);
                self.invitations.remove(&which);
                Changed
            }
            _ => Refused("INVITATION_GONE"),
        }
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
        let times = || (0_i64..4, 0_i64..5);
        prop_oneof![
            1 => Just(Act::Create),
            4 => (who(), who(), role()).prop_map(|(by, who, role)| Act::Add(by, who, role)),
            2 => (who(), who(), role()).prop_map(|(by, who, role)| Act::SetRole(by, who, role)),
            2 => (who(), who()).prop_map(|(by, who)| Act::Remove(by, who)),
            3 => (who(), 0_u8..3, role(), times())
                .prop_map(|(by, which, role, (since, until))| Act::Invite(by, which, role, since, until)),
            1 => (who(), 0_u8..3).prop_map(|(by, which)| Act::Revoke(by, which)),
            4 => (who(), 0_u8..3, 0_i64..4).prop_map(|(who, which, at)| Act::Accept(who, which, at)),
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
            Act::Invite(by, which, role, since, until) => self.invite(by, which, role, since, until),
            Act::Revoke(by, which) => self.revoke(by, which),
            Act::Accept(who, which, at) => self.accept(who, which, at),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create => create(),
            Act::Add(by, actor, role) => Command::AddMember { actor, role, by },
            Act::SetRole(by, actor, role) => Command::SetRole { actor, role, by },
            Act::Remove(by, actor) => Command::RemoveMember { actor, by },
            Act::Invite(by, which, role, since, until) => {
                let new = Invitation { role, secret: Digest([which; 32]), by, since: at(since), until: at(until) };
                Command::Invite { invitation: id(which), new }
            }
            Act::Revoke(by, which) => Command::RevokeInvitation { invitation: id(which), by },
            Act::Accept(actor, which, seconds) => {
                Command::AcceptInvitation { secret: Digest([which; 32]), actor, at: at(seconds) }
            }
        }
    }

    fn seen(noun: &Workspace) -> Self {
        let members = noun.members.iter().map(|(who, of)| (*who, of.role)).collect();
        let told = |of: &Invitation| (of.secret.0[0], (of.role, of.by, (of.until - at(0)).num_seconds()));
        Self { open: noun.id.is_some(), members, invitations: noun.invitations.values().map(told).collect() }
    }
}

fn id(which: u8) -> InvitationId {
    InvitationId(Uuid::from_u128(u128::from(which)))
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

fn lets_in_again(noun: &mut Workspace, event: &Event) {
    let invitations = noun.invitations.clone();
    noun.apply(event);
    if matches!(event, Event::InvitationAccepted { .. }) {
        noun.invitations = invitations;
    }
}

fn forgets_the_end(noun: &Workspace, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::AcceptInvitation { secret, actor, .. } = command else { return noun.decide(command) };
    noun.decide(Command::AcceptInvitation { secret, actor, at: at(-1) })
}

/// Who left, or may less now, still lets others in.
fn trusts_who_invited(noun: &Workspace, command: Command) -> Result<Vec<Event>, Rejection> {
    if !matches!(command, Command::AcceptInvitation { .. }) {
        return noun.decide(command);
    }
    let mut other = noun.clone();
    other.members.insert(ActorId(Uuid::from_u128(99)), Membership::of(Role::Owner));
    other.invitations.values_mut().for_each(|of| of.by = ActorId(Uuid::from_u128(99)));
    other.decide(command)
}

fn invites_as_anything(noun: &Workspace, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Invite { invitation, new } = &command else { return noun.decide(command) };
    let mut other = noun.clone();
    other.members.insert(new.by, Membership::of(Role::Owner));
    other.decide(Command::Invite { invitation: *invitation, new: *new })
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
        ("LetsInAgain", Ways::applying(lets_in_again)),
        ("ForgetsTheEnd", Ways::deciding(forgets_the_end)),
        ("TrustsWhoInvited", Ways::deciding(trusts_who_invited)),
        ("InvitesAsAnything", Ways::deciding(invites_as_anything)),
    ]);
}
