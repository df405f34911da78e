//! The posture of a route: who may change it, what it never changes, and the traps of waking by name.

use super::*;
use crate::{
    numbers::SleepGeneration,
    route_owner::{Asleep, Turn},
};

fn turn(by: OperationId, expected: u64, generation: u64) -> Turn {
    Turn { by, expected: Epoch(expected), generation: SleepGeneration(generation), at: at(200) }
}

fn slept(by: OperationId, generation: u64) -> Event {
    Event::Slept { by, sleep_generation: SleepGeneration(generation), at: at(200) }
}

fn woken(by: OperationId, generation: u64) -> Event {
    Event::Woken { by, sleep_generation: SleepGeneration(generation), at: at(200) }
}

fn asleep() -> Vec<Event> {
    [blue(), vec![slept(SECOND, 1)]].concat()
}

#[test]
fn a_route_sleeps_and_wakes_within_its_epoch_and_for_its_owner() {
    let awake = crate::aggregate::fold::<RouteOwner>(&blue());
    let sleeping = crate::aggregate::fold::<RouteOwner>(&asleep());
    let again = crate::aggregate::fold::<RouteOwner>(&[asleep(), vec![woken(THIRD, 1)]].concat());
    for one in [&sleeping, &again] {
        assert_eq!((one.epoch, &one.owner, one.by), (awake.epoch, &awake.owner, awake.by));
    }
    assert_eq!((sleeping.revision.0, again.revision.0), (awake.revision.0 + 1, awake.revision.0 + 2));
    let posture = |owner: &RouteOwner| owner.route().map(|route| route.posture);
    assert_eq!(posture(&sleeping), Some(Posture::Asleep { generation: SleepGeneration(1), retry_at: None }));
    assert_eq!(posture(&again), Some(Posture::Serve));
}

#[test]
fn a_sleep_happens_once_however_often_its_operation_says_so() {
    given::<RouteOwner>(blue()).when(Command::Sleep(turn(SECOND, 1, 1))).then([slept(SECOND, 1)]);
    given::<RouteOwner>(asleep()).when(Command::Sleep(turn(SECOND, 1, 1))).then([]);
    given::<RouteOwner>(asleep())
        .when(Command::Sleep(turn(THIRD, 1, 2)))
        .then_rejected(&Rejection::Asleep { generation: SleepGeneration(1) });
}

#[test]
fn a_wake_happens_once_however_often_its_operation_says_so() {
    given::<RouteOwner>(asleep()).when(Command::Wake(turn(THIRD, 1, 1))).then([woken(THIRD, 1)]);
    let again = [asleep(), vec![woken(THIRD, 1)]].concat();
    given::<RouteOwner>(again.clone()).when(Command::Wake(turn(THIRD, 1, 1))).then([]);
    given::<RouteOwner>(again).when(Command::Wake(turn(FIRST, 1, 1))).then_rejected(&Rejection::NotAsleep);
}

#[test]
fn nothing_that_nobody_owns_goes_to_sleep() {
    given::<RouteOwner>([is_open()]).when(Command::Sleep(turn(SECOND, 0, 1))).then_rejected(&Rejection::NothingToSleep);
}

#[test]
fn an_old_route_epoch_neither_sleeps_nor_wakes() {
    let stale = Rejection::StaleEpoch { expected: Epoch(1), actual: Epoch(2) };
    given::<RouteOwner>(green()).when(Command::Sleep(turn(THIRD, 1, 1))).then_rejected(&stale);
    let sleeping = [green(), vec![slept(SECOND, 1)]].concat();
    given::<RouteOwner>(sleeping.clone()).when(Command::Wake(turn(THIRD, 1, 1))).then_rejected(&stale);
    given::<RouteOwner>(sleeping).when(Command::FailWake(turn(THIRD, 1, 1))).then_rejected(&stale);
}

#[test]
fn a_wake_of_an_earlier_sleep_is_refused() {
    let second = [asleep(), vec![woken(THIRD, 1), slept(FIRST, 2)]].concat();
    let stale = Rejection::StaleSleep { expected: SleepGeneration(1), actual: SleepGeneration(2) };
    given::<RouteOwner>(second).when(Command::Wake(turn(SECOND, 1, 1))).then_rejected(&stale);
}

#[test]
fn a_failed_wake_begins_another_sleep_and_is_asked_for_less_and_less_often() {
    let mut history = asleep();
    let mut rests = Vec::new();
    for generation in 1..=8 {
        let by = OperationId(uuid::Uuid::from_u128(0xfa11 + u128::from(generation)));
        let owner = crate::aggregate::fold::<RouteOwner>(&history);
        let events = owner.decide(Command::FailWake(turn(by, 1, generation))).expect("it may fail");
        let Some(Event::WakeFailed { sleep_generation, retry_at, .. }) = events.first() else { panic!("{events:?}") };
        assert_eq!(sleep_generation.0, generation + 1);
        rests.push((*retry_at - at(200)).num_seconds());
        history.extend(events);
        let again = crate::aggregate::fold::<RouteOwner>(&history);
        assert_eq!(again.decide(Command::FailWake(turn(by, 1, generation))), Ok(vec![]), "once per operation");
    }
    assert_eq!(rests, [5, 10, 20, 40, 80, 160, 300, 300]);
    let owner = crate::aggregate::fold::<RouteOwner>(&history);
    assert!(matches!(owner.asleep, Some(Asleep { failed_wakes: 8, .. })), "it sleeps on");
}

#[test]
fn a_promotion_wakes_what_sleeps_and_the_generation_never_falls() {
    let history = [asleep(), vec![promoted(THIRD, 2, GREEN, Some(BLUE))]].concat();
    let owner = crate::aggregate::fold::<RouteOwner>(&history);
    assert_eq!(owner.route().map(|route| route.posture), Some(Posture::Serve));
    assert_eq!(owner.next_sleep(), SleepGeneration(2));
}

#[test]
fn a_raised_epoch_lets_it_sleep_on() {
    let raised = Event::EpochRaised { epoch: Epoch(9), reason: because("restored from a backup") };
    let owner = crate::aggregate::fold::<RouteOwner>(&[asleep(), vec![raised]].concat());
    assert!(owner.asleep.is_some());
    assert_eq!(owner.may_wake(Epoch(9), SleepGeneration(1)), Ok(()));
}

/// The same wake is asked for thrice, once from an old epoch and once from an old sleep: exactly one passes.
#[test]
fn wake_stampede_and_old_route_epoch_are_caught() {
    type Rule = fn(&RouteOwner, Turn) -> bool;
    let passes = |rule: Rule| {
        let mut owner = crate::aggregate::fold::<RouteOwner>(&[green(), vec![slept(FIRST, 1)]].concat());
        let mut passed = Vec::new();
        for asked in [turn(FIRST, 1, 1), turn(FIRST, 2, 0), turn(SECOND, 2, 1), turn(THIRD, 2, 1)] {
            if rule(&owner, asked) {
                passed.push((asked.expected.0, asked.generation.0, asked.by));
                owner.apply(&woken(asked.by, asked.generation.0));
            }
        }
        passed
    };
    let only = vec![(2, 1, SECOND)];
    assert_eq!(passes(|owner, asked| owner.decide(Command::Wake(asked)).is_ok_and(|e| !e.is_empty())), only);
    let sins: [(&str, Rule); 3] = [
        ("the epoch is not compared", |owner, asked| {
            owner.asleep.as_ref().is_some_and(|asleep| asleep.generation == asked.generation)
        }),
        ("whoever asks is a wake of its own", |owner, asked| {
            asked.expected == owner.epoch && asked.generation == owner.sleep_generation
        }),
        ("the sleep is not compared", |owner, asked| asked.expected == owner.epoch && owner.asleep.is_some()),
    ];
    for (sin, rule) in sins {
        assert_ne!(passes(rule), only, "{sin}");
    }
}
