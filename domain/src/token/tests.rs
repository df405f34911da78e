//! A token is made once, never wider than what made it, given another secret or ended by its holder, and nobody else's is touched.

use super::*;
use crate::{
    aggregate::{Rejection as _, given},
    authorization::Grant,
    story::{ACME, ALICE, BLUE_BYTES, GREEN_BYTES, HOST_1, LYON, SUPPORT, at, name},
};
use std::collections::BTreeSet;
use uuid::Uuid;

mod model;

const BOB: ActorId = ActorId(Uuid::from_u128(2));
const ID: TokenId = TokenId(Uuid::from_u128(0x70ce));
const GLOBEX: WorkspaceId = WorkspaceId(Uuid::from_u128(0x610b));

fn secret() -> Secret {
    Secret { digest: GREEN_BYTES, hint: "x7Qk".into() }
}

fn another_secret() -> Secret {
    Secret { digest: BLUE_BYTES, hint: "Zz09".into() }
}

fn only(grants: &[Grant]) -> Narrowing {
    Narrowing::Only(grants.iter().copied().collect::<BTreeSet<_>>())
}

fn for_an_hour() -> Limits {
    Limits { until: Some(at(3_600)), ..Limits::default() }
}

fn deploys() -> Limits {
    Limits { workspace: Some(ACME), narrowing: only(&[Grant::Deploy, Grant::Scale]), ..for_an_hour() }
}

fn by(actor: ActorId, limits: Limits) -> Asker {
    Asker { actor, limits }
}

fn alice() -> Asker {
    by(ALICE, Limits::default())
}

fn create(limits: Limits, by: Asker) -> Command {
    Command::Create { id: ID, name: name("ci"), limits, secret: secret(), by, at: at(0) }
}

fn described(holder: Holder, limits: Limits) -> Described {
    Described { id: ID, actor: ALICE, holder, name: name("ci"), limits }
}

fn created(limits: Limits) -> Event {
    Event::Created { token: described(Holder::Person, limits), secret: secret(), at: at(0) }
}

fn issued(holder: Holder) -> Event {
    Event::Issued { token: described(holder, Limits::default()), secret: secret(), at: at(0) }
}

fn rotate(by: Asker) -> Command {
    Command::Rotate { secret: another_secret(), by, at: at(60) }
}

fn revoke(by: Asker) -> Command {
    Command::Revoke { by, at: at(60) }
}

fn holders() -> [Holder; 4] {
    [Holder::Person, Holder::Runner(HOST_1), Holder::Edge(LYON), Holder::Support(SUPPORT)]
}

#[test]
fn a_token_is_made_once() {
    given::<Token>([]).when(create(deploys(), alice())).then([created(deploys())]);
    given::<Token>([created(deploys())]).when(create(deploys(), alice())).then_rejected(&Rejection::Exists);
    let token = described(Holder::Person, deploys());
    let find = Command::Find { token: token.clone(), made: at(0) };
    given::<Token>([]).when(find.clone()).then([Event::Found { token, made: at(0) }]);
    given::<Token>([created(deploys())]).when(find).then_rejected(&Rejection::Exists);
    let issue = Command::Issue { token: described(Holder::Edge(LYON), Limits::default()), secret: secret(), at: at(0) };
    given::<Token>([]).when(issue.clone()).then([issued(Holder::Edge(LYON))]);
    given::<Token>([issued(Holder::Edge(LYON))]).when(issue).then_rejected(&Rejection::Exists);
}

#[test]
fn when_one_was_made_is_known_however_it_came_into_the_log() {
    let found = Event::Found { token: described(Holder::Person, for_an_hour()), made: at(-60) };
    for (event, made) in [(created(for_an_hour()), at(0)), (issued(Holder::Edge(LYON)), at(0)), (found, at(-60))] {
        let mut token = Token::default();
        token.apply(&event);
        assert_eq!((token.made, token.rotated, token.ended), (Some(made), None, None));
    }
}

#[test]
fn a_persons_token_is_made_by_nobody_for_them() {
    let issue = Command::Issue { token: described(Holder::Person, for_an_hour()), secret: secret(), at: at(0) };
    given::<Token>([]).when(issue).then_rejected(&Rejection::NotForAMachine);
}

#[test]
fn no_token_makes_one_that_may_more_reaches_further_or_lives_longer() {
    let asks = |limits: Limits| given::<Token>([]).when(create(limits, by(ALICE, deploys())));
    asks(deploys()).then([created(deploys())]);
    let narrower = Limits { narrowing: only(&[Grant::Deploy]), ..deploys() };
    asks(narrower.clone()).then([created(narrower)]);
    asks(Limits { narrowing: only(&[Grant::RollBack]), ..deploys() }).then_rejected(&Rejection::Wider);
    asks(Limits { narrowing: Narrowing::Whole, ..deploys() }).then_rejected(&Rejection::Wider);
    asks(Limits { workspace: Some(GLOBEX), ..deploys() }).then_rejected(&Rejection::Wider);
    asks(Limits { workspace: None, ..deploys() }).then_rejected(&Rejection::Wider);
    asks(Limits { until: Some(at(3_601)), ..deploys() }).then_rejected(&Rejection::OutlivesMaker);
}

#[test]
fn a_token_has_an_end_that_is_neither_too_soon_nor_too_late() {
    let asks = |until| given::<Token>([]).when(create(Limits { until, ..Limits::default() }, alice()));
    for lasts in [SHORTEST, LONGEST] {
        let limits = Limits { until: Some(at(0) + lasts), ..Limits::default() };
        asks(limits.until).then([created(limits)]);
    }
    let soon = at(0) + SHORTEST - TimeDelta::microseconds(1);
    let late = at(0) + LONGEST + TimeDelta::microseconds(1);
    for until in [None, Some(at(-1)), Some(soon), Some(late)] {
        asks(until).then_rejected(&Rejection::Lifetime);
    }
}

#[test]
fn what_passes_rights_on_is_in_no_narrowed_token() {
    for grant in NEVER_NARROWED {
        let limits = Limits { narrowing: only(&[Grant::Deploy, *grant]), ..for_an_hour() };
        let refused = Rejection::PassesRightsOn { grant: *grant };
        given::<Token>([]).when(create(limits, alice())).then_rejected(&refused);
    }
}

#[test]
fn its_holder_gives_it_another_secret_and_ends_it() {
    let rotated = Event::Rotated { secret: another_secret(), at: at(60) };
    given::<Token>([created(deploys())]).when(rotate(alice())).then([rotated.clone()]);
    given::<Token>([created(deploys()), rotated.clone()]).when(revoke(alice())).then([Event::Revoked { at: at(60) }]);
    let mut token = Token::default();
    token.apply(&created(deploys()));
    assert_eq!((token.secret.clone(), token.made, token.rotated), (Some(secret()), Some(at(0)), None));
    token.apply(&rotated);
    assert_eq!((token.secret.clone(), token.rotated, token.ended), (Some(another_secret()), Some(at(60)), None));
    token.apply(&Event::Revoked { at: at(90) });
    assert_eq!(token.ended, Some(at(90)));
}

#[test]
fn a_token_touches_no_wider_one_and_nobody_touches_anothers() {
    let askers = [
        by(BOB, Limits::default()),
        by(ALICE, Limits { narrowing: only(&[Grant::Deploy]), ..Limits::default() }),
        by(ALICE, Limits { workspace: Some(GLOBEX), ..Limits::default() }),
    ];
    for asker in askers {
        for command in [rotate(asker.clone()), revoke(asker.clone())] {
            given::<Token>([created(deploys())]).when(command).then_rejected(&Rejection::NoToken);
        }
    }
    // Itself, or one as wide.
    given::<Token>([created(deploys())]).when(revoke(by(ALICE, deploys()))).then([Event::Revoked { at: at(60) }]);
}

#[test]
fn a_token_takes_over_none_that_outlives_it_and_may_end_it() {
    let for_a_day = Limits { until: Some(at(86_400)), ..Limits::default() };
    let endless = Event::Found { token: described(Holder::Person, Limits::default()), made: at(0) };
    for known in [created(for_a_day), endless] {
        let asker = by(ALICE, for_an_hour());
        given::<Token>([known.clone()]).when(rotate(asker.clone())).then_rejected(&Rejection::NoToken);
        given::<Token>([known]).when(revoke(asker)).then([Event::Revoked { at: at(60) }]);
    }
    let rotated = Event::Rotated { secret: another_secret(), at: at(60) };
    given::<Token>([created(for_an_hour())]).when(rotate(by(ALICE, for_an_hour()))).then([rotated]);
}

#[test]
fn what_is_unknown_ended_or_over_is_no_token() {
    let over = created(Limits { until: Some(at(60)), ..Limits::default() });
    let gone = [vec![], vec![created(deploys()), Event::Revoked { at: at(1) }], vec![over]];
    for events in gone {
        for command in [rotate(alice()), revoke(alice())] {
            given::<Token>(events.clone()).when(command).then_rejected(&Rejection::NoToken);
        }
    }
}

#[test]
fn what_was_issued_is_withdrawn_and_nothing_else_is() {
    for holder in holders() {
        let issued = given::<Token>([issued(holder)]);
        let withdrawn = issued.when(Command::Withdraw { at: at(60) });
        match holder {
            Holder::Person => withdrawn.then_rejected(&Rejection::NoToken),
            Holder::Runner(_) | Holder::Edge(_) | Holder::Support(_) => {
                withdrawn.then([Event::Withdrawn { at: at(60) }]);
            }
        }
    }
    for holder in &holders()[1..] {
        for command in [rotate(alice()), revoke(alice())] {
            given::<Token>([issued(*holder)]).when(command).then_rejected(&Rejection::NoToken);
        }
        let ended = given::<Token>([issued(*holder), Event::Withdrawn { at: at(1) }]);
        ended.when(Command::Withdraw { at: at(60) }).then_rejected(&Rejection::NoToken);
    }
}

#[test]
fn it_stands_where_it_may_be_seen_and_nowhere_else() {
    assert_eq!(described(Holder::Person, deploys()).tenant(), ACME);
    assert_eq!(described(Holder::Person, for_an_hour()).tenant(), WorkspaceId(ALICE.0), "nobody's but hers");
    for holder in &holders()[1..] {
        assert_eq!(described(*holder, deploys()).tenant(), PLATFORM);
    }
}

#[test]
fn who_calls_with_it_stands_in_events_as_what_it_speaks_for() {
    let kinds = holders().map(Holder::kind);
    assert_eq!(kinds, [Some(ActorKind::Token), None, None, Some(ActorKind::Support)]);
}

#[test]
fn a_token_without_limits_says_so_by_saying_nothing() {
    let told = serde_json::to_value(described(Holder::Person, Limits::default())).expect("JSON");
    let fields = told.as_object().expect("an object").keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(fields, ["actor", "holder", "id", "name"]);
    let reads = described(Holder::Person, Limits { narrowing: only(&[]), ..for_an_hour() });
    let told = serde_json::to_value(&reads).expect("JSON");
    assert_eq!(told["grants"], serde_json::json!([]), "which is less than nothing said");
    assert_eq!(serde_json::from_value::<Described>(told).expect("read again"), reads);
}

#[test]
fn a_refusal_names_its_field() {
    assert_eq!(Rejection::NoToken.field(), Some("tokenId"));
    assert_eq!(Rejection::OutlivesMaker.field(), Some("expiresInSeconds"));
    assert_eq!(Rejection::Lifetime.to_string(), "a token is valid for at least 60 seconds and at most 366 days");
}
