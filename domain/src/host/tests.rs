//! A host takes allocations only while it is active and has room; a cordon has one holder.

mod model;

use super::*;
use crate::{
    aggregate::{fold, given},
    story::{CELL_1, FIRST, HOST_1, LYON, SECOND, at, because, name, slug},
};
use uuid::Uuid;

fn created(n: u128) -> Created {
    Created { id: HostId(Uuid::from_u128(n)), region: LYON, cell: CELL_1, slug: slug("host-1") }
}

fn registered() -> Event {
    Event::Created(Created { id: HOST_1, ..created(0) })
}

fn cordoned(by: Option<OperationId>) -> Event {
    Event::Cordoned { reason: because("new kernel"), by }
}

fn uncordoned(by: Option<OperationId>) -> Event {
    Event::Uncordoned { reason: because("done"), by }
}

fn cordon(by: Option<OperationId>) -> Command {
    Command::Cordon { reason: because("new kernel"), by }
}

fn uncordon(by: Option<OperationId>) -> Command {
    Command::Uncordon { reason: because("done"), by }
}

fn upgrade(by: OperationId) -> Upgrade {
    Upgrade { by, os: name("Debian 12.9"), runner: name("0.2.0"), note: because("rebooted, checked"), at: at(5) }
}

#[test]
fn a_host_is_created_once_and_the_same_again_is_no_event() {
    given::<Host>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<Host>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<Host>([Event::Created(created(1))]).when(Command::Create(created(2))).then_rejected(&Rejection::Exists);
}

#[test]
fn nothing_is_asked_of_a_host_that_is_not_there() {
    for command in [cordon(None), uncordon(None), Command::SetCapacity { allocations: 1 }] {
        given::<Host>([]).when(command).then_rejected(&Rejection::NotFound);
    }
}

/// A past, a command, and what comes of it.
type Case<'a> = (&'a [Event], Command, Result<Vec<Event>, Rejection>);

/// Every state with every holder, and what a person and each of two drains may do then.
#[test]
fn a_cordon_has_one_holder_and_only_a_person_or_that_holder_lifts_it() {
    let held = |by| Rejection::HeldByDrain { by };
    let (active, by_hand) = (vec![registered()], vec![registered(), cordoned(None)]);
    let by_first = vec![registered(), cordoned(Some(FIRST))];
    let draining = vec![registered(), cordoned(Some(FIRST)), Event::DrainBegun { by: FIRST }];
    let begin = |by| Command::BeginDrain { by };
    let cases: Vec<Case<'_>> = vec![
        (&active, cordon(None), Ok(vec![cordoned(None)])),
        (&active, cordon(Some(FIRST)), Ok(vec![cordoned(Some(FIRST))])),
        (&active, uncordon(None), Err(Rejection::NotCordoned)),
        (&active, uncordon(Some(FIRST)), Ok(vec![])),
        (&active, begin(FIRST), Err(Rejection::NotCordoned)),
        (&by_hand, cordon(None), Ok(vec![])),
        (&by_hand, cordon(Some(FIRST)), Ok(vec![])),
        (&by_hand, uncordon(None), Ok(vec![uncordoned(None)])),
        (&by_hand, uncordon(Some(FIRST)), Err(Rejection::HeldByHand)),
        (&by_hand, begin(FIRST), Ok(vec![Event::DrainBegun { by: FIRST }])),
        (&by_first, cordon(None), Ok(vec![])),
        (&by_first, cordon(Some(FIRST)), Ok(vec![])),
        (&by_first, cordon(Some(SECOND)), Err(held(FIRST))),
        (&by_first, uncordon(None), Ok(vec![uncordoned(None)])),
        (&by_first, uncordon(Some(FIRST)), Ok(vec![uncordoned(Some(FIRST))])),
        (&by_first, uncordon(Some(SECOND)), Err(held(FIRST))),
        (&by_first, begin(FIRST), Ok(vec![Event::DrainBegun { by: FIRST }])),
        (&by_first, begin(SECOND), Err(held(FIRST))),
        (&draining, cordon(Some(SECOND)), Err(held(FIRST))),
        (&draining, uncordon(None), Ok(vec![uncordoned(None)])),
        (&draining, uncordon(Some(FIRST)), Ok(vec![uncordoned(Some(FIRST))])),
        (&draining, uncordon(Some(SECOND)), Err(held(FIRST))),
        (&draining, begin(FIRST), Ok(vec![])),
        (&draining, begin(SECOND), Err(held(FIRST))),
    ];
    for (before, command, outcome) in cases {
        assert_eq!(fold::<Host>(before).decide(command.clone()), outcome, "{command:?} after {before:?}");
    }
}

#[test]
fn an_upgrade_is_confirmed_once_and_only_for_the_drain_at_work() {
    let draining = [registered(), cordoned(Some(FIRST)), Event::DrainBegun { by: FIRST }];
    let confirm = |by| Command::ConfirmUpgrade(upgrade(by));
    given::<Host>(draining.clone()).when(confirm(FIRST)).then([Event::UpgradeConfirmed(upgrade(FIRST))]);
    given::<Host>(draining.clone()).when(confirm(SECOND)).then_rejected(&Rejection::NotDraining);
    given::<Host>([registered(), cordoned(None)]).when(confirm(FIRST)).then_rejected(&Rejection::NotDraining);
    let done = [draining.as_slice(), &[Event::UpgradeConfirmed(upgrade(FIRST))]].concat();
    given::<Host>(done.clone()).when(confirm(FIRST)).then([]);
    given::<Host>(done.clone()).when(confirm(SECOND)).then_rejected(&Rejection::NotDraining);
    let again =
        [done.as_slice(), &[uncordoned(None), cordoned(Some(SECOND)), Event::DrainBegun { by: SECOND }]].concat();
    given::<Host>(again).when(confirm(SECOND)).then([Event::UpgradeConfirmed(upgrade(SECOND))]);
}

#[test]
fn a_capacity_is_set_within_reason() {
    let set = |allocations| Command::SetCapacity { allocations };
    given::<Host>([registered()]).when(set(2)).then([Event::CapacitySet { allocations: 2 }]);
    given::<Host>([registered(), Event::CapacitySet { allocations: 2 }]).when(set(2)).then([]);
    given::<Host>([registered()]).when(set(MOST_CAPACITY)).then([Event::CapacitySet { allocations: MOST_CAPACITY }]);
    given::<Host>([registered()]).when(set(MOST_CAPACITY + 1)).then_rejected(&Rejection::TooLarge);
}

/// After its own runner, and whichever of the others was heard last, were silent for so many seconds.
fn retire(own: Option<i64>, others: Option<i64>) -> Command {
    let [own, others] = [own, others].map(|seconds| seconds.map(TimeDelta::seconds));
    Command::Retire { reason: because("its board burnt"), silence: Silence { own, others } }
}

fn retired() -> Event {
    Event::Retired { reason: because("its board burnt") }
}

#[test]
fn a_host_is_retired_from_wherever_it_stands_once_it_is_silent_and_never_comes_back() {
    let draining = vec![registered(), cordoned(Some(FIRST)), Event::DrainBegun { by: FIRST }];
    for before in [vec![registered()], vec![registered(), cordoned(None)], draining] {
        for (silence, seconds) in [(29, Some(29)), (0, Some(0)), (30, None), (99, None)] {
            let outcome = fold::<Host>(&before).decide(retire(Some(silence), Some(1)));
            let wanted = seconds.map_or(Ok(vec![retired()]), |seconds| Err(Rejection::Heard { seconds }));
            assert_eq!(outcome, wanted, "silent for {silence} seconds, after {before:?}");
        }
        given::<Host>(before.clone()).when(retire(None, None)).then([retired()]);
        let gone = [before.as_slice(), &[retired()]].concat();
        given::<Host>(gone.clone()).when(retire(Some(0), Some(0))).then([]);
        let begin = Command::BeginDrain { by: FIRST };
        let room = Command::SetCapacity { allocations: 1 };
        for command in [cordon(None), uncordon(None), uncordon(Some(FIRST)), begin, room] {
            given::<Host>(gone.clone()).when(command).then_rejected(&Rejection::Retired);
        }
        assert_eq!(fold::<Host>(&gone).held_by, None, "no drain holds what is gone");
    }
    given::<Host>([]).when(retire(None, None)).then_rejected(&Rejection::NotFound);
    // The sin: whoever believes the operator without looking at when it was heard.
    let sin = fold::<Host>(&[registered()]).decide(retire(None, None));
    assert_ne!(sin, fold::<Host>(&[registered()]).decide(retire(Some(1), Some(1))), "it is caught above");
}

/// After an outage of the platform every host was silent, and each of them is well.
fn said_where_others_are_silent(decide: impl Fn(Command) -> Result<Vec<Event>, Rejection>) -> Vec<Option<i64>> {
    let cases = [(60, Some(60)), (60, Some(30)), (60, Some(29)), (60, None)];
    let refused = |(own, others)| match decide(retire(Some(own), others)) {
        Err(Rejection::NobodyHeard { seconds }) => Some(seconds),
        _ => None,
    };
    cases.into_iter().map(refused).collect()
}

#[test]
fn where_no_host_is_heard_the_silence_may_be_the_platforms_and_none_is_retired_but_the_only_one() {
    let host = fold::<Host>(&[registered()]);
    let wanted = [Some(60), Some(30), None, None];
    assert_eq!(said_where_others_are_silent(|command| host.decide(command)), wanted);
    // What was never heard runs nothing, whoever else is silent.
    given::<Host>([registered()]).when(retire(None, Some(60))).then([retired()]);
    // The sin: whoever looks at this host's silence alone.
    let sin = |mut command| {
        if let Command::Retire { silence, .. } = &mut command {
            silence.others = None;
        }
        host.decide(command)
    };
    assert_ne!(said_where_others_are_silent(sin), wanted, "it is caught above");
}

/// Whoever places asks this; `sin` is the scheduler that looks at room alone.
fn places_where_it_must_not(may_take: impl Fn(&Host, u32) -> bool) -> Vec<&'static str> {
    let capacity = Event::CapacitySet { allocations: 2 };
    let states: [(&str, Vec<Event>); 4] = [
        ("cordoned", vec![registered(), capacity.clone(), cordoned(None)]),
        ("draining", vec![registered(), capacity.clone(), cordoned(Some(FIRST)), Event::DrainBegun { by: FIRST }]),
        ("retired", vec![registered(), capacity.clone(), retired()]),
        ("missing", vec![]),
    ];
    let mut wrong: Vec<_> =
        states.iter().filter(|(_, events)| may_take(&fold(events), 0)).map(|(name, _)| *name).collect();
    let active: Host = fold(&[registered(), capacity]);
    if may_take(&active, 2) {
        wrong.push("full");
    }
    assert!(may_take(&active, 1), "an active host with room takes one more");
    wrong
}

#[test]
fn nothing_is_placed_on_a_cordoned_host() {
    assert_eq!(places_where_it_must_not(|host, held| host.may_take(held).is_ok()), Vec::<&str>::new());
    let back = fold::<Host>(&[registered(), cordoned(None), uncordoned(None)]);
    assert_eq!(back.may_take(0), Ok(()));
    assert_eq!(back.may_take(USUAL_CAPACITY), Err(Rejection::Full { capacity: USUAL_CAPACITY }));
}

#[test]
fn placing_by_room_alone_is_caught() {
    let sin = |host: &Host, held: u32| host.capacity() > held;
    assert_eq!(places_where_it_must_not(sin), ["cordoned", "draining", "retired", "missing"]);
    let other = |host: &Host, _: u32| host.state == Some(State::Active);
    assert_eq!(places_where_it_must_not(other), ["full"]);
}
