//! Whole promotions and rollbacks: they succeed; they succeed with every step taken twice; and with a failure at each step
//! they end definitely, right there.

use super::memory::{End, Fault, Memory, Times, Way};
use crate::{
    allocation::State,
    ids::DeploymentId,
    numbers::Epoch,
    operation::{Failure, Kind, Stage},
    route_owner::Event as Routed,
    story::{BLUE, BLUE_BYTES, GREEN, GREEN_BYTES},
};

const BOTH: [Kind; 2] = [Kind::Promotion, Kind::Rollback];
const TIMES: [Times; 2] = [Times::Once, Times::Twice];

/// Who owned the route before, at which epoch, and who was to own it.
fn story(kind: Kind) -> (DeploymentId, Epoch, DeploymentId) {
    if kind == Kind::Rollback { (GREEN, Epoch(2), BLUE) } else { (BLUE, Epoch(1), GREEN) }
}

fn good(kind: Kind) -> End {
    let (_, before, to) = story(kind);
    let stage = if kind == Kind::Promotion { Stage::Healthy } else { Stage::RolledBack };
    End { stage, after: Stage::EdgePropagating, failure: None, epoch: before.next(), owner: to }
}

fn changes_of_owner(memory: &Memory) -> usize {
    memory.route.iter().filter(|event| matches!(event, Routed::Promoted { .. } | Routed::RolledBack { .. })).count()
}

/// Runs it and sees that it ends, that it stays ended, and that a worker from long ago changes nothing.
fn run(kind: Kind, times: Times, fault: Fault) -> (End, Memory) {
    let mut memory = Memory::of(kind, times, fault);
    let end = memory.run();
    let (fired, lengths) = (memory.fired, memory.lengths());
    assert_eq!(fired > 0, fault != Fault::Nothing, "{fault:?} fired {fired} times");
    memory.take_everything_again();
    assert_eq!(memory.lengths(), lengths, "a late worker changed something after {fault:?}");
    assert_eq!(memory.run(), end);
    (end, memory)
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
fn a_promotion_and_a_rollback_succeed_with_every_step_taken_once_or_twice() {
    for kind in BOTH {
        let (_, _, to) = story(kind);
        let once = run(kind, Times::Once, Fault::Nothing);
        let twice = run(kind, Times::Twice, Fault::Nothing);
        assert_eq!(once.0, good(kind));
        assert_eq!((&twice.0, twice.1.lengths()), (&once.0, once.1.lengths()), "{kind}");
        let runs: Vec<_> = twice.1.allocations().into_iter().map(|one| (one.state, one.verified)).collect();
        assert_eq!(runs, [(Some(State::Ready), Some(crate::story::bytes_of(to)))]);
    }
}

#[test]
fn a_promotion_leaves_no_pin_and_a_rollback_pins_and_quarantines_what_it_left() {
    let after = |kind| crate::aggregate::fold::<super::RouteOwner>(&run(kind, Times::Twice, Fault::Nothing).1.route);
    let promoted = after(Kind::Promotion);
    assert!(promoted.pin.is_none() && promoted.quarantined.is_empty());
    let back = after(Kind::Rollback);
    assert_eq!(back.pin.map(|pin| pin.deployment), Some(BLUE));
    assert!(back.quarantined.contains_key(&GREEN_BYTES) && !back.quarantined.contains_key(&BLUE_BYTES));
}

#[test]
fn a_worker_lost_before_any_step_is_in_the_log_changes_nothing_about_the_end() {
    for (kind, way) in BOTH.into_iter().flat_map(|kind| Way::ALL.map(|way| (kind, way))) {
        for times in TIMES {
            let (end, memory) = run(kind, times, Fault::LostOnce(way));
            assert_eq!(end, good(kind), "{kind} lost at {way:?}");
            assert_eq!(memory.fired, 1);
        }
    }
}

#[test]
fn an_outage_of_the_log_beyond_the_deadline_ends_definitely_where_it_struck() {
    for (kind, times) in BOTH.into_iter().flat_map(|kind| TIMES.map(|times| (kind, times))) {
        let (owner, epoch, _) = story(kind);
        for (way, code) in [
            (Way::Check, "ALLOCATION_NOT_READY"),
            (Way::Plan, "ALLOCATION_NOT_READY"),
            (Way::ChangeRoute, "DEADLINE_PASSED"),
        ] {
            let (end, memory) = run(kind, times, Fault::Outage(way));
            assert_eq!((end.stage, end.after), (Stage::Failed, Stage::PolicyCheck), "{kind} at {way:?}");
            assert_eq!((end.owner, end.epoch), (owner, epoch), "{kind} at {way:?}");
            assert_eq!(explained(end.failure.as_ref()), Some(before_the_route(code)));
            assert_eq!(changes_of_owner(&memory), usize::try_from(epoch.0).expect("small"));
        }
        assert_eq!(run(kind, times, Fault::Outage(Way::Finish)).0, good(kind), "what was proven stays proven");
    }
}

#[test]
fn what_fails_before_the_route_has_changed_leaves_the_route_alone() {
    let cases = [
        (Fault::AllocationsFail, "ALLOCATION_FAILED", 2),
        (Fault::AllocationsHang, "ALLOCATION_NOT_READY", 1),
        (Fault::NoHost, "ALLOCATION_NOT_READY", 0),
    ];
    for (kind, times) in BOTH.into_iter().flat_map(|kind| TIMES.map(|times| (kind, times))) {
        let (owner, epoch, _) = story(kind);
        for (fault, code, allocations) in cases {
            let (end, memory) = run(kind, times, fault);
            assert_eq!((end.stage, end.after), (Stage::Failed, Stage::PolicyCheck), "{kind}: {fault:?}");
            assert_eq!((end.owner, end.epoch), (owner, epoch), "{kind}: {fault:?}");
            assert_eq!(explained(end.failure.as_ref()), Some(before_the_route(code)));
            assert_eq!(memory.allocations().len(), allocations, "{kind}: {fault:?}");
        }
    }
}

#[test]
fn what_fails_afterwards_says_that_the_route_has_changed() {
    let cases = [
        (Fault::EdgesSilent, "EDGES_NOT_CONVERGED", Some("2 edges"), Some("0 edges")),
        (Fault::OneEdgeServesTheFormerOwner, "EDGES_NOT_CONVERGED", Some("2 edges"), Some("1 edges")),
        (Fault::NoEdges, "NO_LIVE_EDGE", None, None),
    ];
    for (kind, times) in BOTH.into_iter().flat_map(|kind| TIMES.map(|times| (kind, times))) {
        for (fault, code, expected, actual) in cases {
            let (end, _) = run(kind, times, fault);
            assert_eq!((end.stage, end.after), (Stage::Failed, Stage::EdgePropagating), "{kind}: {fault:?}");
            assert_eq!((end.owner, end.epoch), (good(kind).owner, good(kind).epoch), "{kind}: {fault:?}");
            assert_eq!(explained(end.failure.as_ref()), Some((code, expected, actual, true)));
        }
    }
}

#[test]
fn a_rival_at_any_step_ends_the_operation_with_both_epochs() {
    for (kind, times) in BOTH.into_iter().flat_map(|kind| TIMES.map(|times| (kind, times))) {
        let (_, before, _) = story(kind);
        for way in Way::ALL {
            let (end, memory) = run(kind, times, Fault::Rival(way));
            let changed = way == Way::Finish;
            let (code, mine) = if changed { ("SUPERSEDED", before.next()) } else { ("STALE_EPOCH", before) };
            let after = match way {
                Way::Check => Stage::Requested,
                Way::Plan | Way::ChangeRoute => Stage::PolicyCheck,
                Way::Finish => Stage::EdgePropagating,
            };
            assert_eq!((end.stage, end.after), (Stage::Failed, after), "{kind} at {way:?}");
            let (expected, actual) = (mine.to_string(), mine.next().to_string());
            let wanted = Some((code, Some(expected.as_str()), Some(actual.as_str()), changed));
            assert_eq!(explained(end.failure.as_ref()), wanted, "{kind} at {way:?}");
            assert_eq!((end.owner, end.epoch), (BLUE, mine.next()), "the rival's change stands");
            assert_eq!(changes_of_owner(&memory), usize::try_from(end.epoch.0).expect("small"));
        }
    }
}

#[test]
fn a_wish_to_cancel_at_any_step_is_granted_or_comes_too_late() {
    for (kind, times) in BOTH.into_iter().flat_map(|kind| TIMES.map(|times| (kind, times))) {
        let (owner, epoch, _) = story(kind);
        for (way, after) in
            [(Way::Check, Stage::Requested), (Way::Plan, Stage::PolicyCheck), (Way::ChangeRoute, Stage::PolicyCheck)]
        {
            let (end, _) = run(kind, times, Fault::WishToCancel(way));
            let wanted = End { stage: Stage::Cancelled, after, failure: None, epoch, owner };
            assert_eq!(end, wanted, "{kind} at {way:?}");
        }
        assert_eq!(run(kind, times, Fault::WishToCancel(Way::Finish)).0, good(kind), "the route has changed");
    }
}
