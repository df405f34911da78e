//! A migration is recorded once, under one name, and only a restore undoes it, together with all that ran after it.

mod model;

use super::*;
use crate::{
    aggregate::{fold, given},
    story::{BLUE_BYTES, GREEN_BYTES, because, ran},
};
use Impact::{Additive, Destructive};

fn recorded(id: &str) -> Event {
    Event::Recorded(ran(id, Additive, Epoch(1)))
}

fn restore(before: &str) -> Command {
    Command::Restore {
        before: MigrationName::parse("id", before).expect("a name"),
        evidence: Proof::parse("evidence", "backup 7 was restored").expect("a proof"),
        reason: because("orders are missing"),
    }
}

fn names(all: &[Recorded]) -> Vec<&str> {
    all.iter().map(|one| one.id.as_str()).collect()
}

#[test]
fn a_migration_is_recorded_once_and_the_same_again_is_no_event() {
    given::<Migrations>([]).when(Command::Record(ran("0001", Additive, Epoch(1)))).then([recorded("0001")]);
    given::<Migrations>([recorded("0001")]).when(Command::Record(ran("0001", Additive, Epoch(7)))).then([]);
}

#[test]
fn a_name_that_stands_for_something_else_is_refused() {
    let other = Recorded { digest: BLUE_BYTES, ..ran("0001", Additive, Epoch(1)) };
    let id = other.id.clone();
    given::<Migrations>([recorded("0001")]).when(Command::Record(other)).then_rejected(&Rejection::OtherBytes {
        id: id.clone(),
        expected: BLUE_BYTES,
        actual: GREEN_BYTES,
    });
    given::<Migrations>([recorded("0001")])
        .when(Command::Record(ran("0001", Destructive, Epoch(1))))
        .then_rejected(&Rejection::OtherImpact { id, expected: Destructive, actual: Additive });
}

#[test]
fn a_restore_undoes_the_migration_and_all_that_ran_after_it() {
    let before: Migrations = fold(&[recorded("0001"), recorded("0002"), recorded("0003")]);
    let events = before.decide(restore("0002")).expect("it ran");
    let Event::Restored { undone, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(undone.iter().map(MigrationName::as_str).collect::<Vec<_>>(), ["0002", "0003"]);
    let mut after = before.clone();
    after.apply(&events[0]);
    assert_eq!((names(&after.ran), names(&after.undone)), (vec!["0001"], vec!["0002", "0003"]));
    after.apply(&recorded("0002"));
    assert_eq!((names(&after.ran), names(&after.undone)), (vec!["0001", "0002"], vec!["0003"]));
}

#[test]
fn what_never_ran_cannot_be_undone() {
    let id = MigrationName::parse("id", "0009").expect("a name");
    given::<Migrations>([recorded("0001")]).when(restore("0009")).then_rejected(&Rejection::NotRecorded(id));
}
