//! Whole promotions and rollbacks: how they end well, and what each trouble, outage, rival and wish to cancel comes to, at each
//! step.

use super::memory::{Memory, Trouble, changing_owner};
use crate::{
    aggregate::fold,
    allocation::State,
    ids::DeploymentId,
    numbers::Epoch,
    operation::{Failure, Kind, Stage},
    route_owner::{Event as Routed, RouteOwner},
    runs::{End, Fault, Run, Times, at_each_step, meddled_at_each_step, run, succeeds},
    story::{BLUE, BLUE_BYTES, GREEN, GREEN_BYTES, bytes_of},
};

const BOTH: [Kind; 2] = [Kind::Promotion, Kind::Rollback];

/// Who owned the route before, at which epoch, and who was to own it.
fn story(kind: Kind) -> (DeploymentId, Epoch, DeploymentId) {
    if kind == Kind::Rollback { (GREEN, Epoch(2), BLUE) } else { (BLUE, Epoch(1), GREEN) }
}

fn good(kind: Kind) -> Stage {
    if kind == Kind::Promotion { Stage::Healthy } else { Stage::RolledBack }
}

fn ends(kind: Kind, trouble: Trouble) -> Run<Memory> {
    run(changing_owner(kind, trouble), Times::Twice, Fault::Nothing)
}

fn changes_of_owner(memory: &Memory) -> usize {
    memory.route.iter().filter(|event| matches!(event, Routed::Promoted { .. } | Routed::RolledBack { .. })).count()
}

/// The failure's code, expected and actual, and whether it says truly that the route has changed.
fn explained(failure: Option<&Failure>) -> Option<(&str, Option<&str>, Option<&str>, bool)> {
    let failure = failure?;
    Some((failure.code.as_str(), failure.expected.as_deref(), failure.actual.as_deref(), failure.route_changed))
}

/// A failure that left the route alone; one that waited for allocations says how many there were, or how the last one ended.
fn before_the_route(code: &str) -> (&str, Option<&str>, Option<&str>, bool) {
    let (expected, actual) = match code {
        "ALLOCATION_NOT_READY" => (Some("1 ready"), Some("0 ready")),
        "ALLOCATION_FAILED" => (Some("ready"), Some("failed")),
        _ => (None, None),
    };
    (code, expected, actual, false)
}

#[test]
fn a_promotion_and_a_rollback_give_the_route_to_the_exact_bytes_that_are_ready() {
    for kind in BOTH {
        let (_, before, to) = story(kind);
        let run = succeeds(&changing_owner(kind, Trouble::Nothing), good(kind));
        assert_eq!((run.end.after, run.world.owner()), (Stage::EdgePropagating, (to, before.next())), "{kind}");
        let ready: Vec<_> = run.world.allocations().into_iter().map(|one| (one.state, one.verified)).collect();
        assert_eq!(ready, [(Some(State::Ready), Some(bytes_of(to)))]);
    }
}

#[test]
fn a_promotion_leaves_no_pin_and_a_rollback_pins_and_quarantines_what_it_left() {
    let after = |kind| fold::<RouteOwner>(&ends(kind, Trouble::Nothing).world.route);
    let promoted = after(Kind::Promotion);
    assert!(promoted.pin.is_none() && promoted.quarantined.is_empty());
    let back = after(Kind::Rollback);
    assert_eq!(back.pin.map(|pin| pin.deployment), Some(BLUE));
    assert!(back.quarantined.contains_key(&GREEN_BYTES) && !back.quarantined.contains_key(&BLUE_BYTES));
}

#[test]
fn an_outage_of_the_log_beyond_the_deadline_ends_definitely_where_it_struck() {
    for kind in BOTH {
        let (owner, epoch, to) = story(kind);
        let mut found = at_each_step(&changing_owner(kind, Trouble::Nothing), Fault::Outage);
        let (_, proven) = found.pop().expect("steps");
        assert_eq!((proven.end.stage, proven.world.owner()), (good(kind), (to, epoch.next())), "it stays proven");
        let codes = ["DEADLINE_PASSED", "ALLOCATION_NOT_READY", "DEADLINE_PASSED"];
        assert_eq!(found.len(), codes.len(), "{kind}: to check, to plan, to change the route");
        for ((step, run), code) in found.into_iter().zip(codes) {
            assert_eq!(explained(run.end.failure.as_ref()), Some(before_the_route(code)), "{kind} at {step:?}");
            assert_eq!(run.world.owner(), (owner, epoch), "{kind} at {step:?}");
            assert_eq!(changes_of_owner(&run.world), usize::try_from(epoch.0).expect("small"));
        }
    }
}

#[test]
fn what_fails_before_the_route_has_changed_leaves_the_route_alone() {
    let cases = [
        (Trouble::AllocationsFail, "ALLOCATION_FAILED", 2),
        (Trouble::AllocationsHang, "ALLOCATION_NOT_READY", 1),
        (Trouble::NoHost, "ALLOCATION_NOT_READY", 0),
    ];
    for (kind, (trouble, code, allocations)) in BOTH.into_iter().flat_map(|kind| cases.map(|case| (kind, case))) {
        let (owner, epoch, _) = story(kind);
        let run = ends(kind, trouble);
        assert_eq!((run.end.stage, run.end.after), (Stage::Failed, Stage::PolicyCheck), "{kind}: {trouble:?}");
        assert_eq!(run.world.owner(), (owner, epoch), "{kind}: {trouble:?}");
        assert_eq!(explained(run.end.failure.as_ref()), Some(before_the_route(code)));
        assert_eq!(run.world.allocations().len(), allocations, "{kind}: {trouble:?}");
    }
}

#[test]
fn what_fails_afterwards_says_that_the_route_has_changed() {
    let cases = [
        (Trouble::EdgesSilent, "EDGES_NOT_CONVERGED", Some("2 edges"), Some("0 edges")),
        (Trouble::OneEdgeServesTheFormerOwner, "EDGES_NOT_CONVERGED", Some("2 edges"), Some("1 edges")),
        (Trouble::NoEdges, "NO_LIVE_EDGE", None, None),
    ];
    for (kind, (trouble, code, expected, actual)) in BOTH.into_iter().flat_map(|kind| cases.map(|case| (kind, case))) {
        let (_, before, to) = story(kind);
        let run = ends(kind, trouble);
        assert_eq!((run.end.stage, run.end.after), (Stage::Failed, Stage::EdgePropagating), "{kind}: {trouble:?}");
        assert_eq!(run.world.owner(), (to, before.next()), "{kind}: {trouble:?}");
        assert_eq!(explained(run.end.failure.as_ref()), Some((code, expected, actual, true)));
    }
}

#[test]
fn a_rival_at_any_step_ends_the_operation_with_both_epochs() {
    for kind in BOTH {
        let (_, before, _) = story(kind);
        let found = meddled_at_each_step(&changing_owner(kind, Trouble::Nothing), Memory::rival_changes_the_route);
        assert_eq!(found.len(), 4, "to check, to plan, to change the route, to end");
        for (stage, run) in found {
            let changed = stage.is_past_route_change();
            let (code, mine) = if changed { ("SUPERSEDED", before.next()) } else { ("STALE_EPOCH", before) };
            assert_eq!((run.end.stage, run.end.after), (Stage::Failed, stage), "{kind}");
            let (expected, actual) = (mine.to_string(), mine.next().to_string());
            let wanted = Some((code, Some(expected.as_str()), Some(actual.as_str()), changed));
            assert_eq!(explained(run.end.failure.as_ref()), wanted, "{kind} at {stage}");
            assert_eq!(run.world.owner(), (BLUE, mine.next()), "the rival's change stands");
            assert_eq!(changes_of_owner(&run.world), usize::try_from(run.world.owner().1.0).expect("small"));
        }
    }
}

#[test]
fn a_wish_to_cancel_at_any_step_is_granted_or_comes_too_late() {
    for kind in BOTH {
        let (owner, epoch, to) = story(kind);
        let mut found = at_each_step(&changing_owner(kind, Trouble::Nothing), Fault::WishToCancel);
        let (_, late) = found.pop().expect("steps");
        assert_eq!((late.end.stage, late.world.owner()), (good(kind), (to, epoch.next())), "the route has changed");
        for (step, run) in found {
            let wanted = End { stage: Stage::Cancelled, after: run.struck.expect("it struck"), failure: None };
            assert_eq!((run.end, run.world.owner()), (wanted, (owner, epoch)), "{kind} at {step:?}");
        }
    }
}
