//! An invitation lets one person in, once, in time, and never as more than the one who invited may make somebody.

use super::*;
use crate::story::{BLUE_BYTES, GREEN_BYTES, INVITATION};

const OTHER: InvitationId = InvitationId(Uuid::from_u128(0x1418));
const DAVE: ActorId = ActorId(Uuid::from_u128(4));

fn invitation(role: Role, by: ActorId, seconds: i64) -> Invitation {
    Invitation { role, secret: GREEN_BYTES, by, since: at(0), until: at(seconds) }
}

fn invite(role: Role, by: ActorId, seconds: i64) -> Command {
    Command::Invite { invitation: INVITATION, new: invitation(role, by, seconds) }
}

fn told(id: InvitationId, of: Invitation) -> Event {
    let Invitation { role, secret, by, since, until } = of;
    Event::MemberInvited { invitation: id, role, secret, by, since, until }
}

fn invited(role: Role, by: ActorId, seconds: i64) -> Event {
    told(INVITATION, invitation(role, by, seconds))
}

fn accept(actor: ActorId, seconds: i64) -> Command {
    Command::AcceptInvitation { secret: GREEN_BYTES, actor, at: at(seconds) }
}

fn accepted(actor: ActorId, role: Role) -> Event {
    Event::InvitationAccepted { invitation: INVITATION, actor, role }
}

#[test]
fn who_shows_the_secret_in_time_becomes_what_the_invitation_says() {
    let events = [created(), invited(Role::Admin, ALICE, 60)];
    given::<Workspace>(events.clone()).when(accept(DAVE, 59)).then([accepted(DAVE, Role::Admin)]);
    let after =
        crate::aggregate::fold::<Workspace>(&[created(), invited(Role::Admin, ALICE, 60), accepted(DAVE, Role::Admin)]);
    assert_eq!(after.members[&DAVE], Membership::of(Role::Admin));
    assert!(after.invitations.is_empty());
}

#[test]
fn unknown_used_revoked_expired_and_withdrawn_ones_say_the_same() {
    let revoked = Event::InvitationRevoked { invitation: INVITATION };
    let by_bob = || vec![created(), added(BOB, Role::Admin), invited(Role::Admin, BOB, 60)];
    let mut demoted = by_bob();
    demoted.push(Event::MemberRoleChanged { actor: BOB, role: Role::Member });
    let mut left = by_bob();
    left.push(Event::MemberRemoved { actor: BOB });
    for (events, seconds) in [
        (vec![created()], 1),
        (vec![created(), invited(Role::Member, ALICE, 60), accepted(CAROL, Role::Member)], 1),
        (vec![created(), invited(Role::Member, ALICE, 60), revoked], 1),
        (vec![created(), invited(Role::Member, ALICE, 60)], 60),
        (demoted, 1),
        (left, 1),
    ] {
        given::<Workspace>(events).when(accept(DAVE, seconds)).then_rejected(&Rejection::InvitationGone);
    }
    let other = Command::AcceptInvitation { secret: BLUE_BYTES, actor: DAVE, at: at(1) };
    given::<Workspace>([created(), invited(Role::Member, ALICE, 60)])
        .when(other)
        .then_rejected(&Rejection::InvitationGone);
}

#[test]
fn a_member_is_told_so_and_the_invitation_stays_for_somebody_else() {
    let events = || [created(), added(BOB, Role::Member), invited(Role::Admin, ALICE, 60)];
    let exists = Rejection::MemberExists { role: Role::Member };
    given::<Workspace>(events()).when(accept(BOB, 1)).then_rejected(&exists);
    given::<Workspace>(events()).when(accept(DAVE, 1)).then([accepted(DAVE, Role::Admin)]);
}

#[test]
fn nobody_invites_as_more_than_they_may_make_somebody() {
    let events = || [created(), added(BOB, Role::Admin), added(CAROL, Role::Member)];
    let not_yours = |grant| Rejection::NotYoursToGive { grant };
    given::<Workspace>(events()).when(invite(Role::Admin, BOB, 60)).then([invited(Role::Admin, BOB, 60)]);
    given::<Workspace>(events()).when(invite(Role::Owner, BOB, 60)).then_rejected(&not_yours(Grant::WorkspaceManage));
    given::<Workspace>(events()).when(invite(Role::Admin, CAROL, 60)).then_rejected(&not_yours(Grant::MembersManage));
    given::<Workspace>(events()).when(invite(Role::Member, DAVE, 60)).then_rejected(&not_yours(Grant::SupportGrant));
}

#[test]
fn an_invitation_ends_within_thirty_days() {
    let most = LONGEST_INVITATION.num_seconds();
    given::<Workspace>([created()]).when(invite(Role::Member, ALICE, most)).then([invited(Role::Member, ALICE, most)]);
    for seconds in [-1, 0, most + 1] {
        given::<Workspace>([created()])
            .when(invite(Role::Member, ALICE, seconds))
            .then_rejected(&Rejection::InvitationTooLong);
    }
}

#[test]
fn open_invitations_are_bounded_and_those_that_are_over_make_room() {
    let id = |n: usize| InvitationId(Uuid::from_u128(0x1000 + n as u128));
    let short = |n: usize| told(id(n), invitation(Role::Member, ALICE, 60));
    let mut events = vec![created()];
    events.extend((0..MOST_INVITATIONS).map(short));
    let full = Rejection::TooManyInvitations;
    given::<Workspace>(events.clone()).when(invite(Role::Member, ALICE, 60)).then_rejected(&full);
    let later = Invitation { since: at(60), ..invitation(Role::Member, ALICE, 90) };
    let after = Command::Invite { invitation: OTHER, new: later };
    given::<Workspace>(events.clone()).when(after).then([told(OTHER, later)]);
    events.push(told(OTHER, later));
    let workspace = crate::aggregate::fold::<Workspace>(&events);
    assert_eq!(workspace.invitations.keys().collect::<Vec<_>>(), [&OTHER], "what is over is forgotten");
    let mut revoked = events[..=MOST_INVITATIONS].to_vec();
    revoked.push(Event::InvitationRevoked { invitation: id(0) });
    given::<Workspace>(revoked).when(invite(Role::Member, ALICE, 60)).then([invited(Role::Member, ALICE, 60)]);
}

#[test]
fn an_open_invitation_is_revoked_by_who_could_have_made_it() {
    let revoke = |by| Command::RevokeInvitation { invitation: INVITATION, by };
    let gone = Event::InvitationRevoked { invitation: INVITATION };
    let events = |role| vec![created(), added(BOB, Role::Admin), invited(role, ALICE, 60)];
    for by in [ALICE, BOB] {
        given::<Workspace>(events(Role::Admin)).when(revoke(by)).then([gone.clone()]);
    }
    let above = Rejection::NotYoursToGive { grant: Grant::WorkspaceManage };
    given::<Workspace>(events(Role::Owner)).when(revoke(BOB)).then_rejected(&above);
    for end in [gone, accepted(DAVE, Role::Admin)] {
        let mut ended = events(Role::Admin);
        ended.push(end);
        given::<Workspace>(ended).when(revoke(ALICE)).then_rejected(&Rejection::NoInvitation);
    }
    given::<Workspace>([created()]).when(revoke(ALICE)).then_rejected(&Rejection::NoInvitation);
}
