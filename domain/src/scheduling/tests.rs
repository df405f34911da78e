//! The scheduler follows the owner: it replaces what the owner lost and retires what nobody awaits, after the standby.

mod lost;
mod rest;

use super::*;
use crate::{
    aggregate::Aggregate as _,
    aggregate::fold,
    allocation::{Event as Lived, Planned},
    numbers::{EnvSet, Epoch, SleepGeneration},
    route_owner::Event as Routed,
    story::{
        BLUE, FIRST, GREEN, HOST_1, HOST_2, SECOND, allocated, allocation, at, bergen, bytes_of, crashed, moved,
        opened, owner, planned, ready,
    },
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
    orders(&Lane { now: at(now), allocations, awaited, ..lane_of(owner) })
}

/// An environment that wants one allocation of its owner and has none.
fn lane_of(owner: &RouteOwner) -> Lane<'_> {
    Lane {
        now: at(0),
        owner,
        replicas: Replicas::ONE,
        drain: POLICY,
        allocations: &[],
        failures: &[],
        awaited: &[],
        leaving: &[],
        proving: &[],
        lost: &[],
        busy: &[],
    }
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
    let ended = [
        vec![crashed()],
        vec![Lived::Draining { reason: "host".into(), deadline: None }],
        vec![Lived::Stopped { sessions_ended: 0 }],
    ];
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

/// BLUE's traffic is served from BERGEN since the second 100; what it has in LYON counts for nothing.
#[test]
fn what_a_failover_left_behind_is_replaced_where_the_traffic_is_and_drained_after_its_standby() {
    let owner: RouteOwner = fold(&[Routed::Opened(opened()), promoted(BLUE, 1, 0), Routed::Moved(moved())]);
    let order = |n| Planned { region: bergen().region, cell: bergen().cell, ..planned(allocation(n), BLUE, Epoch(1)) };
    let (left, there) = (runs(1, BLUE), allocated(order(2), &[ready(BLUE)]));
    assert_eq!(asked(200, &owner, std::slice::from_ref(&left), &[]), [Order::ReplaceOwner], "it does not stand in");
    assert_eq!(asked(399, &owner, &[left.clone(), there.clone()], &[]), [], "nor is it one too many");
    let gone = Order::Drain(allocation(1), "the traffic is served from elsewhere and its standby is over");
    assert_eq!(asked(400, &owner, &[left, there], &[]), [gone]);
}

/// GREEN owns with set 1; what it has with another set serves nobody, and stands for nobody.
#[test]
fn what_runs_with_other_variables_than_the_owner_is_replaced_and_goes_at_once() {
    let with = |set| Planned { env_set: EnvSet(set), ..planned(allocation(1), GREEN, Epoch(0)) };
    let other = [allocated(with(2), &[ready(GREEN)])];
    let gone = || Order::Drain(allocation(1), "it runs with other variables than the owner");
    assert_eq!(asked(101, &green_owns(), &other, &[]), [gone(), Order::ReplaceOwner], "within the standby");
    assert_eq!(asked(101, &green_owns(), &other, &[GREEN]), [Order::ReplaceOwner], "something of GREEN is under way");
    let replaced = [other[0].clone(), runs(2, GREEN)];
    assert_eq!(asked(101, &green_owns(), &replaced, &[]), [gone()], "nor is the owner's own one too many");
    let mut asleep = green_owns();
    asleep.apply(&Routed::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(1_000) });
    assert_eq!(asked(1_003, &asleep, &other, &[]), [gone()]);
    // The sin: whoever does not look at the set takes it for the owner's.
    assert_eq!(asked(101, &green_owns(), &[allocated(with(1), &[ready(GREEN)])], &[]), [], "it is caught");
}

#[test]
fn a_drain_longer_than_the_standby_counts() {
    let owner = green_owns();
    let lane = [runs(1, BLUE), runs(2, GREEN)];
    let drain = DrainPolicy { drain_seconds: 900, standby_seconds: 300 };
    let asked = |now| orders(&Lane { now: at(now), drain, allocations: &lane, ..lane_of(&owner) });
    assert_eq!((asked(999), asked(1_000)), (vec![], vec![retired(1)]));
}

#[test]
fn what_a_running_operation_awaits_is_kept() {
    let lane = [runs(1, BLUE), runs(2, GREEN)];
    assert_eq!(asked(10_000, &green_owns(), &lane, &[BLUE]), []);
}

#[test]
fn what_drains_already_is_not_drained_again() {
    let lane =
        [after(1, BLUE, &[ready(BLUE), Lived::Draining { reason: "over".into(), deadline: None }]), runs(2, GREEN)];
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
    let obeyed = [
        after(1, BLUE, &[ready(BLUE), Lived::Draining { reason: "over".into(), deadline: None }]),
        after(2, GREEN, &[]),
    ];
    assert_eq!(asked(400, &green_owns(), &obeyed, &[]), []);
}

/// What is ordered at a moment for an owner with nothing that runs, whose allocations failed then.
fn asked_after(failed: &[i64], now: i64) -> Vec<Order> {
    let failures = failed.iter().map(|seconds| at(*seconds)).collect::<Vec<_>>();
    let owner = green_owns();
    orders(&Lane { now: at(now), failures: &failures, ..lane_of(&owner) })
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
    assert_eq!(asked_after(&[0, 3_598], 3_600), [Order::ReplaceOwner], "the hour of the first has just passed");
}

fn many(n: u8) -> Replicas {
    Replicas::new(n.into()).expect("a number of replicas")
}

fn surplus(n: u128) -> Order {
    Order::Drain(allocation(n), "more run than are wanted")
}

#[test]
fn as_many_are_kept_alive_as_are_wanted() {
    let owner = green_owns();
    for (alive, wanted, missing) in [(0, 3, 3), (1, 3, 2), (2, 3, 1), (3, 3, 0)] {
        let allocations = (0..alive).map(|n| runs(n, GREEN)).collect::<Vec<_>>();
        let found = orders(&Lane { replicas: many(wanted), allocations: &allocations, ..lane_of(&owner) });
        assert_eq!(found, vec![Order::ReplaceOwner; missing], "{alive} of {wanted}");
    }
}

#[test]
fn a_surplus_goes_newest_first_and_what_is_not_ready_before_what_is() {
    let owner = green_owns();
    let lane = [runs(1, GREEN), runs(2, GREEN), after(3, GREEN, &[Lived::Pulling {}]), runs(4, GREEN)];
    let asked = |wanted| orders(&Lane { replicas: many(wanted), allocations: &lane, ..lane_of(&owner) });
    assert_eq!(asked(4), []);
    assert_eq!(asked(3), [surplus(3)]);
    assert_eq!(asked(2), [surplus(3), surplus(4)]);
    assert_eq!(asked(1), [surplus(3), surplus(4), surplus(2)]);
}

/// Every lane of at most four allocations, each in every state: as many as are wanted stay ready, or all that were.
#[test]
fn scaling_in_never_goes_below_what_is_ready() {
    let states: [&[Lived]; 3] = [&[], &[Lived::Pulling {}], &[ready(GREEN)]];
    let owner = green_owns();
    let mut seen = 0;
    for code in 0..81_usize {
        let lane = (0..4_u32).map(|n| after(n.into(), GREEN, states[code / 3_usize.pow(n) % 3])).collect::<Vec<_>>();
        for wanted in 1..=4 {
            let drained = orders(&Lane { replicas: many(wanted), allocations: &lane, ..lane_of(&owner) });
            let is_ready = |one: &&Allocation| one.state == Some(State::Ready);
            let stays = |one: &&Allocation| {
                let id = one.planned.as_ref().expect("it was planned").id;
                !drained.iter().any(|order| matches!(order, Order::Drain(gone, _) if *gone == id))
            };
            let before = lane.iter().filter(is_ready).count();
            let after = lane.iter().filter(is_ready).filter(stays).count();
            assert_eq!(after, before.min(usize::from(wanted)), "{code} with {wanted} wanted: {drained:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 324);
}

#[test]
fn what_is_about_to_leave_is_replaced_first_and_not_taken_for_a_surplus() {
    let owner = green_owns();
    let leaving = [allocation(1)];
    let before = [runs(1, GREEN)];
    assert_eq!(orders(&Lane { allocations: &before, leaving: &leaving, ..lane_of(&owner) }), [Order::ReplaceOwner]);
    let replaced = [runs(1, GREEN), runs(2, GREEN)];
    assert_eq!(orders(&Lane { allocations: &replaced, leaving: &leaving, ..lane_of(&owner) }), []);
}

#[test]
fn what_a_lost_host_runs_is_replaced_and_becomes_a_surplus_when_the_host_is_back() {
    let owner = green_owns();
    let lost = [HOST_1];
    let before = [runs(1, GREEN)];
    assert_eq!(orders(&Lane { allocations: &before, lost: &lost, ..lane_of(&owner) }), [Order::ReplaceOwner]);
    let elsewhere = Planned { host: HOST_2, ..planned(allocation(2), GREEN, Epoch(0)) };
    let back = [runs(1, GREEN), allocated(elsewhere, &[ready(GREEN)])];
    assert_eq!(orders(&Lane { allocations: &back, lost: &lost, ..lane_of(&owner) }), []);
    assert_eq!(orders(&Lane { allocations: &back, ..lane_of(&owner) }), [surplus(2)]);
}

#[test]
fn the_next_goes_to_the_host_with_the_fewest_of_the_same_deployment() {
    let at_host = |n, host| allocated(Planned { host, ..planned(allocation(n), GREEN, Epoch(0)) }, &[ready(GREEN)]);
    assert_eq!(place::<Allocation>(&[HOST_2, HOST_1], &[]), Some(HOST_2), "the least busy one");
    assert_eq!(place(&[HOST_2, HOST_1], &[at_host(1, HOST_2)]), Some(HOST_1), "spread");
    assert_eq!(place(&[HOST_2, HOST_1], &[at_host(1, HOST_2), at_host(2, HOST_1)]), Some(HOST_2));
    let ended = after(1, GREEN, &[crashed()]);
    assert_eq!(place(&[HOST_1, HOST_2], &[ended]), Some(HOST_1), "what has ended is not there");
    assert_eq!(place::<Allocation>(&[], &[]), None);
}

#[test]
fn treating_allocation_health_as_route_ownership_truth() {
    // GREEN owns and has failed; BLUE is in the best of health. Nothing but GREEN is started, and BLUE still goes.
    let lane = [runs(1, BLUE), after(2, GREEN, &[crashed()])];
    assert_eq!(asked(400, &green_owns(), &lane, &[]), [retired(1), Order::ReplaceOwner]);
    // The sin: a scheduler that takes whoever is healthy for the owner would leave everything as it is.
    let healthy = lane.iter().find(|one| one.state == Some(State::Ready)).and_then(|one| one.planned.as_ref());
    let usurped = fold(&[Routed::Opened(opened()), promoted(healthy.expect("BLUE is").deployment, 1, 0)]);
    assert_ne!(asked(400, &usurped, &lane, &[]), asked(400, &green_owns(), &lane, &[]), "it is caught");
}

/// One on a host that is drained, and what stands in for it, in the state that these events lead to.
fn standing_in(then: &[Lived]) -> [Allocation; 2] {
    let fresh = Planned { replaces: Some(allocation(1)), host: HOST_2, ..planned(allocation(2), GREEN, Epoch(0)) };
    [runs(1, GREEN), allocated(fresh, then)]
}

#[test]
fn an_allocation_and_the_one_that_stands_in_for_it_count_as_one() {
    for then in [&[][..], &[ready(GREEN)]] {
        assert_eq!(asked(1_000, &green_owns(), &standing_in(then), &[]), [], "{then:?}");
    }
    assert_eq!(asked(1_000, &green_owns(), &standing_in(&[crashed()]), &[]), [], "what failed stands in for nothing");
}

#[test]
fn a_sleeping_owner_keeps_nothing_but_what_is_used_or_what_a_wake_has_started() {
    let mut owner = green_owns();
    owner.apply(&Routed::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(1_000) });
    let drained = |n| Order::Drain(allocation(n), "its environment sleeps");
    let lane = [runs(1, GREEN), runs(2, GREEN)];
    let look = |now, awaited: &[DeploymentId], busy: &[AllocationId]| {
        let now = at(now);
        orders(&Lane { now, allocations: &lane, awaited, busy, ..lane_of(&owner) })
    };
    assert_eq!(look(1_002, &[], &[]), [], "an edge may not have heard of it yet");
    assert_eq!(look(1_003, &[], &[]), [drained(1), drained(2)]);
    assert_eq!(look(1_003, &[], &[allocation(2)]), [drained(1)], "somebody came in before the edges knew");
    assert_eq!(look(9_000, &[GREEN], &[]), [], "a wake is under way");
    assert_eq!(asked(9_000, &owner, &[], &[]), [], "nothing is replaced while it sleeps");
    owner.apply(&Routed::Woken { by: FIRST, sleep_generation: SleepGeneration(1), at: at(9_000) });
    assert_eq!(asked(9_001, &owner, &[runs(3, GREEN)], &[]), []);
    assert_eq!(asked(9_001, &owner, &[], &[]), [Order::ReplaceOwner], "once awake it is replaced like any other");
}

/// GREEN's bytes, where its traffic is served, to prove something to SECOND.
fn proof(n: u128, by: Option<OperationId>) -> Allocation {
    allocated(Planned { proves: by, ..planned(allocation(n), GREEN, Epoch(0)) }, &[ready(GREEN)])
}

#[test]
fn what_proves_a_region_is_never_the_owners_and_is_left_alone_while_its_operation_runs() {
    let owner = green_owns();
    let proving = [SECOND];
    let asked = |allocations: &[Allocation], proving: &[OperationId]| {
        orders(&Lane { now: at(1_000), allocations, proving, ..lane_of(&owner) })
    };
    assert_eq!(asked(&[proof(1, Some(SECOND))], &proving), [Order::ReplaceOwner]);
    let both = [proof(1, Some(SECOND)), runs(2, GREEN)];
    assert_eq!(asked(&both, &proving), []);
    assert!(matches!(asked(&both, &[])[..], [Order::Drain(id, _)] if id == allocation(1)));
    // The sin: whoever does not look at what it is for takes it for one of the owner's.
    assert_eq!(asked(&[proof(1, None)], &proving), [], "it is caught above");
}
