//! What an acknowledgement of the database covers: what was found when the operation was accepted, and nothing that was done since.
//! Trap: an acknowledgement that is only looked for by the name of its gate; whoever gave it has not seen what came later.

use super::*;
use crate::{
    database_impact::Impact::{Additive, Destructive},
    gate::Judged,
    ids::OperationId,
    migrations::Event,
    operation::Acknowledgement,
    story::{THIRD, ran, restored},
};

/// What was found when it was acknowledged.
fn found() -> String {
    format!("destructive: 0002 recorded by {FIRST}")
}

/// A request to go back to BLUE that acknowledges the database as it was found, or by the gate's name alone.
fn asked(covers: Option<String>) -> Requested {
    let mut asked = requested(Kind::Rollback, Epoch(2));
    if let Work::Rollback(change) = &mut asked.work {
        let taken = Acknowledgement { gate: "database".into(), reason: because("we told everybody"), covers };
        change.acknowledgements.push(taken);
    }
    asked
}

/// ALICE asked to go back to BLUE behind 0002, which a restore has undone, and acknowledged that. 0001 ran before it, since BLUE
/// owned the traffic.
fn going_back(covers: Option<String>) -> Given {
    rollback().with(|g| {
        g.operation = vec![Gone::Requested(asked(covers))];
        let (first, second) = (ran("0001", Additive, Epoch(1)), ran("0002", Destructive, Epoch(1)));
        g.migrations = vec![Event::Recorded(first), Event::Recorded(second), restored(&["0002"])];
        g.allocations = vec![allocated(planned(allocation(1), BLUE, Epoch(0)), &[ready(BLUE)])];
    })
}

/// The same, with what its gates said on record.
fn checked(covers: Option<String>) -> Given {
    going_back(covers).with(|g| g.operation.push(entered(Stage::PolicyCheck)))
}

fn changes_the_route(given: &Given) -> bool {
    matches!(given.next(), Step::Do(Act::ChangeRoute(..)))
}

fn is_checked(given: &Given) -> bool {
    matches!(given.next(), Step::Enter(Stage::PolicyCheck, _))
}

/// The code, and what was acknowledged and what is so.
fn refused(given: &Given) -> (String, Option<String>, Option<String>) {
    let Step::Fail(failure) = given.next() else { panic!("more is lost by now: {:?}", given.next()) };
    assert!(!failure.route_changed);
    (failure.code, failure.expected, failure.actual)
}

fn anew(actual: String) -> (String, Option<String>, Option<String>) {
    ("NEEDS_ACKNOWLEDGEMENT".to_owned(), Some(found()), Some(actual))
}

/// The sin: one acknowledgement is as good as another.
#[test]
fn an_acknowledgement_covers_what_was_found_when_it_was_given() {
    assert!(is_checked(&going_back(Some(found()))), "nothing was done since: {:?}", going_back(Some(found())).next());
    assert!(changes_the_route(&checked(Some(found()))), "nor since then: {:?}", checked(Some(found())).next());
    let further = |given: Given| given.with(|g| g.migrations.push(restored(&["0001"])));
    let more = anew(format!("{}, 0001 recorded by {FIRST}", found()));
    assert_eq!(refused(&further(going_back(Some(found())))), more, "before it was checked");
    assert_eq!(refused(&further(checked(Some(found())))), more, "after it was checked");
    let sins = (further(going_back(None)), further(checked(None)));
    assert!(is_checked(&sins.0) && changes_the_route(&sins.1), "the sin is not noticed");
}

#[test]
fn what_an_acknowledgement_covers_is_kept_with_the_request() {
    let gates = [Judged::open("vango_state", "warm", "same"), Judged::open("database", "undone", found())];
    assert_eq!(gate::covering(asked(None), &gates), asked(Some(found())));
}

/// The same, after 0002 was recorded once more, by this operation, and was undone once more.
fn undone_again(by: OperationId) -> Given {
    checked(Some(found())).with(|g| {
        let again = Event::Recorded(migrations::Recorded { by, ..ran("0002", Destructive, Epoch(1)) });
        g.migrations.extend([again, restored(&["0002"])]);
    })
}

/// The sin: what is lost goes by its name alone, and what was written between two restores is nobody's to acknowledge.
#[test]
fn what_was_recorded_and_undone_again_since_is_acknowledged_anew() {
    assert_eq!(refused(&undone_again(THIRD)), anew(format!("destructive: 0002 recorded by {THIRD}")));
    let sin = undone_again(FIRST);
    assert!(changes_the_route(&sin), "nothing but the record tells them apart: {:?}", sin.next());
}

#[test]
fn what_was_done_since_and_closes_nothing_needs_no_other_acknowledgement() {
    let later = checked(Some(found())).with(|g| g.migrations.push(Event::Recorded(ran("0003", Additive, Epoch(2)))));
    assert!(changes_the_route(&later), "{:?}", later.next());
}
