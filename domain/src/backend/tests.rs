//! Who may share a backend: every case against a table written from the rule; the traps by their names, with rules that fall
//! into them.

mod model;

use super::*;
use crate::{
    aggregate::given,
    environment::Kind,
    story::{
        because,
        bindings::{binding_id, used},
        slug,
    },
};

fn production() -> Use {
    Use { shared: None, ..used(Purpose::Truth) }
}

fn preview() -> Use {
    let environment = EnvironmentId(Uuid::from_u128(0x94e));
    Use { binding: binding_id(2), environment, slug: slug("preview"), kind: Kind::Preview, ..production() }
}

type MayTake = fn(&Backend, &Use) -> Result<(), Rejection>;

/// How many cases a rule judges otherwise than the table.
fn differences(may_take: MayTake) -> (usize, usize) {
    let (mut cases, mut wrong) = (0, 0);
    for (mine, theirs) in both(Purpose::ALL) {
        for (my_kind, their_kind) in both(Kind::ALL) {
            for same_workspace in [true, false] {
                for reason in [None, Some(because("one data set for both"))] {
                    let mut other = Use { purpose: theirs, kind: their_kind, ..production() };
                    if !same_workspace {
                        other.workspace = WorkspaceId(Uuid::from_u128(9));
                    }
                    let of = Use { purpose: mine, kind: my_kind, shared: reason.clone(), ..preview() };
                    let mixed = (mine == Purpose::Truth && theirs == Purpose::Broadcast)
                        || (mine == Purpose::Broadcast && theirs == Purpose::Truth);
                    let both_truth = mine == Purpose::Truth && theirs == Purpose::Truth;
                    let expected = match (mixed, both_truth) {
                        (true, _) => Some("BROADCAST_IS_TRUTH"),
                        (_, true) if !same_workspace => Some("SHARED_DATABASE"),
                        (_, true) if my_kind != their_kind && reason.is_none() => Some("SHARED_DATABASE"),
                        _ => None,
                    };
                    let backend = Backend { uses: [(other.binding, other)].into() };
                    let said = may_take(&backend, &of).err().map(|rejection| aggregate::Rejection::code(&rejection));
                    cases += 1;
                    wrong += usize::from(said != expected);
                }
            }
        }
    }
    (cases, wrong)
}

fn both<T: Copy>(all: &'static [T]) -> impl Iterator<Item = (T, T)> {
    all.iter().flat_map(|mine| all.iter().map(|theirs| (*mine, *theirs)))
}

#[test]
fn every_pair_of_uses_is_judged_as_the_table_says() {
    assert_eq!(differences(Backend::may_take), (3 * 3 * 3 * 3 * 2 * 2, 0));
}

/// The trap of the Environment.
#[test]
fn trap_preview_and_production_the_same_mutable_database() {
    let shared = Rejection::SharedDatabase { kind: Kind::Production, slug: slug("production") };
    given::<Backend>([Event::Taken(production())]).when(Command::Take(preview())).then_rejected(&shared);
    let declared = Use { shared: Some(because("one data set for both")), ..preview() };
    given::<Backend>([Event::Taken(production())]).when(Command::Take(declared.clone())).then([Event::Taken(declared)]);
}

/// The trap of the glossary's broadcast backend.
#[test]
fn trap_using_the_broadcast_backend_as_product_database_truth() {
    let broadcast = Use { purpose: Purpose::Broadcast, shared: Some(because("it is so handy")), ..preview() };
    given::<Backend>([Event::Taken(production())])
        .when(Command::Take(broadcast.clone()))
        .then_rejected(&Rejection::BroadcastIsTruth);
    given::<Backend>([Event::Taken(broadcast)])
        .when(Command::Take(production()))
        .then_rejected(&Rejection::BroadcastIsTruth);
}

#[test]
fn what_another_tenant_has_is_refused_without_a_word_about_them() {
    let theirs = Use { workspace: WorkspaceId(Uuid::from_u128(9)), slug: slug("secret-project"), ..production() };
    let mine = Use { shared: Some(because("it was meant")), ..preview() };
    given::<Backend>([Event::Taken(theirs)]).when(Command::Take(mine)).then_rejected(&Rejection::ForeignDatabase);
    assert!(!Rejection::ForeignDatabase.to_string().contains("secret-project"));
}

#[test]
fn a_use_ends_once_and_then_the_backend_is_free() {
    let (taken, released) = (Event::Taken(production()), Event::Released { binding: binding_id(1) });
    let release = || Command::Release { binding: binding_id(1) };
    given::<Backend>([taken.clone()]).when(release()).then([released.clone()]);
    given::<Backend>([taken.clone(), released.clone()]).when(release()).then([]);
    given::<Backend>([taken.clone()]).when(Command::Take(production())).then([]);
    given::<Backend>([taken, released]).when(Command::Take(preview())).then([Event::Taken(preview())]);
}

#[test]
fn sins_whoever_falls_into_a_trap_is_caught() {
    let shares_all: MayTake = |_, _| Ok(());
    let believes_names: MayTake = |backend, of| {
        let mut known = backend.clone();
        known.uses.retain(|_, other| other.slug == of.slug);
        known.may_take(of)
    };
    let shares_without_a_reason: MayTake =
        |backend, of| backend.may_take(&Use { shared: Some(because("never asked")), ..of.clone() });
    let takes_fan_out_for_truth: MayTake = |backend, of| match backend.may_take(of) {
        Err(Rejection::BroadcastIsTruth) => Ok(()),
        judged => judged,
    };
    for (sin, name) in [
        (shares_all, "shares all"),
        (believes_names, "believes names"),
        (shares_without_a_reason, "shares without a reason"),
        (takes_fan_out_for_truth, "takes fan-out for truth"),
    ] {
        assert!(differences(sin).1 > 0, "not caught: {name}");
    }
}

#[test]
fn a_resource_has_one_stream_by_what_it_is_and_another_has_another() {
    assert_eq!(id("postgres:1/2/shop"), id("postgres:1/2/shop"));
    assert_ne!(id("postgres:1/2/shop"), id("postgres:1/2/blog"));
}
