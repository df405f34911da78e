//! The case table of the apply rule: every row of position, and every row of a key's order.

use super::*;
use chrono::DateTime;
use rhone_domain::{
    feed::{Drain, EndpointState, Owner, Posture, chain},
    ids::{AllocationId, AppId, CellId, DeploymentId, EnvironmentId, HostId, RegionId, WorkspaceId},
    numbers::{EnvSet, Generation, Revision},
};
use uuid::Uuid;

pub(crate) const BLUE: DeploymentId = DeploymentId(Uuid::from_u128(0xb1));
pub(crate) const GREEN: DeploymentId = DeploymentId(Uuid::from_u128(0x9e));
pub(crate) const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(0x50));
pub(crate) const PREVIEW: EnvironmentId = EnvironmentId(Uuid::from_u128(0x51));
pub(crate) const REGION: RegionId = RegionId(Uuid::from_u128(1));
pub(crate) const ELSEWHERE: RegionId = RegionId(Uuid::from_u128(0xe15e));
const LIFE: Incarnation = Incarnation(Uuid::from_u128(0x11));
const NEXT_LIFE: Incarnation = Incarnation(Uuid::from_u128(0x12));

pub(crate) fn artifact(deployment: DeploymentId) -> Digest {
    Digest::of(&[deployment.0.as_bytes()])
}

pub(crate) fn route(epoch: u64, revision: u64, owner: Option<DeploymentId>) -> Route {
    Route {
        environment: PRODUCTION,
        workspace: WorkspaceId(Uuid::from_u128(2)),
        app: AppId(Uuid::from_u128(3)),
        region: REGION,
        cell: CellId(Uuid::from_u128(4)),
        epoch: Epoch(epoch),
        revision: Revision(revision),
        hosts: vec!["shop.example".into()],
        owner: owner.map(|deployment| Owner {
            deployment,
            artifact: artifact(deployment),
            env_set: EnvSet(1),
            replay: None,
            health_path: "/health".into(),
        }),
        drain: None,
        posture: Posture::Serve,
    }
}

pub(crate) fn endpoint(allocation: u128, deployment: DeploymentId, generation: u64, state: EndpointState) -> Endpoint {
    Endpoint {
        allocation: AllocationId(Uuid::from_u128(allocation)),
        environment: PRODUCTION,
        deployment,
        env_set: EnvSet(1),
        artifact: artifact(deployment),
        generation: Generation(generation),
        host: HostId(Uuid::from_u128(6)),
        address: "127.0.0.1:9".into(),
        state,
    }
}

fn at(seq: u64) -> Position {
    Position { incarnation: LIFE, seq: FeedSeq(seq), digest: Digest::of(&[b"here"]) }
}

fn entry(incarnation: Incarnation, seq: u64, prev: Digest, content: &Content) -> Entry {
    let content = content.to_text();
    Entry {
        incarnation,
        region: REGION,
        seq: FeedSeq(seq),
        prev,
        digest: chain(prev, &content),
        content,
        signature: String::new(),
    }
}

#[test]
fn an_entry_is_placed_by_incarnation_position_and_history() {
    let content = Content::Route(route(1, 0, Some(BLUE)));
    let here = at(5).digest;
    let cases = [
        ("no table yet", None, LIFE, 6, here, Applied::Rebuild),
        ("another life", Some(at(5)), NEXT_LIFE, 6, here, Applied::Rebuild),
        ("another life, old position", Some(at(5)), NEXT_LIFE, 1, here, Applied::Rebuild),
        ("the position itself", Some(at(5)), LIFE, 5, here, Applied::Duplicate),
        ("long past", Some(at(5)), LIFE, 1, Digest::ZERO, Applied::Duplicate),
        ("one too far", Some(at(5)), LIFE, 7, here, Applied::Gap),
        ("far too far", Some(at(5)), LIFE, 700, here, Applied::Gap),
        ("next, of another history", Some(at(5)), LIFE, 6, Digest::ZERO, Applied::Rebuild),
        ("next", Some(at(5)), LIFE, 6, here, Applied::Apply),
    ];
    for (name, position, life, seq, prev, expected) in cases {
        let entry = entry(life, seq, prev, &content);
        assert_eq!(judge(position.as_ref(), Known::default(), &entry, &content), expected, "{name}");
    }
}

#[test]
fn a_route_is_ordered_by_epoch_then_revision() {
    let held = Content::Route(route(4, 2, Some(BLUE)));
    let drained =
        Route { drain: Some(Drain { deployment: GREEN, deadline: DateTime::UNIX_EPOCH }), ..route(4, 2, Some(BLUE)) };
    let cases = [
        ("lower epoch", route(3, 9, Some(GREEN)), Applied::Stale),
        ("lower revision, same owner", route(4, 1, Some(BLUE)), Applied::Stale),
        ("lower revision, other owner", route(4, 1, Some(GREEN)), Applied::Conflict),
        ("the same", route(4, 2, Some(BLUE)), Applied::Apply),
        ("same place, other owner", route(4, 2, Some(GREEN)), Applied::Conflict),
        ("same place, other content", drained, Applied::Conflict),
        ("higher revision, same owner", route(4, 3, Some(BLUE)), Applied::Apply),
        ("higher revision, other owner", route(4, 3, Some(GREEN)), Applied::Conflict),
        ("higher revision, no owner", route(4, 3, None), Applied::Conflict),
        ("same place, other region", Route { region: ELSEWHERE, ..route(4, 2, Some(BLUE)) }, Applied::Conflict),
        ("higher revision, other region", Route { region: ELSEWHERE, ..route(4, 3, Some(BLUE)) }, Applied::Conflict),
        ("higher epoch, other region", Route { region: ELSEWHERE, ..route(5, 0, Some(BLUE)) }, Applied::Apply),
        ("higher epoch, other owner", route(5, 0, Some(GREEN)), Applied::Apply),
        ("higher epoch, same owner", route(5, 0, Some(BLUE)), Applied::Apply),
    ];
    for (name, new, expected) in cases {
        let known = Known { held: Some(&held), floor: None };
        assert_eq!(weigh(known, &Content::Route(new)), expected, "{name}");
    }
}

#[test]
fn a_key_once_seen_never_goes_below_its_floor() {
    let floor = Known { held: None, floor: Some(Epoch(4)) };
    for (epoch, expected) in [(3, Applied::Stale), (4, Applied::Apply), (5, Applied::Apply)] {
        assert_eq!(weigh(floor, &Content::Route(route(epoch, 0, Some(BLUE)))), expected, "epoch {epoch}");
    }
    assert_eq!(weigh(Known::default(), &Content::Route(route(0, 0, None))), Applied::Apply);
}

#[test]
fn an_allocation_is_ordered_by_generation_then_state() {
    use EndpointState::{Draining, Gone, Ready};
    let held = Content::Allocation(endpoint(7, BLUE, 2, Draining));
    let moved = Endpoint { address: "127.0.0.1:10".into(), ..endpoint(7, BLUE, 2, Draining) };
    let stolen = Endpoint { environment: PREVIEW, ..endpoint(7, BLUE, 3, Ready) };
    let cases = [
        ("lower generation", endpoint(7, BLUE, 1, Gone), Applied::Stale),
        ("earlier state", endpoint(7, BLUE, 2, Ready), Applied::Stale),
        ("the same", endpoint(7, BLUE, 2, Draining), Applied::Apply),
        ("same place, other address", moved, Applied::Conflict),
        ("later state", endpoint(7, BLUE, 2, Gone), Applied::Apply),
        ("higher generation", endpoint(7, BLUE, 3, Ready), Applied::Apply),
        ("another environment", stolen, Applied::Conflict),
        ("another deployment", endpoint(7, GREEN, 3, Ready), Applied::Conflict),
    ];
    for (name, new, expected) in cases {
        let known = Known { held: Some(&held), floor: None };
        assert_eq!(weigh(known, &Content::Allocation(new)), expected, "{name}");
    }
}

#[test]
fn a_right_place_does_not_excuse_an_old_truth() {
    let held = Content::Route(route(4, 0, Some(BLUE)));
    let old = Content::Route(route(3, 0, Some(GREEN)));
    let entry = entry(LIFE, 6, at(5).digest, &old);
    let known = Known { held: Some(&held), floor: None };
    assert_eq!(judge(Some(&at(5)), known, &entry, &old), Applied::Stale);
}

/// Which deployment an edge routes to once it has heard these routes, one after the other, in the order in which they came.
fn routed(hears: impl Fn(Known<'_>, &Content) -> Applied, in_order: &[Route]) -> Option<DeploymentId> {
    let mut held: Option<Content> = None;
    for route in in_order {
        let new = Content::Route(route.clone());
        if hears(Known { held: held.as_ref(), floor: None }, &new) == Applied::Apply {
            held = Some(new);
        }
    }
    match held? {
        Content::Route(route) => Some(route.owner?.deployment),
        Content::Allocation(_) => None,
    }
}

/// BLUE's backend is the latest that is healthy, and the word of its route comes last: of an epoch that has passed.
#[test]
fn trap_routing_by_latest_healthy_backend_instead_of_route_owner_authority() {
    let heard = [route(1, 0, Some(BLUE)), route(2, 0, Some(GREEN)), route(1, 0, Some(BLUE))];
    assert_eq!(routed(weigh, &heard), Some(GREEN));
    assert_eq!(
        weigh(Known { held: Some(&Content::Route(heard[1].clone())), floor: None }, &Content::Route(heard[2].clone())),
        Applied::Stale
    );
    let healthy = [endpoint(1, GREEN, 1, EndpointState::Gone), endpoint(2, BLUE, 1, EndpointState::Ready)];
    // The sin: an order by arrival, and by who is healthy.
    let latest_healthy = |_: Known<'_>, new: &Content| match new {
        Content::Route(route) => {
            let of = route.owner.as_ref().map(|owner| owner.deployment);
            let backend = healthy.iter().find(|one| Some(one.deployment) == of && one.state == EndpointState::Ready);
            if backend.is_some() { Applied::Apply } else { Applied::Stale }
        }
        Content::Allocation(_) => Applied::Apply,
    };
    assert_eq!(routed(latest_healthy, &heard), Some(BLUE), "the sin is caught: the healthy backend has the traffic");
}
