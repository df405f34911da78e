//! Single moments of a drain: where a replacement goes, whom it believes after the upgrade, whose cordon it lifts.

use super::*;

#[test]
fn a_replacement_goes_to_the_host_with_the_most_room_left_of_those_that_take_any() {
    use host::State::{Active, Cordoned};
    let memory = emptying(Trouble::Nothing);
    let host_3 = HostId(Uuid::from_u128(0x4059));
    let placed = |second: (host::State, u32, u32, bool), third: (host::State, u32, u32, bool)| {
        let standing = |host, (state, capacity, held, heard)| Standing { host, state, capacity, held, heard };
        let hosts = [standing(HOST_1, (Active, 90, 0, true)), standing(HOST_2, second), standing(host_3, third)];
        let step = plan(
            &World {
                now: at(1),
                drain: HostDrain { host: HOST_1 },
                operation: &fold(&memory.operation),
                host: &memory.host(),
                heard_at: None,
                hosts: &hosts,
                allocations: &memory.living(HOST_1),
                replacements: &[],
                sessions: &[],
                new_allocation: id(9),
            },
            id(1),
        );
        if let Step::Do(Act::Plan(planned)) = step { Some(planned.host) } else { None }
    };
    let roomy = (Active, 4, 0, true);
    assert_eq!(placed((Active, 10, 9, true), roomy), Some(host_3), "not the largest one");
    assert_eq!(placed((Active, 10, 5, true), roomy), Some(HOST_2));
    for none in [(Active, 90, 90, true), (Active, 90, 91, true), (Active, 90, 0, false), (Cordoned, 90, 0, true)] {
        assert_eq!(placed(none, roomy), Some(host_3), "{none:?}");
        assert_eq!(placed(none, none), None, "{none:?}");
    }
}

#[test]
fn only_what_was_heard_after_the_upgrade_says_how_the_host_came_back() {
    let operation = Operation { stage: Some(Stage::Postcheck), requested: Some(requested()), ..Operation::default() };
    let upgrade =
        host::Upgrade { by: THIRD, os: name("Debian 12.9"), runner: name("0.2.0"), note: why("rebooted"), at: at(20) };
    let draining =
        Host { state: Some(host::State::Draining), held_by: Some(THIRD), ..emptying(Trouble::Nothing).host() };
    let taken_back = |by, heard: Option<i64>, left: &[Allocation]| {
        let step = next(&World {
            now: at(30),
            drain: HostDrain { host: HOST_1 },
            operation: &operation,
            host: &Host { upgrade: Some(host::Upgrade { by, ..upgrade.clone() }), ..draining.clone() },
            heard_at: heard.map(at),
            hosts: &[],
            allocations: left,
            replacements: &[],
            sessions: &[],
            new_allocation: id(3),
        });
        matches!(step, Step::Do(Act::Release(_)))
    };
    assert!(taken_back(THIRD, Some(21), &[]));
    assert!(!taken_back(THIRD, Some(20), &[]), "it may have been said before the upgrade");
    assert!(!taken_back(THIRD, None, &[]));
    assert!(!taken_back(another(), Some(21), &[]), "an upgrade of an earlier drain");
    assert!(!taken_back(THIRD, Some(21), &[allocated(planned(id(1), BLUE, Epoch(1)), &[])]), "something runs there");
}

/// A drain lifts no cordon but its own, and none that is lifted already.
#[test]
fn a_drain_that_ends_early_lifts_its_own_cordon_alone() {
    let cancelled = |state, held_by| {
        let operation = Operation {
            stage: Some(Stage::Requested),
            requested: Some(requested()),
            cancel: Some(why("not now")),
            ..Operation::default()
        };
        let host = Host { state: Some(state), held_by, ..emptying(Trouble::Nothing).host() };
        let step = next(&World {
            now: at(1),
            drain: HostDrain { host: HOST_1 },
            operation: &operation,
            host: &host,
            heard_at: None,
            hosts: &[],
            allocations: &[],
            replacements: &[],
            sessions: &[],
            new_allocation: id(3),
        });
        match step {
            Step::Do(Act::Undo(_)) => true,
            Step::Cancel => false,
            other => panic!("{other:?}"),
        }
    };
    assert!(cancelled(host::State::Cordoned, Some(THIRD)));
    for (state, held_by) in [
        (host::State::Cordoned, None),
        (host::State::Cordoned, Some(another())),
        (host::State::Active, Some(THIRD)),
        (host::State::Active, None),
    ] {
        assert!(!cancelled(state, held_by), "{state} {held_by:?}");
    }
}
