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

/// Whether this process manager stops something whose replacement does not answer.
fn stops_before_a_replacement_answers(next: impl Fn(&World<'_>) -> Step) -> bool {
    let operation = Operation { stage: Some(Stage::Evacuating), requested: Some(requested()), ..Operation::default() };
    let mut host = emptying(Trouble::Nothing).host();
    (host.state, host.held_by) = (Some(host::State::Draining), Some(THIRD));
    let old = allocated(planned(id(1), BLUE, Epoch(1)), &[ready(BLUE)]);
    let fresh = Planned { replaces: Some(id(1)), host: HOST_2, ..planned(id(2), BLUE, Epoch(1)) };
    let world = World {
        now: at(1),
        drain: HostDrain { host: HOST_1 },
        operation: &operation,
        host: &host,
        heard_at: Some(at(1)),
        hosts: &[],
        allocations: &[old],
        replacements: &[allocated(fresh, &[])],
        sessions: &[],
        new_allocation: id(3),
    };
    !matches!(next(&world), Step::Wait(_))
}

#[test]
fn emptying_before_replacements_answer_is_caught() {
    assert!(!stops_before_a_replacement_answers(next));
    assert!(stops_before_a_replacement_answers(believes_what_answered_once));
}

/// The sin: what answered once is believed to answer.
fn believes_what_answered_once(world: &World<'_>) -> Step {
    let old = headroom::moving(world.allocations).next();
    old.map_or(Step::Wait("sessions on the host finish"), |old| Step::Do(Act::Drain(old)))
}

/// What stood in for the first answers no longer when that one is about to be told to finish.
fn lost_its_replacement() -> Memory {
    let mut memory = crate::runs::after(emptying(Trouble::Nothing), 5);
    assert_eq!(fold::<Operation>(&memory.operation).stage, Some(Stage::ReplacementReady));
    let stands_in = stands_in(&memory.on(HOST_2), id(1)).expect("the first has its replacement");
    let failed = allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None };
    memory.tell(stands_in, failed).expect("it was ready");
    memory
}

#[test]
fn what_lost_its_replacement_is_told_to_finish_only_when_another_one_answers() {
    let memory = lost_its_replacement();
    let Step::Do(Act::Plan(planned)) = memory.next() else { panic!("another replacement first: {:?}", memory.next()) };
    assert_eq!((planned.replaces, planned.host), (Some(id(1)), HOST_2));
    assert_eq!(memory.asks(believes_what_answered_once), Step::Do(Act::Drain(id(1))), "it is caught above");
    let ended = run(memory, Times::Twice, Fault::Nothing);
    assert_eq!(told(&ended), (Stage::Postcheck, None, host::State::Active, 0));
    assert!(stands_in(&ended.world.on(HOST_2), id(1)).is_some(), "it has another one");
}

#[test]
fn what_loses_its_replacements_again_and_again_is_told_nothing_and_the_drain_says_why() {
    let mut memory = lost_its_replacement();
    memory.trouble = Trouble::ReplacementsFail;
    let ended = run(memory, Times::Twice, Fault::Nothing);
    let told = told(&ended);
    assert_eq!(told, (Stage::ReplacementReady, Some("REPLACEMENT_FAILED"), host::State::Draining, 1));
    let failure = ended.end.failure.as_ref().expect("it failed");
    let why = "the replacements of an allocation failed; the last of them, because exit 1; the host stays cordoned";
    assert!(failure.message.starts_with(why), "{}", failure.message);
    let first = fold::<Allocation>(&ended.world.allocations[&id(1)]);
    assert_eq!(first.state, Some(State::Ready), "it goes on serving");
}

#[test]
fn what_is_told_of_a_drain_is_what_becomes_of_it() {
    type Judge = fn(&Host, host::Command, &Facts<'_>) -> Vec<Judged>;
    let told = |trouble, judge: Judge| {
        emptying(trouble).asks(|world| {
            let cordon = host::Command::Cordon { reason: why("a look"), by: Some(THIRD) };
            let judged = judge(world.host, cordon, &facts(world, &requested()));
            crate::gate::closed(&judged).map(|refusal| refusal.code.to_owned())
        })
    };
    let wrong = |judge: Judge| {
        let troubles = [Trouble::Nothing, Trouble::CordonedByHand, Trouble::HeldByAnother, Trouble::NoHeadroom];
        let comes = |trouble| ends(trouble).end.failure.map(|failure| failure.code);
        troubles.into_iter().filter(|trouble| told(*trouble, judge) != comes(*trouble)).collect::<Vec<_>>()
    };
    assert!(wrong(judge).is_empty(), "{:?}", wrong(judge));
    let sins: [(Judge, Trouble); 3] = [
        (|_, _, facts| headroom::judge(facts), Trouble::HeldByAnother),
        (|host, cordon, facts| judge(host, cordon, facts).into_iter().take(1).collect(), Trouble::NoHeadroom),
        (|host, cordon, facts| judge(host, cordon, &Facts { allocations: &[], ..*facts }), Trouble::NoHeadroom),
    ];
    for (sin, trouble) in sins {
        assert_eq!(wrong(sin), [trouble]);
    }
}
