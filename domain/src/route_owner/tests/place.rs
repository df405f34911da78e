//! Where the traffic is served: what a failover changes, what it keeps, and each reason why it may not.

use super::*;
use crate::{
    allocation::Planned,
    numbers::{EnvSet, SleepGeneration},
    route_owner::{Place, Relocation, Turn},
    session_fate::Fate,
    story::{BERGEN, CELL_1, allocation, bergen, moved, planned},
};

fn relocation(by: OperationId, expected: u64, to: Place) -> Command {
    let (at, drain_until) = (at(100), at(130));
    Command::Move(Relocation { by, expected: Epoch(expected), to, at, drain_until, sessions: Fate::StartFresh })
}

fn home() -> Place {
    Place { region: LYON, cell: CELL_1 }
}

/// BLUE owns the traffic, at epoch 2, and is served from BERGEN.
fn in_bergen() -> Vec<Event> {
    and(blue(), Event::Moved(moved()))
}

#[test]
fn a_move_keeps_the_owner_under_another_epoch_at_another_place() {
    given::<RouteOwner>(blue()).when(relocation(SECOND, 1, bergen())).then([Event::Moved(moved())]);
    let (before, after) = (state(&blue()), state(&in_bergen()));
    assert_eq!((after.owner.as_ref(), after.epoch, after.revision), (before.owner.as_ref(), Epoch(2), Revision(0)));
    assert_eq!((before.place(), after.place()), (Some(home()), Some(bergen())));
    assert_eq!((&after.former, &after.taken), (&before.former, &before.taken), "nobody took anything over");
    assert_eq!(after.drain, Some(Drain { deployment: BLUE, deadline: at(130) }), "the former place drains");
    assert_eq!((after.by, after.since), (Some(SECOND), Some(at(100))));
    let route = after.route().expect("it is open");
    assert_eq!((route.region, route.cell), (bergen().region, bergen().cell));
    assert_eq!(after.lane().map(|lane| lane.environment), Some(PRODUCTION));
}

#[test]
fn only_what_runs_where_the_traffic_is_served_is_the_owners() {
    let here = planned(allocation(1), BLUE, Epoch(0));
    let there = Planned { region: BERGEN, cell: bergen().cell, ..here.clone() };
    let (before, after) = (state(&blue()), state(&in_bergen()));
    assert!(before.owns(&here) && !before.owns(&there));
    assert!(!after.owns(&here) && after.owns(&there), "what is left at the former place counts for nothing");
    assert!(!before.owns(&planned(allocation(1), GREEN, Epoch(0))) && !state(&[is_open()]).owns(&here));
}

/// How often it is said otherwise than these cases say whether an allocation is BLUE's, served from LYON with set 1.
fn wrong(owns: fn(&RouteOwner, &Planned) -> bool) -> usize {
    let good = planned(allocation(1), BLUE, Epoch(0));
    let cases = [
        (good.clone(), true),
        (Planned { min_epoch: Epoch(9), ..good.clone() }, true),
        (Planned { env_set: EnvSet(2), ..good.clone() }, false),
        (Planned { env_set: EnvSet(0), ..good.clone() }, false),
        (Planned { artifact: GREEN_BYTES, ..good.clone() }, false),
        (Planned { deployment: GREEN, ..good.clone() }, false),
        (Planned { region: BERGEN, cell: bergen().cell, ..good.clone() }, false),
        (Planned { proves: Some(THIRD), ..good }, false),
    ];
    let owner = state(&blue());
    cases.iter().filter(|(planned, expected)| owns(&owner, planned) != *expected).count()
}

/// An edge sends nobody to what differs in one of deployment, bytes and set, and whoever counts it takes a lane that serves
/// nobody for a full one.
#[test]
fn an_allocation_with_another_set_of_variables_is_not_the_owners() {
    assert_eq!(wrong(RouteOwner::owns), 0);
    let of_set = |owner: &RouteOwner| owner.owner.as_ref().expect("BLUE owns").env_set;
    let ignores_the_set: fn(&RouteOwner, &Planned) -> bool =
        |owner, planned| owner.owns(&Planned { env_set: EnvSet(1), ..planned.clone() });
    let ignores_the_bytes: fn(&RouteOwner, &Planned) -> bool =
        |owner, planned| owner.owns(&Planned { artifact: BLUE_BYTES, ..planned.clone() });
    assert_eq!(of_set(&state(&blue())), EnvSet(1));
    assert_eq!((wrong(ignores_the_set), wrong(ignores_the_bytes)), (2, 1), "the cases do not notice the sins");
}

#[test]
fn the_edges_of_every_region_it_left_are_told_too() {
    let told = |events: &[Event]| state(events).told().collect::<Vec<_>>();
    assert_eq!(told(&blue()), [LYON]);
    assert_eq!(told(&in_bergen()), [BERGEN, LYON]);
    let back = state(&in_bergen()).decide(relocation(THIRD, 2, home())).expect("the way back is open");
    let back = [in_bergen(), back].concat();
    assert_eq!(told(&back), [LYON, BERGEN], "once each, and first where it is served");
    assert_eq!((state(&back).epoch, state(&back).place()), (Epoch(3), Some(home())));
}

#[test]
fn a_move_is_refused_with_the_reason() {
    let there = || relocation(SECOND, 1, bergen());
    given::<RouteOwner>([]).when(there()).then_rejected(&Rejection::NotFound);
    given::<RouteOwner>([is_open()]).when(relocation(SECOND, 0, bergen())).then_rejected(&Rejection::NothingToMove);
    given::<RouteOwner>(blue()).when(relocation(SECOND, 0, bergen())).then_rejected(&stale(0, 1));
    given::<RouteOwner>(blue()).when(relocation(SECOND, 9, bergen())).then_rejected(&stale(9, 1));
    let is_there = |region| Rejection::IsThere { region };
    given::<RouteOwner>(blue()).when(relocation(SECOND, 1, home())).then_rejected(&is_there(LYON));
    let elsewhere_in_lyon = Place { cell: bergen().cell, ..home() };
    given::<RouteOwner>(blue()).when(relocation(SECOND, 1, elsewhere_in_lyon)).then_rejected(&is_there(LYON));
    given::<RouteOwner>(in_bergen()).when(relocation(THIRD, 2, bergen())).then_rejected(&is_there(BERGEN));
    let turn = Turn { by: FIRST, expected: Epoch(1), generation: SleepGeneration(1), at: at(50) };
    let asleep = [blue(), state(&blue()).decide(Command::Sleep(turn)).expect("it may sleep")].concat();
    let generation = SleepGeneration(1);
    given::<RouteOwner>(asleep).when(there()).then_rejected(&Rejection::Asleep { generation });
    let reason = because(BROKEN);
    let held = and(blue(), Event::Quarantined { digest: BLUE_BYTES, reason: reason.clone() });
    given::<RouteOwner>(held).when(there()).then_rejected(&Rejection::Quarantined { digest: BLUE_BYTES, reason });
}

#[test]
fn the_same_move_again_is_no_event_and_another_one_is_judged() {
    given::<RouteOwner>(in_bergen()).when(relocation(SECOND, 1, bergen())).then([]);
    given::<RouteOwner>(in_bergen()).when(relocation(THIRD, 1, bergen())).then_rejected(&stale(1, 2));
}

#[test]
fn neither_a_freeze_nor_a_pin_stops_a_move_and_both_outlive_it() {
    for held in [and(blue(), frozen()), back()] {
        let before = state(&held);
        let went = before.decide(relocation(SECOND, before.epoch.0, bergen())).expect("it keeps the very same bytes");
        let after = state(&[held, went].concat());
        assert_eq!((after.place(), after.frozen, after.pin), (Some(bergen()), before.frozen, before.pin));
    }
}

#[test]
fn what_follows_a_move_happens_in_the_new_region() {
    let promoted = and(in_bergen(), promoted(THIRD, 3, GREEN, Some(BLUE)));
    assert_eq!(state(&promoted).place(), Some(bergen()), "a promotion brings nothing home");
    assert_eq!(state(&promoted).route().map(|route| route.region), Some(BERGEN));
}

#[test]
fn a_route_that_was_kept_before_there_were_moves_is_read_as_it_was_opened() {
    let mut kept = serde_json::to_value(state(&blue())).expect("it is written");
    assert!(kept.get("moved_to").is_none() && kept.get("left").is_none());
    kept.as_object_mut().expect("an object").remove("left");
    let read: RouteOwner = serde_json::from_value(kept).expect("it is read");
    assert_eq!(read.place(), Some(home()));
    let moved = state(&in_bergen());
    let again: RouteOwner = serde_json::from_value(serde_json::to_value(&moved).expect("written")).expect("read");
    assert_eq!(again, moved);
}
