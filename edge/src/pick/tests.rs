//! Who gets traffic, and above all who never does.

use super::*;
use crate::{
    allocations::{Allocations, InFlight},
    apply::tests::{BLUE, ELSEWHERE, GREEN, PREVIEW, endpoint, route},
    table::Trust,
};
use chrono::TimeDelta;
use rhone_domain::{
    digest::Digest,
    feed::{Drain, Endpoint, Route},
    ids::DeploymentId,
    numbers::EnvSet,
};
use uuid::Uuid;

fn at(dice: u64) -> Moment {
    Moment { now: DateTime::UNIX_EPOCH, millis: 1, dice }
}

fn lane(owner: DeploymentId) -> Lane {
    Lane::new(route(2, 0, Some(owner)), Trust::Good)
}

fn target(all: &Allocations, endpoint: Endpoint) -> Arc<Target> {
    let allocation = all.meet(endpoint.allocation);
    Arc::new(Target::new(endpoint, allocation).expect("an address"))
}

fn id(n: u128) -> AllocationId {
    AllocationId(Uuid::from_u128(n))
}

fn chosen(lane: &Lane, targets: &[Arc<Target>], wish: Wish, dice: u64) -> Option<AllocationId> {
    pick(lane, targets, wish, at(dice)).map(|target| target.endpoint.allocation)
}

#[test]
fn only_what_the_route_says_gets_traffic() {
    let ready = || endpoint(1, BLUE, 1, EndpointState::Ready);
    let unfit = [
        ("another environment, same deployment", Endpoint { environment: PREVIEW, ..ready() }),
        ("another deployment", Endpoint { deployment: GREEN, ..ready() }),
        ("another set of variables", Endpoint { env_set: EnvSet(2), ..ready() }),
        ("other bytes", Endpoint { artifact: Digest::ZERO, ..ready() }),
        ("draining", Endpoint { state: EndpointState::Draining, ..ready() }),
        ("gone", Endpoint { state: EndpointState::Gone, ..ready() }),
    ];
    let all = Allocations::default();
    for (name, endpoint) in unfit {
        let wish = Wish { pinned: Some(endpoint.allocation), except: None };
        let targets = [target(&all, endpoint)];
        assert_eq!(chosen(&lane(BLUE), &targets, wish, 7), None, "{name}");
    }
    assert_eq!(chosen(&lane(BLUE), &[target(&all, ready())], Wish::default(), 7), Some(id(1)));
}

#[test]
fn failures_choose_among_the_owners_allocations_and_never_another_owner() {
    let all = Allocations::default();
    let targets = [
        target(&all, endpoint(1, BLUE, 1, EndpointState::Ready)),
        target(&all, endpoint(2, BLUE, 1, EndpointState::Ready)),
        target(&all, endpoint(3, GREEN, 1, EndpointState::Ready)),
    ];
    targets[0].allocation.failed();
    for dice in 0..64 {
        assert_eq!(chosen(&lane(BLUE), &targets, Wish::default(), dice << 32 | dice), Some(id(2)));
    }
    targets[1].allocation.failed();
    let tried: Vec<_> = (0..4).filter_map(|n| chosen(&lane(BLUE), &targets, Wish::default(), n << 32 | n)).collect();
    assert_eq!(tried, [id(1), id(2), id(1), id(2)], "when all have failed, all are tried");
}

/// How many targets a way of picking sends traffic to that the route does not name, over every way in which a healthy backend
/// can be the wrong one.
fn misled(pick: impl Fn(&Lane, &[Arc<Target>], Wish) -> Option<AllocationId>) -> usize {
    let all = Allocations::default();
    let healthy = |deployment| [target(&all, endpoint(1, deployment, 1, EndpointState::Ready))];
    let moved = Route { region: ELSEWHERE, ..route(2, 0, Some(BLUE)) };
    let drained =
        Route { drain: Some(Drain { deployment: BLUE, deadline: DateTime::<Utc>::MAX_UTC }), ..moved.clone() };
    let cases = [
        (lane(GREEN), healthy(BLUE)),
        (Lane::new(route(2, 0, None), Trust::Good), healthy(BLUE)),
        (Lane::new(moved, Trust::Elsewhere(ELSEWHERE)), healthy(BLUE)),
        (Lane::new(drained, Trust::Elsewhere(ELSEWHERE)), healthy(BLUE)),
    ];
    let wishes = [Wish::default(), Wish { pinned: Some(id(1)), except: None }];
    let picked = cases.iter().flat_map(|(lane, targets)| wishes.map(|wish| pick(lane, targets, wish)));
    picked.flatten().count()
}

/// Neither another deployment, nor the owner's own where it is served no longer, gets traffic for being healthy. The sins: one
/// takes whatever is healthy; one believes that the owner's deployment is the owner wherever it runs.
#[test]
fn trap_routing_by_healthy_backend() {
    assert_eq!(misled(|lane, targets, wish| chosen(lane, targets, wish, 7)), 0);
    let healthy = |_: &Lane, targets: &[Arc<Target>], _: Wish| {
        targets.iter().find(|target| target.allocation.is_healthy(1)).map(|target| target.endpoint.allocation)
    };
    assert_eq!(misled(healthy), 8, "a health that chooses an owner is caught every time");
    let wherever = |lane: &Lane, targets: &[Arc<Target>], wish: Wish| {
        chosen(&Lane::new(lane.route.clone(), Trust::Good), targets, wish, 7)
    };
    assert_eq!(misled(wherever), 4, "a pick that does not ask for the region is caught");
}

#[test]
fn of_two_the_less_busy_is_chosen() {
    let all = Allocations::default();
    let targets = [
        target(&all, endpoint(1, BLUE, 1, EndpointState::Ready)),
        target(&all, endpoint(2, BLUE, 1, EndpointState::Ready)),
    ];
    let _busy = InFlight::start(&targets[0].allocation);
    assert_eq!(chosen(&lane(BLUE), &targets, Wish::default(), 1), Some(id(2)));
    assert_eq!(chosen(&lane(BLUE), &targets, Wish::default(), 1 << 32), Some(id(2)));
}

#[test]
fn a_pin_reaches_the_former_owner_until_its_deadline_only() {
    let all = Allocations::default();
    let targets = [
        target(&all, endpoint(1, BLUE, 1, EndpointState::Draining)),
        target(&all, endpoint(2, GREEN, 1, EndpointState::Ready)),
    ];
    let wish = Wish { pinned: Some(id(1)), except: None };
    for (left, expected) in [(1, id(1)), (0, id(2)), (-1, id(2))] {
        let drain = Some(Drain { deployment: BLUE, deadline: at(0).now + TimeDelta::seconds(left) });
        let lane = Lane::new(Route { drain, ..route(2, 0, Some(GREEN)) }, Trust::Good);
        assert_eq!(chosen(&lane, &targets, wish, 0), Some(expected), "{left} s left");
        assert_eq!(chosen(&lane, &targets, Wish::default(), 0), Some(id(2)), "without a pin");
    }
}

#[test]
fn a_failed_pin_is_not_tried_again() {
    let all = Allocations::default();
    let targets = [
        target(&all, endpoint(1, BLUE, 1, EndpointState::Ready)),
        target(&all, endpoint(2, BLUE, 1, EndpointState::Ready)),
    ];
    let wish = Wish { pinned: Some(id(1)), except: Some(id(1)) };
    assert_eq!(chosen(&lane(BLUE), &targets, wish, 0), Some(id(2)));
}
