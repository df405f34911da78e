//! A lane that rests is left alone for as long as nothing happens in it: whatever the time, nothing would be ordered.

use super::*;
use proptest::prelude::*;

/// What an allocation of these may have lived.
fn lives() -> impl Strategy<Value = Vec<Lived>> {
    let digest = crate::story::GREEN_BYTES;
    let draining = Lived::Draining { reason: "host".into(), deadline: None };
    prop::sample::select(vec![
        vec![],
        vec![Lived::Pulling {}],
        vec![Lived::Starting { digest }],
        vec![ready(GREEN)],
        vec![ready(GREEN), draining],
        vec![crashed()],
        vec![Lived::Stopped { sessions_ended: 0 }],
    ])
}

/// Nobody, GREEN, or GREEN asleep.
fn owners() -> impl Strategy<Value = RouteOwner> {
    let nobody: RouteOwner = fold(&[Routed::Opened(opened())]);
    let mut asleep = green_owns();
    asleep.apply(&Routed::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(150) });
    prop::sample::select(vec![nobody, green_owns(), asleep])
}

fn allocations() -> impl Strategy<Value = Vec<Allocation>> {
    let one = (prop::bool::weighted(0.8), lives(), prop::bool::ANY);
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(n, (of_the_owner, lived, first_host))| {
            let deployment = if of_the_owner { GREEN } else { BLUE };
            let of = planned(allocation(n as u128 + 1), deployment, Epoch(0));
            allocated(Planned { host: if first_host { HOST_1 } else { HOST_2 }, ..of }, &lived)
        });
        made.collect()
    })
}

/// Whether this way of telling keeps its word: a lane that it says rests has no order at any later time.
fn kept(rests: impl Fn(&Lane<'_>) -> bool, lane: &Lane<'_>, later: i64) -> bool {
    !rests(lane) || orders(&Lane { now: lane.now + TimeDelta::seconds(later), busy: &[], ..lane.clone() }).is_empty()
}

proptest! {
    #[test]
    fn what_rests_is_never_in_want_of_an_order(
        (owner, lane, replicas) in (owners(), allocations(), 0_u8..4),
        (lost, failed, now, later) in (prop::bool::ANY, 0_i64..3, 100_i64..500, 0_i64..100_000),
    ) {
        let failures = (0..failed).map(|n| at(100 + n)).collect::<Vec<_>>();
        let busy = lane.iter().filter_map(|one| Some(one.planned.as_ref()?.id)).collect::<Vec<_>>();
        let lost: &[HostId] = if lost { &[HOST_2] } else { &[] };
        let (now, replicas) = (at(now), Replicas(replicas));
        let look =
            Lane { now, replicas, allocations: &lane, failures: &failures, lost, busy: &busy, ..lane_of(&owner) };
        prop_assert!(kept(rests, &look, later));
    }
}

/// The sin: what needs nothing now is left alone, though it is only not yet due.
#[test]
fn a_lane_whose_standby_failure_or_session_is_not_over_does_not_rest() {
    let sin = |lane: &Lane<'_>| orders(lane).is_empty();
    let green = green_owns();
    let (served, standby) = ([runs(2, GREEN)], [runs(1, BLUE), runs(2, GREEN)]);
    let mut asleep = green_owns();
    asleep.apply(&Routed::Slept { by: FIRST, sleep_generation: SleepGeneration(1), at: at(150) });
    let waiting = [
        Lane { now: at(399), allocations: &standby, ..lane_of(&green) },
        Lane { now: at(399), failures: &[at(398)], ..lane_of(&green) },
        Lane { now: at(399), allocations: &served, busy: &[allocation(2)], ..lane_of(&asleep) },
    ];
    for lane in &waiting {
        assert!(!rests(lane), "{lane:?}");
        assert!(!kept(sin, lane, 1_000), "the sin is caught: {lane:?}");
    }
    assert!(rests(&Lane { now: at(399), allocations: &served, ..lane_of(&green) }));
}
