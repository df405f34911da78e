//! One holder at a time.

mod model;

use super::*;
use crate::aggregate::given;

const BLUE: Uuid = Uuid::from_u128(1);
const GREEN: Uuid = Uuid::from_u128(2);

fn claim(holder: Uuid) -> Command {
    Command::Claim { kind: Kind::Hostname, value: "shop.example.com".into(), holder }
}

fn claimed(holder: Uuid) -> Event {
    Event::Claimed { kind: Kind::Hostname, value: "shop.example.com".into(), holder }
}

#[test]
fn a_free_name_is_claimed_and_the_same_holder_may_say_so_again() {
    given::<Claim>([]).when(claim(BLUE)).then([claimed(BLUE)]);
    given::<Claim>([claimed(BLUE)]).when(claim(BLUE)).then([]);
}

#[test]
fn a_taken_name_is_refused_until_its_holder_releases_it() {
    given::<Claim>([claimed(BLUE)]).when(claim(GREEN)).then_rejected(&Rejection::Taken);
    given::<Claim>([claimed(BLUE), Event::Released { holder: BLUE }]).when(claim(GREEN)).then([claimed(GREEN)]);
}

#[test]
fn only_the_holder_releases_a_name() {
    given::<Claim>([claimed(BLUE)]).when(Command::Release { holder: GREEN }).then_rejected(&Rejection::NotHeld);
    given::<Claim>([]).when(Command::Release { holder: BLUE }).then_rejected(&Rejection::NotHeld);
}

#[test]
fn a_name_of_somebody_unsaid_is_neither_taken_nor_released() {
    let claim = Claim::of_somebody_else();
    assert_eq!(claim.decide(self::claim(BLUE)), Err(Rejection::Taken));
    assert_eq!(claim.decide(Command::Release { holder: BLUE }), Err(Rejection::NotHeld));
}

#[test]
fn the_stream_of_a_claim_depends_on_kind_scope_and_value() {
    let ids = [
        id(Kind::AppSlug, BLUE, "shop"),
        id(Kind::AppSlug, GREEN, "shop"),
        id(Kind::AppSlug, BLUE, "shop2"),
        id(Kind::ProjectSlug, BLUE, "shop"),
    ];
    let distinct = ids.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(distinct.len(), ids.len());
}
