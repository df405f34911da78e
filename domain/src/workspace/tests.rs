//! A workspace is created once, knows its members, always has an owner, and lets nobody give what they do not have.

use super::*;
use crate::{
    aggregate::given,
    authorization::{Authority, NEVER_SUPPORT},
    story::{ACME, ALICE, PRODUCTION, SUPPORT, at, because},
};
use uuid::Uuid;

mod invitation;
mod model;

const BOB: ActorId = ActorId(Uuid::from_u128(2));
const CAROL: ActorId = ActorId(Uuid::from_u128(3));

fn slug() -> Slug {
    Slug::parse("slug", "acme").expect("a slug")
}

fn name() -> Name {
    Name::parse("name", "Acme").expect("a name")
}

fn created() -> Event {
    Event::Created { id: ACME, slug: slug(), name: name(), contact_email: None, owner: ALICE }
}

fn create() -> Command {
    Command::Create { id: ACME, slug: slug(), name: name(), contact_email: None, owner: ALICE }
}

fn added(actor: ActorId, role: Role) -> Event {
    Event::MemberAdded { actor, role }
}

fn set(grants: &[Grant], by: ActorId) -> Command {
    let reach = Reach::Environment(PRODUCTION);
    Command::SetGrants { actor: CAROL, reach, grants: grants.iter().copied().collect(), by }
}

fn granted(grants: &[Grant]) -> Event {
    let reach = Reach::Environment(PRODUCTION);
    Event::GrantsSet { actor: CAROL, reach, grants: grants.iter().copied().collect() }
}

#[test]
fn a_workspace_is_created_once() {
    given::<Workspace>([]).when(create()).then([created()]);
    given::<Workspace>([created()]).when(create()).then_rejected(&Rejection::Exists);
}

#[test]
fn a_member_is_added_once() {
    let add = |role| Command::AddMember { actor: BOB, role, by: ALICE };
    given::<Workspace>([created()]).when(add(Role::Member)).then([added(BOB, Role::Member)]);
    given::<Workspace>([created(), added(BOB, Role::Member)]).when(add(Role::Member)).then([]);
    let exists = Rejection::MemberExists { role: Role::Member };
    given::<Workspace>([created(), added(BOB, Role::Member)]).when(add(Role::Admin)).then_rejected(&exists);
    given::<Workspace>([]).when(add(Role::Member)).then_rejected(&Rejection::NotFound);
}

#[test]
fn a_role_is_changed_and_a_member_removed() {
    let events = || [created(), added(BOB, Role::Member)];
    let become_ = |role| Command::SetRole { actor: BOB, role, by: ALICE };
    given::<Workspace>(events())
        .when(become_(Role::Admin))
        .then([Event::MemberRoleChanged { actor: BOB, role: Role::Admin }]);
    given::<Workspace>(events()).when(become_(Role::Member)).then([]);
    given::<Workspace>(events())
        .when(Command::RemoveMember { actor: BOB, by: ALICE })
        .then([Event::MemberRemoved { actor: BOB }]);
    let gone = || [created(), added(BOB, Role::Member), Event::MemberRemoved { actor: BOB }];
    given::<Workspace>(gone()).when(become_(Role::Admin)).then_rejected(&Rejection::NoMember);
    given::<Workspace>(gone())
        .when(Command::RemoveMember { actor: BOB, by: ALICE })
        .then_rejected(&Rejection::NoMember);
}

#[test]
fn the_last_owner_can_be_neither_removed_nor_demoted() {
    let remove = || Command::RemoveMember { actor: ALICE, by: ALICE };
    let demote = || Command::SetRole { actor: ALICE, role: Role::Admin, by: ALICE };
    for events in [vec![created()], vec![created(), added(BOB, Role::Admin)]] {
        given::<Workspace>(events.clone()).when(remove()).then_rejected(&Rejection::LastOwner);
        given::<Workspace>(events).when(demote()).then_rejected(&Rejection::LastOwner);
    }
    let two = || [created(), added(BOB, Role::Owner)];
    given::<Workspace>(two()).when(remove()).then([Event::MemberRemoved { actor: ALICE }]);
    given::<Workspace>(two()).when(demote()).then([Event::MemberRoleChanged { actor: ALICE, role: Role::Admin }]);
}

#[test]
fn nobody_gives_what_they_do_not_have_or_takes_from_those_who_have_more() {
    let events = || [created(), added(BOB, Role::Admin), added(CAROL, Role::Member)];
    let not_yours = |grant| Rejection::NotYoursToGive { grant };
    let manage = not_yours(Grant::WorkspaceManage);
    for command in [
        Command::AddMember { actor: ActorId(Uuid::from_u128(9)), role: Role::Owner, by: BOB },
        Command::SetRole { actor: BOB, role: Role::Owner, by: BOB },
        Command::SetRole { actor: ALICE, role: Role::Member, by: BOB },
        Command::RemoveMember { actor: ALICE, by: BOB },
    ] {
        given::<Workspace>(events()).when(command).then_rejected(&manage);
    }
    given::<Workspace>(events()).when(set(&[Grant::RollBack], CAROL)).then_rejected(&not_yours(Grant::RollBack));
    given::<Workspace>(events()).when(set(&[Grant::RollBack], BOB)).then([granted(&[Grant::RollBack])]);
}

#[test]
fn custom_grants_replace_what_was_said_about_one_place_and_end_with_the_membership() {
    let events = || vec![created(), added(CAROL, Role::Member)];
    given::<Workspace>(events()).when(set(&[], ALICE)).then([]);
    let mut more = events();
    more.push(granted(&[Grant::RollBack]));
    given::<Workspace>(more.clone()).when(set(&[Grant::RollBack], ALICE)).then([]);
    given::<Workspace>(more.clone()).when(set(&[Grant::Domains], ALICE)).then([granted(&[Grant::Domains])]);
    given::<Workspace>(more.clone()).when(set(&[], ALICE)).then([granted(&[])]);
    let whole = Rejection::WorkspaceWide { grant: Grant::MembersManage };
    given::<Workspace>(more.clone()).when(set(&[Grant::MembersManage], ALICE)).then_rejected(&whole);
    more.extend([Event::MemberRemoved { actor: CAROL }, added(CAROL, Role::Member)]);
    let again = crate::aggregate::fold::<Workspace>(&more);
    assert_eq!(again.members[&CAROL], Membership::of(Role::Member));
}

fn support(user: ActorId, seconds: i64) -> Command {
    let (reason, until) = (because("the cart is empty"), at(seconds));
    Command::GrantSupport { access: SUPPORT, user, reason, at: at(0), until }
}

fn supported(user: ActorId) -> Event {
    Event::SupportGranted { access: SUPPORT, user, reason: because("the cart is empty"), until: at(60) }
}

#[test]
fn support_is_for_a_member_with_a_reason_and_an_end_within_a_week() {
    given::<Workspace>([created()]).when(support(ALICE, 60)).then([supported(ALICE)]);
    given::<Workspace>([created(), supported(ALICE)]).when(support(ALICE, 60)).then_rejected(&Rejection::Exists);
    given::<Workspace>([created()]).when(support(BOB, 60)).then_rejected(&Rejection::NoMember);
    let week = LONGEST_SUPPORT.num_seconds();
    let longest =
        Event::SupportGranted { access: SUPPORT, user: ALICE, reason: because("the cart is empty"), until: at(week) };
    given::<Workspace>([created()]).when(support(ALICE, week)).then([longest]);
    for seconds in [-1, 0, LONGEST_SUPPORT.num_seconds() + 1] {
        given::<Workspace>([created()]).when(support(ALICE, seconds)).then_rejected(&Rejection::SupportTooLong);
    }
}

#[test]
fn support_is_ended_by_its_user_or_by_who_manages_members() {
    let events = || vec![created(), added(BOB, Role::Member), added(CAROL, Role::Member), supported(BOB)];
    for by in [BOB, ALICE] {
        let end = Command::EndSupport { access: SUPPORT, by };
        given::<Workspace>(events()).when(end.clone()).then([Event::SupportEnded { access: SUPPORT }]);
        let mut ended = events();
        ended.push(Event::SupportEnded { access: SUPPORT });
        given::<Workspace>(ended).when(end.clone()).then([]);
        given::<Workspace>([created()]).when(end).then_rejected(&Rejection::NoSupport);
    }
    given::<Workspace>(events())
        .when(Command::EndSupport { access: SUPPORT, by: CAROL })
        .then_rejected(&Rejection::NotYoursToGive { grant: Grant::MembersManage });
}

#[test]
fn support_acts_while_it_lasts_and_never_as_more_than_its_user() {
    let mut events = vec![created(), added(BOB, Role::Member), supported(BOB)];
    let of = |events: &[Event], seconds| {
        let workspace = crate::aggregate::fold::<Workspace>(events);
        workspace.supported(SUPPORT, at(seconds)).cloned()
    };
    assert_eq!(of(&events, 59), Some(Membership::of(Role::Member)));
    assert_eq!(of(&events, 60), None, "its time is over");
    events.push(Event::SupportEnded { access: SUPPORT });
    assert_eq!(of(&events, 1), None, "it was ended");
    let gone = [created(), added(BOB, Role::Member), supported(BOB), Event::MemberRemoved { actor: BOB }];
    assert_eq!(of(&gone, 1), None, "its user is no member any more");
    for grant in Grant::ALL {
        let may = |authority: Authority| authority.holds(*grant, Level::Workspace, Scope::default());
        let user = may(Authority::caller(ACME, Some(Membership::of(Role::Admin))));
        let support = may(Authority::support(ACME, Some(Membership::of(Role::Admin))));
        assert!(user || !support, "{grant}");
        assert!(!support || !NEVER_SUPPORT.contains(grant), "{grant}");
    }
}
