//! The traps of the glossary that are the route's: each sin is committed beside the real noun, which refuses it.

use super::*;
use crate::{
    actor::Writer,
    allocation::{self, Allocation},
    authorization::{Authority, Scope, Unauthorized},
    environment::{DrainPolicy, Replicas},
    feed::{EndpointState, Runs},
    scheduling::{self, Lane},
    story::{allocated, allocation, planned, ready},
};

/// Who owns the traffic after a stale worker has said what it decided on epoch 1, while another one made it epoch 2.
fn after_a_stale_worker(
    decide: impl Fn(&RouteOwner, Command) -> Result<Vec<Event>, Rejection>,
) -> (Epoch, DeploymentId) {
    let mut route = state(&green());
    for event in decide(&route, promote(THIRD, 1, BLUE)).unwrap_or_default() {
        route.apply(&event);
    }
    (route.epoch, route.owner.expect("somebody owns it").deployment)
}

#[test]
fn trap_letting_stale_promotion_workers_overwrite_newer_route_ownership() {
    given::<RouteOwner>(green()).when(promote(THIRD, 1, BLUE)).then_rejected(&stale(1, 2));
    assert_eq!(after_a_stale_worker(RouteOwner::decide), (Epoch(2), GREEN));
    // The sin: a write that asks for no predecessor.
    let overwrites = |route: &RouteOwner, command: Command| {
        let Command::Promote(change) = command else { return route.decide(command) };
        route.decide(Command::Promote(Change { expected: route.epoch, ..change }))
    };
    assert_eq!(after_a_stale_worker(overwrites), (Epoch(3), BLUE), "the sin is caught: the newer owner is gone");
}

/// GREEN owns the traffic, and all that answers is an allocation of BLUE.
fn only_blue_answers() -> (RouteOwner, Vec<Allocation>) {
    let crashed = allocation::Event::Failed { reason: "exit 1".into(), cause: None };
    let green_one = allocated(planned(allocation(1), GREEN, Epoch(2)), &[ready(GREEN), crashed]);
    let blue_one = allocated(planned(allocation(2), BLUE, Epoch(1)), &[ready(BLUE)]);
    (state(&green()), vec![green_one, blue_one])
}

#[test]
fn trap_confusing_the_route_owner_with_allocation_selection() {
    let (route, allocations) = only_blue_answers();
    let owner = route.owner.as_ref().expect("somebody owns it").runs();
    // Whoever selects chooses among the owner's, of which none answers, and nobody's selection makes an owner.
    let selected = |allocations: &[Allocation]| -> Option<Runs> {
        let answers = |one: &&Allocation| one.endpoint().is_some_and(|endpoint| endpoint.state == EndpointState::Ready);
        Some(allocations.iter().find(answers)?.planned.as_ref()?.runs())
    };
    assert_ne!(selected(&allocations), Some(owner), "the sin is caught: what is selected is taken for who owns");
    let chosen = allocations.iter().filter(|one| one.planned.as_ref().is_some_and(|one| route.owns(one)));
    assert_eq!(chosen.filter(|one| one.state == Some(allocation::State::Ready)).count(), 0);
    let lane = Lane {
        now: at(1_000),
        owner: &route,
        replicas: Replicas::ONE,
        drain: DrainPolicy::default(),
        allocations: &allocations,
        failures: &[],
        awaited: &[],
        leaving: &[],
        proving: &[],
        lost: &[],
        busy: &[],
    };
    let orders = scheduling::orders(&lane);
    assert!(orders.contains(&scheduling::Order::ReplaceOwner), "it follows the owner: {orders:?}");
    // Whoever selects tries to make its choice the owner.
    for writer in [Writer::Scheduler, Writer::Runner] {
        let refused = Authority::itself().permit("route_owner.promote", writer, Scope::default());
        assert!(matches!(refused, Err(Unauthorized::WrongWriter { .. })), "{writer}: {refused:?}");
    }
}
