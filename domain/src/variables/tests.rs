//! Every rule of the sets: what each change does, each reason why it may not, and that an older set stays what it was.

mod model;

use super::*;
use crate::{
    aggregate::{Rejection as _, fold, given},
    feed::Owner,
    story::{ACME, BLUE, GREEN, PRODUCTION, SHOP, at, owner},
};
use uuid::Uuid;

const LANE: Lane = Lane { workspace: ACME, app: SHOP, environment: PRODUCTION };

fn key(text: &str) -> Key {
    Key::parse("key", text).expect("a key")
}

fn wanted(value: u8) -> Wanted {
    let digest = Digest([value; 32]);
    Wanted { kind: Kind::Secret, digest, value: ValueId(Uuid::from_u128(value.into())), bytes: 10 }
}

fn change(next: u64, set: &[(&str, Wanted)], unset: &[&str]) -> Command {
    Command::Change {
        lane: LANE,
        expected: None,
        sealed_for: EnvSet(next),
        set: set.iter().map(|(name, wanted)| (key(name), *wanted)).collect(),
        unset: unset.iter().map(|name| key(name)).collect(),
        at: at(1),
    }
}

fn changed(to: u64, set: &[(&str, Wanted)], unset: &[&str]) -> Event {
    Event::Changed {
        lane: LANE,
        to: EnvSet(to),
        set: set.iter().map(|(name, wanted)| (key(name), wanted.entry(EnvSet(to)))).collect(),
        unset: unset.iter().map(|name| key(name)).collect(),
        at: at(1),
    }
}

/// Set 1 has a token, set 2 another one and an address, set 3 only the address.
fn three_sets() -> Vec<Event> {
    vec![
        changed(1, &[("TOKEN", wanted(1))], &[]),
        changed(2, &[("TOKEN", wanted(2)), ("ADDRESS", wanted(3))], &[]),
        changed(3, &[], &["TOKEN"]),
    ]
}

#[test]
fn every_change_makes_the_next_set() {
    given::<Variables>([]).when(change(1, &[("TOKEN", wanted(1))], &[])).then([changed(
        1,
        &[("TOKEN", wanted(1))],
        &[],
    )]);
    given::<Variables>(three_sets()).when(change(4, &[("TOKEN", wanted(1))], &["ADDRESS"])).then([changed(
        4,
        &[("TOKEN", wanted(1))],
        &["ADDRESS"],
    )]);
}

#[test]
fn what_is_so_already_makes_no_set() {
    given::<Variables>(three_sets()).when(change(4, &[("ADDRESS", wanted(3))], &[])).then([]);
    let sealed_again = Wanted { value: ValueId(Uuid::from_u128(99)), ..wanted(3) };
    given::<Variables>(three_sets()).when(change(4, &[("ADDRESS", sealed_again)], &[])).then([]);
    let now_plain = Wanted { kind: Kind::Plain, ..wanted(3) };
    given::<Variables>(three_sets()).when(change(4, &[("ADDRESS", now_plain)], &[])).then([changed(
        4,
        &[("ADDRESS", now_plain)],
        &[],
    )]);
}

#[test]
fn an_older_set_stays_what_it_was() {
    let variables = fold::<Variables>(&three_sets());
    let held = |set| {
        let held = variables.at(EnvSet(set));
        held.map(|held| held.into_iter().map(|(key, entry)| (key.to_string(), entry.digest.0[0])).collect::<Vec<_>>())
    };
    assert_eq!(held(0), Some(vec![]));
    assert_eq!(held(1), Some(vec![("TOKEN".into(), 1)]));
    assert_eq!(held(2), Some(vec![("ADDRESS".into(), 3), ("TOKEN".into(), 2)]));
    assert_eq!(held(3), Some(vec![("ADDRESS".into(), 3)]));
    assert_eq!(held(4), None, "a set that was never made is not an empty one");
    assert_eq!(variables.now(), variables.at(EnvSet(3)).expect("there"));
}

#[test]
fn each_refusal_names_code_and_field() {
    let of_another = |lane| match change(4, &[("A", wanted(1))], &[]) {
        Command::Change { expected, sealed_for, set, unset, at, .. } => {
            Command::Change { lane, expected, sealed_for, set, unset, at }
        }
    };
    let expecting = |expected| match change(4, &[("A", wanted(1))], &[]) {
        Command::Change { lane, sealed_for, set, unset, at, .. } => {
            Command::Change { lane, expected: Some(EnvSet(expected)), sealed_for, set, unset, at }
        }
    };
    let long = Wanted { bytes: VALUE_BYTES + 1, ..wanted(1) };
    let most = Wanted { bytes: VALUE_BYTES, ..wanted(1) };
    let names = |count: usize| (0..count).map(|n| format!("K{n}")).collect::<Vec<_>>();
    let (many, large) = (names(MOST), names(8));
    let all = |names: &[String], wanted| {
        change(4, &names.iter().map(|name| (name.as_str(), wanted)).collect::<Vec<_>>(), &[])
    };
    let cases = [
        (of_another(Lane { environment: EnvironmentId(Uuid::from_u128(9)), ..LANE }), "NOT_FOUND", None),
        (expecting(2), "STALE_SET", Some("expectedSet")),
        (change(4, &[], &[]), "INVALID", Some("variables")),
        (change(4, &[("A", wanted(1))], &["A"]), "INVALID", Some("variables")),
        (change(4, &[], &["TOKEN"]), "NOT_FOUND", Some("key")),
        (change(4, &[("A", long)], &[]), "VALUE_TOO_LONG", Some("variables")),
        (change(5, &[("A", wanted(1))], &[]), "SEALED_FOR_ANOTHER_SET", None),
        (change(3, &[("A", wanted(1))], &[]), "SEALED_FOR_ANOTHER_SET", None),
        (all(&many, wanted(1)), "TOO_MANY_VARIABLES", Some("variables")),
        (all(&large, most), "SET_TOO_LARGE", Some("variables")),
    ];
    for (command, code, field) in cases {
        let told = format!("{command:?}");
        let rejection = fold::<Variables>(&three_sets()).decide(command).expect_err(&told);
        assert_eq!((rejection.code(), rejection.field()), (code, field), "{told}");
    }
    given::<Variables>(three_sets()).when(expecting(3)).then([changed(4, &[("A", wanted(1))], &[])]);
    assert!(fold::<Variables>(&three_sets()).decide(all(&names(7), most)).is_ok(), "seven of the longest fit");
    let first = |names: &[String], wanted| {
        change(1, &names.iter().map(|name| (name.as_str(), wanted)).collect::<Vec<_>>(), &[])
    };
    assert!(Variables::default().decide(first(&large, most)).is_ok(), "and eight, where nothing else is");
    assert!(Variables::default().decide(first(&many, wanted(1))).is_ok(), "as many as there may be");
}

#[test]
fn a_refusal_names_the_key() {
    let long = Wanted { bytes: VALUE_BYTES + 1, ..wanted(1) };
    let refused = fold::<Variables>(&three_sets()).decide(change(4, &[("A", wanted(1)), ("B", long)], &[]));
    assert_eq!(refused, Err(Rejection::ValueTooLong { key: key("B") }), "and nothing of it is done");
}

#[test]
fn keys_have_a_form_and_some_belong_to_the_platform() {
    let longest = format!("A{}", "B".repeat(254));
    for good in ["A", "DATABASE_URL", "A1_", "FLY_", "PORTS", "RHONE", longest.as_str()] {
        assert!(Key::parse("key", good).is_ok(), "{good}");
    }
    let too_long = format!("A{}", "B".repeat(255));
    for bad in ["", "a", "Aa", "1A", "_A", "A-B", "A B", "A=B", "Ä", "A\0", "A\n", too_long.as_str()] {
        let refused = Key::parse("key", bad).expect_err(bad);
        assert!(refused.rule.starts_with("a capital letter"), "{refused}");
    }
    for reserved in RESERVED.into_iter().chain(["RHONE_", "RHONE_REGION", "RHONE_ANYTHING"]) {
        let refused = Key::parse("key", reserved).expect_err(reserved);
        assert_eq!(refused.rule, format!("{reserved} is set by the platform and cannot be set here"));
    }
}

#[test]
fn how_long_a_secret_is_shows_in_blocks_only() {
    let cases = [(0, 256), (1, 256), (256, 256), (257, 512), (VALUE_BYTES, VALUE_BYTES as u64)];
    for (bytes, expected) in cases {
        assert_eq!(counted(bytes), expected, "{bytes}");
    }
}

#[test]
fn a_difference_is_told_by_key_and_digest() {
    let variables = fold::<Variables>(&three_sets());
    let set = |number| variables.at(EnvSet(number)).expect("made");
    let there = difference(&set(3), &set(1));
    assert_eq!(there.added.keys().map(Key::as_str).collect::<Vec<_>>(), ["TOKEN"]);
    assert_eq!(there.removed.keys().map(Key::as_str).collect::<Vec<_>>(), ["ADDRESS"]);
    assert!(there.changed.is_empty() && !there.is_empty());
    let other = difference(&set(2), &set(1));
    assert_eq!(other.changed[&key("TOKEN")].from.digest, Digest([2; 32]));
    assert_eq!(other.changed[&key("TOKEN")].to.digest, Digest([1; 32]));
    assert!(!other.is_empty(), "another value is a difference");
    assert!(!difference(&set(0), &set(1)).is_empty() && !difference(&set(1), &set(0)).is_empty());
    assert!(difference(&set(2), &set(2)).is_empty());
    let sealed_again = fold::<Variables>(&[changed(9, &[("TOKEN", wanted(1))], &[])]).now();
    assert!(difference(&set(1), &sealed_again).is_empty(), "the same value under another number is no difference");
}

#[test]
fn a_deployment_keeps_the_set_it_first_owned_an_environment_with() {
    let mut route = RouteOwner::default();
    assert_eq!(pinned(&route, BLUE, EnvSet(7)), EnvSet(7), "never an owner: the newest");
    route.former.insert(BLUE, Owner { env_set: EnvSet(3), ..owner(BLUE) });
    assert_eq!(pinned(&route, BLUE, EnvSet(7)), EnvSet(3), "an owner before: its own");
    assert_eq!(pinned(&route, GREEN, EnvSet(7)), EnvSet(7));
    assert_eq!(pinned(&route, BLUE, EnvSet(0)), EnvSet(3));
}

#[test]
fn required_keys_that_a_set_does_not_hold_are_named() {
    let variables = fold::<Variables>(&three_sets());
    let required = BTreeSet::from(["ADDRESS", "TOKEN"].map(key));
    let missing = |set| variables.missing(EnvSet(set), &required);
    assert_eq!(missing(1), [key("ADDRESS")]);
    assert_eq!(missing(2), []);
    assert_eq!(missing(3), [key("TOKEN")]);
    assert_eq!(missing(9), ["ADDRESS", "TOKEN"].map(key), "a set that was never made holds nothing");
}
