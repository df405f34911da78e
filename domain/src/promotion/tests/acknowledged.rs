//! What an acknowledgement of the database covers: what was found when the operation was checked, and nothing that was done since.
//! Trap: an acknowledgement that is only looked for by the name of its gate; whoever gave it has not seen what came later.

use super::*;
use crate::{
    database_impact::Impact::{Additive, Destructive},
    ids::OperationId,
    migrations::Event,
    operation::Acknowledgement,
    story::{THIRD, ran, restored},
};

/// ALICE asked to go back to BLUE behind 0002, which a restore has undone, and acknowledged that. 0001 ran before it, since BLUE
/// owned the traffic.
fn going_back() -> Given {
    rollback().with(|g| {
        let mut asked = requested(Kind::Rollback, Epoch(2));
        if let Work::Rollback(change) = &mut asked.work {
            let taken = Acknowledgement { gate: "database".into(), reason: because("we told everybody") };
            change.acknowledgements.push(taken);
        }
        g.operation = vec![Gone::Requested(asked)];
        let (first, second) = (ran("0001", Additive, Epoch(1)), ran("0002", Destructive, Epoch(1)));
        g.migrations = vec![Event::Recorded(first), Event::Recorded(second), restored(&["0002"])];
        g.allocations = vec![allocated(planned(allocation(1), BLUE, Epoch(0)), &[ready(BLUE)])];
    })
}

/// The same, with what its gates said on record.
fn checked() -> Given {
    let asked = going_back();
    let Step::Enter(Stage::PolicyCheck, evidence) = asked.next() else { panic!("{:?}", asked.next()) };
    asked.with(|g| g.operation.push(Gone::StageEntered { stage: Stage::PolicyCheck, evidence }))
}

fn changes_the_route(given: &Given) -> bool {
    matches!(given.next(), Step::Do(Act::ChangeRoute(..)))
}

/// The sin: what the gates said when the operation was checked is forgotten, and one acknowledgement is as good as another.
#[test]
fn an_acknowledgement_covers_what_was_found_when_it_was_checked() {
    assert!(changes_the_route(&checked()), "nothing was done since: {:?}", checked().next());
    let further = checked().with(|g| g.migrations.push(restored(&["0001"])));
    let Step::Fail(failure) = further.next() else { panic!("more is lost by now: {:?}", further.next()) };
    assert_eq!((failure.code.as_str(), failure.route_changed), ("NEEDS_ACKNOWLEDGEMENT", false));
    let (expected, actual) = (failure.expected.as_deref(), failure.actual.as_deref());
    let (less, more) = (format!("destructive: 0002 recorded by {FIRST}"), format!(", 0001 recorded by {FIRST}"));
    assert_eq!((expected, actual), (Some(less.as_str()), Some(format!("{less}{more}").as_str())));
    let sin = further.with(|g| g.operation[1] = entered(Stage::PolicyCheck));
    assert!(changes_the_route(&sin), "the sin is not noticed: {:?}", sin.next());
}

/// The same, after 0002 was recorded once more, by this operation, and was undone once more.
fn undone_again(by: OperationId) -> Given {
    checked().with(|g| {
        let again = Event::Recorded(migrations::Recorded { by, ..ran("0002", Destructive, Epoch(1)) });
        g.migrations.extend([again, restored(&["0002"])]);
    })
}

/// The sin: what is lost goes by its name alone, and what was written between two restores is nobody's to acknowledge.
#[test]
fn what_was_recorded_and_undone_again_since_is_acknowledged_anew() {
    let again = undone_again(THIRD);
    let Step::Fail(failure) = again.next() else { panic!("more is lost by now: {:?}", again.next()) };
    let expected = Some(format!("destructive: 0002 recorded by {FIRST}"));
    let actual = Some(format!("destructive: 0002 recorded by {THIRD}"));
    let said = (failure.code.as_str(), failure.expected, failure.actual);
    assert_eq!(said, ("NEEDS_ACKNOWLEDGEMENT", expected, actual));
    let sin = undone_again(FIRST);
    assert!(changes_the_route(&sin), "nothing but the record tells them apart: {:?}", sin.next());
}

#[test]
fn what_was_done_since_and_closes_nothing_needs_no_other_acknowledgement() {
    let later = checked().with(|g| g.migrations.push(Event::Recorded(ran("0003", Additive, Epoch(2)))));
    assert!(changes_the_route(&later), "{:?}", later.next());
}
