//! Which allocations a change of owner counts: exactly those that an edge would send somebody to. Variables that were set
//! between two attempts make the allocations of the first useless, however well they answer. Trap: readiness that looks at
//! deployment and bytes alone; the route would change to an owner that nobody serves, and the lane would look full.

use super::*;
use crate::{
    allocation::{Cause, Planned},
    gate::rests_on,
    ids::CellId,
    numbers::EnvSet,
    route_owner::{Place, RouteOwner},
    scheduling::{Lane, Order, orders},
    story::{BLUE_BYTES, CELL_1, LYON, THIRD, bergen},
};

/// GREEN wants the traffic with set 1; this one runs with the set before it.
fn stale(n: u128, then: &[Lived]) -> Allocation {
    allocated(Planned { env_set: EnvSet(0), ..planned(allocation(n), GREEN, Epoch(1)) }, then)
}

/// The sin: whoever does not look at the set sees every allocation as one of the wanted set.
fn without_sets(given: &Given) -> Given {
    let blind = |one: &Allocation| {
        let mut one = one.clone();
        one.planned.as_mut().expect("it was planned").env_set = EnvSet(1);
        one
    };
    Given { allocations: given.allocations.iter().map(blind).collect(), ..given.clone() }
}

#[test]
fn an_allocation_with_another_set_of_variables_is_neither_enough_nor_awaited() {
    let draining = Lived::Draining { reason: "x".into(), deadline: None };
    for then in [vec![], vec![starting()], vec![ready(GREEN)], vec![ready(GREEN), draining]] {
        let given = at_policy_check().with(|g| g.allocations = vec![stale(7, &then)]);
        let plan = Step::Do(Act::Plan(planned(allocation(1), GREEN, Epoch(1))));
        assert_eq!(given.next(), plan, "one with the wanted set is started beside it: {then:?}");
    }
    let both = at_policy_check().with(|g| g.allocations = vec![stale(7, &[ready(GREEN)]), started(&[])]);
    assert_eq!(both.next(), Step::Wait("an allocation is on its way"));
    let sin = without_sets(&both).next();
    assert!(matches!(sin, Step::Do(Act::ChangeRoute(..))), "the sin changes the route to what nobody serves: {sin:?}");
    let late = both.with(|g| g.now = at(60));
    assert_eq!(late.fails(), Some(("ALLOCATION_NOT_READY".into(), false)), "and it is no proof at the deadline");
}

#[test]
fn allocations_that_failed_with_another_set_do_not_count_against_this_one() {
    let mended = at_policy_check().with(|g| g.allocations = vec![stale(7, &[crashed()]), stale(8, &[crashed()])]);
    assert_eq!(mended.next(), Step::Do(Act::Plan(planned(allocation(1), GREEN, Epoch(1)))));
    let sin = without_sets(&mended).fails();
    assert_eq!(sin, Some(("ALLOCATION_FAILED".into(), false)), "the sin gives up on what was never tried");
}

/// Two that start on one host are given up in one turn when it falls silent. The sin: they count as two that failed.
#[test]
fn what_went_with_its_host_does_not_count_against_the_bytes() {
    let lost = || Lived::Failed { reason: "its host was silent".into(), cause: Some(Cause::HostLost) };
    let of = |first: Lived, second: Lived| {
        at_policy_check().with(|g| g.allocations = vec![started(&[first]), started(&[second])])
    };
    let plan = Step::Do(Act::Plan(planned(allocation(1), GREEN, Epoch(1))));
    assert_eq!(of(lost(), lost()).next(), plan, "another one is started");
    assert_eq!(of(lost(), crashed()).next(), plan);
    let sin = of(crashed(), crashed()).fails();
    assert_eq!(sin, Some(("ALLOCATION_FAILED".into(), false)), "whoever does not look at the cause gives up");
}

#[test]
fn a_rollback_takes_what_stands_by_with_its_own_set_and_nothing_else() {
    let back = |env_set| {
        rollback().with(|g| {
            g.operation.push(entered(Stage::PolicyCheck));
            let order = Planned { env_set, ..planned(allocation(7), BLUE, Epoch(0)) };
            g.allocations = vec![allocated(order, &[ready(BLUE)])];
        })
    };
    let changes = |given: &Given| matches!(given.next(), Step::Do(Act::ChangeRoute(..)));
    assert!(changes(&back(EnvSet(1))) && !changes(&back(EnvSet(2))));
    assert!(changes(&without_sets(&back(EnvSet(2)))), "the sin is caught");
}

/// The whole of it: a first promotion ends before the route changes, a variable is set, and the second one comes while the
/// first one's allocation still stands by.
#[test]
fn a_promotion_after_variables_were_set_waits_for_its_own_and_the_scheduler_lets_the_other_go() {
    let left_behind = stale(7, &[ready(GREEN)]);
    let second = at_policy_check().with(|g| g.allocations = vec![left_behind.clone()]);
    let Step::Do(Act::Plan(order)) = second.next() else { panic!("{:?}", second.next()) };
    let own = allocated(order, &[ready(GREEN)]);
    let served = second.with(|g| g.allocations.push(own.clone()));
    let Step::Do(Act::ChangeRoute(command, _)) = served.next() else { panic!("{:?}", served.next()) };
    let mut owner = fold::<RouteOwner>(&served.owner);
    for event in crate::aggregate::Aggregate::decide(&owner, command).expect("the route changes") {
        crate::aggregate::Aggregate::apply(&mut owner, &event);
    }
    let look = |allocations: &[Allocation], awaited: &[crate::ids::DeploymentId]| {
        orders(&Lane {
            now: at(2),
            owner: &owner,
            replicas: Replicas::ONE,
            drain: crate::environment::DrainPolicy::default(),
            allocations,
            failures: &[],
            awaited,
            leaving: &[],
            proving: &[],
            lost: &[],
            busy: &[],
        })
    };
    let gone = || Order::Drain(allocation(7), "it runs with other variables than the owner");
    let both = [left_behind.clone(), own];
    assert_eq!(look(&both, &[]), [gone()], "at once: nobody was ever sent there");
    assert_eq!(look(&both, &[GREEN]), [], "not while an operation of the deployment runs");
    assert_eq!(look(std::slice::from_ref(&left_behind), &[]), [gone(), Order::ReplaceOwner], "the lane is not full");
    let blind = without_sets(&at_policy_check().with(|g| g.allocations = vec![left_behind])).allocations;
    assert_eq!(look(&blind, &[]), [], "the sin believes that it is");
}

/// How often it is said otherwise than these cases say whether GREEN's change of route rests on an allocation.
fn wrong(rests: fn(&Allocation, &Requested, &RouteOwner) -> bool) -> usize {
    let good = planned(allocation(7), GREEN, Epoch(1));
    let other_bytes = Lived::Ready { digest: BLUE_BYTES, address: "127.0.0.1:7001".into() };
    let cases = [
        (allocated(good.clone(), &[ready(GREEN)]), true),
        (allocated(good.clone(), &[starting()]), false),
        (allocated(good.clone(), &[other_bytes]), false),
        (stale(7, &[ready(GREEN)]), false),
        (allocated(Planned { proves: Some(THIRD), ..good.clone() }, &[ready(GREEN)]), false),
        (allocated(Planned { cell: CellId(uuid::Uuid::nil()), ..good }, &[ready(GREEN)]), false),
        (allocated(planned(allocation(7), BLUE, Epoch(1)), &[ready(BLUE)]), false),
    ];
    let (requested, owner) = (requested(Kind::Promotion, Epoch(1)), fold::<RouteOwner>(&promotion().owner));
    cases.iter().filter(|(one, expected)| rests(one, &requested, &owner) != *expected).count()
}

#[test]
fn a_change_of_route_rests_on_exactly_what_was_counted() {
    assert_eq!(wrong(rests_on), 0);
    let ready_in_the_cell: fn(&Allocation, &Requested, &RouteOwner) -> bool = |one, requested, _| {
        one.planned.as_ref().map(|planned| planned.cell) == requested.cell && one.state == Some(State::Ready)
    };
    assert!(wrong(ready_in_the_cell) > 0, "the cases do not notice the sin");
}

#[test]
fn a_failover_rests_on_what_runs_where_it_goes() {
    use crate::region_failover::Failover;
    let promotion = requested(Kind::Promotion, Epoch(1));
    let change = promotion.work.route_change().cloned().expect("a promotion");
    let from = Place { region: LYON, cell: CELL_1 };
    let failover = Failover { change, from, to: bergen(), sessions: crate::session_fate::Fate::StartFresh };
    let asked = Requested { work: Work::RegionFailover(Box::new(failover)), ..promotion };
    let owner = fold::<RouteOwner>(&super::promotion().owner);
    let at_place = |place: Place, set| {
        let order = planned(allocation(7), GREEN, Epoch(1));
        let order = Planned { region: place.region, cell: place.cell, env_set: EnvSet(set), ..order };
        rests_on(&allocated(order, &[ready(GREEN)]), &asked, &owner)
    };
    assert_eq!(
        [(from, 1), (bergen(), 1), (bergen(), 0)].map(|(place, set)| at_place(place, set)),
        [false, true, false]
    );
}
