//! The scheduler follows the owner: it replaces what the owner lost and retires what nobody awaits, after the standby.

use super::*;
use crate::{
    aggregate::fold,
    allocation::Event as Lived,
    numbers::Epoch,
    route_owner::Event as Routed,
    story::{BLUE, FIRST, GREEN, SECOND, allocated, allocation, at, crashed, opened, owner, planned, ready},
};

const POLICY: DrainPolicy = DrainPolicy { drain_seconds: 30, standby_seconds: 300 };

fn promoted(to: DeploymentId, epoch: u64, seconds: i64) -> Routed {
    let by = if to == BLUE { FIRST } else { SECOND };
    Routed::Promoted { by, epoch: Epoch(epoch), owner: owner(to), at: at(seconds), drain: None }
}

/// BLUE owned the traffic; GREEN does since the second 100.
fn green_owns() -> RouteOwner {
    fold(&[Routed::Opened(opened()), promoted(BLUE, 1, 0), promoted(GREEN, 2, 100)])
}

fn runs(n: u128, deployment: DeploymentId) -> Allocation {
    allocated(planned(allocation(n), deployment, Epoch(0)), &[ready(deployment)])
}

fn after(n: u128, deployment: DeploymentId, then: &[Lived]) -> Allocation {
    allocated(planned(allocation(n), deployment, Epoch(0)), then)
}

fn asked(now: i64, owner: &RouteOwner, allocations: &[Allocation], awaited: &[DeploymentId]) -> Vec<Order> {
    orders(&Lane { now: at(now), owner, drain: POLICY, allocations, failures: &[], awaited })
}

fn retired(n: u128) -> Order {
    Order::Drain(allocation(n), "its deployment no longer owns the traffic and its standby is over")
}

#[test]
fn an_owner_that_runs_needs_nothing() {
    assert_eq!(asked(1_000, &green_owns(), &[runs(1, GREEN)], &[]), []);
}

#[test]
fn an_owner_with_an_allocation_on_its_way_needs_nothing() {
    for then in [vec![], vec![Lived::Pulling {}], vec![Lived::Starting { digest: crate::story::GREEN_BYTES }]] {
        assert_eq!(asked(1_000, &green_owns(), &[after(1, GREEN, &then)], &[]), [], "{then:?}");
    }
}

#[test]
fn an_owner_whose_allocations_have_ended_or_are_ending_is_replaced() {
    let ended = [vec![crashed()], vec![Lived::Draining { reason: "host".into() }], vec![Lived::Stopped {}]];
    assert_eq!(asked(1_000, &green_owns(), &[], &[]), [Order::ReplaceOwner]);
    for then in ended {
        assert_eq!(asked(1_000, &green_owns(), &[after(1, GREEN, &then)], &[]), [Order::ReplaceOwner], "{then:?}");
    }
}

#[test]
fn a_former_owner_stays_up_exactly_until_its_standby_is_over() {
    let lane = [runs(1, BLUE), runs(2, GREEN)];
    assert_eq!(asked(399, &green_owns(), &lane, &[]), []);
    assert_eq!(asked(400, &green_owns(), &lane, &[]), [retired(1)]);
}

#[test]
fn a_drain_longer_than_the_standby_counts() {
    let owner = green_owns();
    let lane = [runs(1, BLUE), runs(2, GREEN)];
    let drain = DrainPolicy { drain_seconds: 900, standby_seconds: 300 };
    let asked =
        |now| orders(&Lane { now: at(now), owner: &owner, drain, allocations: &lane, failures: &[], awaited: &[] });
    assert_eq!((asked(999), asked(1_000)), (vec![], vec![retired(1)]));
}

#[test]
fn what_a_running_operation_awaits_is_kept() {
    let lane = [runs(1, BLUE), runs(2, GREEN)];
    assert_eq!(asked(10_000, &green_owns(), &lane, &[BLUE]), []);
}

#[test]
fn what_drains_already_is_not_drained_again() {
    let lane = [after(1, BLUE, &[ready(BLUE), Lived::Draining { reason: "over".into() }]), runs(2, GREEN)];
    assert_eq!(asked(10_000, &green_owns(), &lane, &[]), []);
}

#[test]
fn without_an_owner_nothing_is_replaced_and_what_nobody_awaits_goes() {
    let nobody = fold(&[Routed::Opened(opened())]);
    assert_eq!(asked(0, &nobody, &[], &[]), []);
    assert_eq!(asked(0, &nobody, &[runs(1, BLUE)], &[]), [retired(1)]);
    assert_eq!(asked(0, &nobody, &[runs(1, BLUE)], &[BLUE]), []);
}

#[test]
fn orders_carried_out_leave_nothing_to_order() {
    let lane = [after(1, BLUE, &[ready(BLUE)])];
    assert_eq!(asked(400, &green_owns(), &lane, &[]), [retired(1), Order::ReplaceOwner]);
    let obeyed = [after(1, BLUE, &[ready(BLUE), Lived::Draining { reason: "over".into() }]), after(2, GREEN, &[])];
    assert_eq!(asked(400, &green_owns(), &obeyed, &[]), []);
}

/// What is ordered at a moment for an owner with nothing that runs, whose allocations failed then.
fn asked_after(failed: &[i64], now: i64) -> Vec<Order> {
    let failures = failed.iter().map(|seconds| at(*seconds)).collect::<Vec<_>>();
    let owner = green_owns();
    orders(&Lane { now: at(now), owner: &owner, drain: POLICY, allocations: &[], failures: &failures, awaited: &[] })
}

#[test]
fn an_owner_that_keeps_failing_is_replaced_less_and_less_often() {
    for (failed, wait) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (40, 300)] {
        let failures = (0..failed).map(|n| 1_000 - n).collect::<Vec<_>>();
        assert_eq!(asked_after(&failures, 1_000 + wait - 1), [], "{failed} failures");
        assert_eq!(asked_after(&failures, 1_000 + wait), [Order::ReplaceOwner], "{failed} failures");
    }
}

#[test]
fn failures_are_forgotten_after_an_hour() {
    let failures = [0, 1, 2, 3, 3_599];
    assert_eq!(asked_after(&failures, 3_602), [], "two within the hour wait 4 seconds");
    assert_eq!(asked_after(&failures, 3_603), [Order::ReplaceOwner], "five would wait 32");
}
