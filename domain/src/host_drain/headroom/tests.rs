//! Every case of the decision, and two ways of deciding it wrongly.

use super::*;
use crate::{
    allocation::Event,
    digest::Digest,
    numbers::Epoch,
    operation::Verdict,
    story::{BLUE, HOST_1, allocated, allocation, planned, ready},
};
use uuid::Uuid;

const HOST_2: HostId = HostId(Uuid::from_u128(0x4058));
const HOST_3: HostId = HostId(Uuid::from_u128(0x4059));

fn host(host: HostId, state: host::State, capacity: u32, held: u32, heard: bool) -> Standing {
    Standing { host, state, capacity, held, heard }
}

fn running(n: u128) -> Allocation {
    allocated(planned(allocation(n), BLUE, Epoch(1)), &[ready(BLUE)])
}

fn drifted(n: u128) -> Allocation {
    let mut one = running(n);
    one.verified = Some(Digest::ZERO);
    one
}

/// Every combination of the four gates; a decision is made on all of them at once.
fn cases() -> Vec<(Vec<&'static str>, Decision)> {
    let mut cases = Vec::new();
    for bits in 0..16_u8 {
        let closed = |bit: u8| bits & (1 << bit) != 0;
        let (no_quorum, no_room, pinned, drift) = (closed(0), closed(1), closed(2), closed(3));
        let mut hosts = vec![
            host(HOST_1, host::State::Cordoned, 4, 2, true),
            host(HOST_2, host::State::Active, 4, if no_room { 3 } else { 1 }, true),
        ];
        if no_quorum {
            hosts.extend((0..2).map(|n| host(HostId(Uuid::from_u128(n)), host::State::Active, 9, 0, false)));
        }
        let allocations = [running(1), if drift { drifted(2) } else { running(2) }];
        let sessions = [Sessions { allocation: allocation(1), open: if pinned { 3 } else { 0 } }];
        let facts =
            Facts { host: HOST_1, hosts: &hosts, allocations: &allocations, sessions: &sessions, seconds_left: 29 };
        let expected =
            [(no_quorum, "NO_QUORUM"), (no_room, "NO_HEADROOM"), (pinned, "SESSIONS_PINNED"), (drift, "HOST_DRIFTED")];
        cases
            .push((expected.into_iter().filter(|(closed, _)| *closed).map(|(_, code)| code).collect(), decide(&facts)));
        let gates = gates(&facts).iter().map(|gate| gate.verdict == Verdict::Fail).collect::<Vec<_>>();
        assert_eq!(gates, [no_quorum, no_room, pinned, drift], "gates and decision agree");
    }
    cases
}

#[test]
fn of_a_host_whose_own_runner_is_silent_nobody_can_say_what_runs_there() {
    let hosts = [(HOST_1, false), (HOST_2, true), (HOST_3, true)].map(|(of, heard)| {
        let state = if of == HOST_1 { host::State::Cordoned } else { host::State::Active };
        host(of, state, 4, 1, heard)
    });
    let facts = Facts { host: HOST_1, hosts: &hosts, allocations: &[running(1)], sessions: &[], seconds_left: 60 };
    let Decision::Refuse(missing) = decide(&facts) else { panic!("it is not emptied") };
    assert_eq!(missing.iter().map(Missing::code).collect::<Vec<_>>(), ["HOST_DRIFTED"]);
}

#[test]
fn a_host_is_emptied_only_with_quorum_headroom_drainable_sessions_and_no_drift() {
    for (expected, decision) in cases() {
        match decision {
            Decision::Go(places) => {
                assert_eq!(expected, Vec::<&str>::new());
                assert_eq!(places, [(allocation(1), HOST_2), (allocation(2), HOST_2)]);
            }
            Decision::Refuse(missing) => {
                assert_eq!(missing.iter().map(Missing::code).collect::<Vec<_>>(), expected);
            }
        }
    }
}

/// Room that does not count, and room that does.
#[test]
fn only_active_hosts_that_are_heard_have_room() {
    use host::State::{Active, Cordoned, Draining};
    let missing = |free| Some(Missing::Headroom { needed: 1, free });
    let table = [
        (vec![], missing(0)),
        (vec![host(HOST_2, Cordoned, 9, 0, true)], missing(0)),
        (vec![host(HOST_2, Draining, 9, 0, true)], missing(0)),
        (vec![host(HOST_2, Active, 9, 0, false), host(HOST_3, Active, 9, 9, true)], missing(0)),
        (vec![host(HOST_2, Active, 3, 9, true)], missing(0)),
        (vec![host(HOST_2, Active, 3, 2, true)], None),
        (vec![host(HOST_2, Active, 3, 3, true), host(HOST_3, Active, 1, 0, true)], None),
    ];
    for (mut hosts, expected) in table {
        hosts.push(host(HOST_1, Active, 9, 1, true));
        let facts = Facts { host: HOST_1, hosts: &hosts, allocations: &[running(1)], sessions: &[], seconds_left: 60 };
        assert_eq!(headroom(&facts), expected, "{hosts:?}");
    }
}

#[test]
fn an_empty_host_needs_no_room_and_what_drains_already_needs_none_either() {
    let hosts = [host(HOST_1, host::State::Cordoned, 4, 1, true)];
    let draining = allocated(
        planned(allocation(1), BLUE, Epoch(1)),
        &[ready(BLUE), Event::Draining { reason: "old".into(), deadline: None }],
    );
    for allocations in [vec![], vec![draining]] {
        let facts = Facts { host: HOST_1, hosts: &hosts, allocations: &allocations, sessions: &[], seconds_left: 60 };
        assert_eq!(decide(&facts), Decision::Go(vec![]));
    }
}

#[test]
fn replacements_go_where_there_is_the_most_room() {
    let hosts = [
        host(HOST_1, host::State::Cordoned, 4, 3, true),
        host(HOST_2, host::State::Active, 2, 0, true),
        host(HOST_3, host::State::Active, 4, 3, true),
    ];
    let allocations = [running(1), running(2), running(3)];
    let facts = Facts { host: HOST_1, hosts: &hosts, allocations: &allocations, sessions: &[], seconds_left: 60 };
    let Decision::Go(places) = decide(&facts) else { panic!("there is room for all") };
    let on = |host| places.iter().filter(|(_, to)| *to == host).count();
    assert_eq!((on(HOST_2), on(HOST_3)), (2, 1));
}

/// Whether this decision lets a host be emptied into no room.
fn cordon_alone_is_enough(decision: impl Fn(&Facts<'_>) -> Decision) -> bool {
    let hosts = [host(HOST_1, host::State::Cordoned, 4, 1, true), host(HOST_2, host::State::Cordoned, 4, 0, true)];
    let facts = Facts { host: HOST_1, hosts: &hosts, allocations: &[running(1)], sessions: &[], seconds_left: 60 };
    matches!(decision(&facts), Decision::Go(_))
}

#[test]
fn cordon_alone_is_not_enough_without_headroom_nothing_is_evacuated() {
    assert!(!cordon_alone_is_enough(decide));
}

#[test]
fn a_decision_that_takes_a_cordon_for_headroom_is_caught() {
    let sin = |facts: &Facts<'_>| match decide(facts) {
        Decision::Refuse(missing) if missing.iter().all(|one| matches!(one, Missing::Headroom { .. })) => {
            Decision::Go(vec![])
        }
        other @ (Decision::Go(_) | Decision::Refuse(_)) => other,
    };
    assert!(cordon_alone_is_enough(sin));
    let counts_every_host = |facts: &Facts<'_>| {
        let all: Vec<_> = facts.hosts.iter().map(|one| Standing { state: host::State::Active, ..*one }).collect();
        decide(&Facts { hosts: &all, ..*facts })
    };
    assert!(cordon_alone_is_enough(counts_every_host));
}

/// Half of a cell may be the half that everybody else has lost.
#[test]
fn more_than_half_of_the_hosts_are_a_quorum_and_half_are_none() {
    for (heard, all, enough) in [(1, 1, true), (1, 2, false), (2, 3, true), (2, 4, false), (3, 4, true), (3, 6, false)]
    {
        let hosts = (0..all).map(|n| host(HostId(Uuid::from_u128(n)), host::State::Active, 4, 0, n < heard));
        let hosts = hosts.collect::<Vec<_>>();
        let facts = Facts { host: HOST_1, hosts: &hosts, allocations: &[], sessions: &[], seconds_left: 60 };
        assert_eq!(quorum(&facts).is_none(), enough, "{heard} of {all}");
    }
}

/// The hosts of a cell, of which some are retired: is what is left a quorum for this way of deciding?
fn quorum_beside_the_retired(sees: impl Fn(&[Standing]) -> bool) -> [bool; 3] {
    use host::State::{Active, Retired};
    // One is left of three; one of two that are left is silent; what is retired is heard once more, and counts for nothing.
    [
        [host(HOST_1, Active, 4, 0, true), host(HOST_2, Retired, 4, 0, false), host(HOST_3, Retired, 4, 0, false)],
        [host(HOST_1, Active, 4, 0, true), host(HOST_2, Active, 4, 0, false), host(HOST_3, Retired, 4, 0, false)],
        [host(HOST_1, Active, 4, 0, true), host(HOST_2, Active, 4, 0, false), host(HOST_3, Retired, 4, 0, true)],
    ]
    .map(|hosts| sees(&hosts))
}

#[test]
fn a_retired_host_counts_in_no_quorum() {
    let sees = |hosts: &[Standing]| {
        let facts = Facts { host: HOST_1, hosts, allocations: &[], sessions: &[], seconds_left: 60 };
        quorum(&facts).is_none()
    };
    let wanted = [true, false, false];
    assert_eq!(quorum_beside_the_retired(sees), wanted);
    // The sins: a machine that is scrap keeps a cell from its quorum for ever, or a straggler of one makes it up.
    let as_active = |hosts: &[Standing]| {
        let all: Vec<_> = hosts.iter().map(|one| Standing { state: host::State::Active, ..*one }).collect();
        sees(&all)
    };
    assert_eq!(quorum_beside_the_retired(as_active), [false, false, true], "both are caught above");
}

#[test]
fn sessions_may_take_all_of_the_time_that_is_left_and_only_those_on_this_host_count() {
    let pinned = |on, seconds_left| {
        let open = [Sessions { allocation: allocation(on), open: 3 }];
        let facts = Facts { host: HOST_1, hosts: &[], allocations: &[running(1)], sessions: &open, seconds_left };
        sessions(&facts).is_some()
    };
    assert_eq!((pinned(1, 30), pinned(1, 29)), (false, true), "they may live on for 30 seconds");
    assert!(!pinned(2, 29), "sessions of an allocation elsewhere");
}
