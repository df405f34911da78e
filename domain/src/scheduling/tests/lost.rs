//! What becomes of what runs on a host that is silent or retired: given up or left alone, and failed only where it has not come
//! further meanwhile. Trap: an order that is carried out on what has answered since.

use super::*;

/// An allocation of GREEN at each state of its life, and whether it has yet to answer.
fn lives() -> [(Vec<Lived>, bool); 7] {
    let digest = bytes_of(GREEN);
    let draining = || Lived::Draining { reason: "x".into(), deadline: None };
    [
        (vec![], true),
        (vec![Lived::Pulling {}], true),
        (vec![Lived::Pulling {}, Lived::Starting { digest }], true),
        (vec![ready(GREEN)], false),
        (vec![ready(GREEN), draining()], false),
        (vec![draining(), Lived::Stopped { sessions_ended: 0 }], false),
        (vec![crashed()], false),
    ]
}

#[test]
fn what_starts_on_a_silent_host_is_given_up_whoever_it_is_for_and_what_has_answered_stays() {
    let owner = green_owns();
    let asked = |then: &[Lived], lost: &[HostId]| {
        orders(&Lane { allocations: &[after(1, GREEN, then)], lost, awaited: &[GREEN], ..lane_of(&owner) })
    };
    for (then, starts) in lives() {
        let given_up = asked(&then, &[HOST_1]).contains(&Order::GiveUp(allocation(1)));
        assert_eq!(given_up, starts, "{then:?}");
        assert!(!asked(&then, &[HOST_2]).contains(&Order::GiveUp(allocation(1))), "{then:?}");
    }
    assert_eq!(asked(&[], &[HOST_1]), [Order::GiveUp(allocation(1)), Order::ReplaceOwner]);
    // What nobody wants is given up too: a runner that is silent hears of no drain.
    let unwanted = [after(1, BLUE, &[])];
    let later = Lane { now: at(1_000), allocations: &unwanted, lost: &[HOST_1], ..lane_of(&owner) };
    assert_eq!(orders(&later), [Order::GiveUp(allocation(1)), Order::ReplaceOwner]);
}

/// Which of them have failed, when the order to give up is carried out on what they have become meanwhile.
fn failed_by(told: impl Fn(&Allocation) -> Option<allocation::Command>) -> Vec<bool> {
    let failed = |then: Vec<Lived>| {
        let one = after(1, GREEN, &then);
        let events = told(&one).map(|command| one.decide(command).expect("it may fail"));
        matches!(events.as_deref(), Some([Lived::Failed { cause: Some(Cause::HostLost), .. }]))
    };
    lives().into_iter().map(|(then, _)| failed(then)).collect()
}

#[test]
fn an_order_to_give_up_fails_nothing_that_came_further_meanwhile() {
    let wanted = lives().map(|(_, starts)| starts);
    assert_eq!(failed_by(silent_with_its_host), wanted);
    // The sins: what is carried out asks nothing, or only whether it is ready, and fails what has answered or drains.
    let asks_nothing = |_: &Allocation| Some(lost_with_its_host());
    let asks_whether_ready = |one: &Allocation| (one.state != Some(State::Ready)).then(lost_with_its_host);
    assert_ne!(failed_by(asks_nothing), wanted, "it is caught above");
    assert_ne!(failed_by(asks_whether_ready), wanted, "it is caught above");
}

#[test]
fn what_was_on_a_retired_host_has_failed_with_it_whatever_it_did_and_what_has_ended_stays_as_it_ended() {
    let failed = |reason: String| Lived::Failed { reason, cause: Some(Cause::HostLost) };
    let draining = Lived::Draining { reason: "x".into(), deadline: None };
    for then in [vec![], vec![ready(BLUE)], vec![ready(BLUE), draining.clone()]] {
        let events = allocated(planned(allocation(1), BLUE, Epoch(0)), &then).decide(lost_with_its_host());
        let [Lived::Failed { reason, .. }] = &events.clone().expect("it is told")[..] else { panic!("{events:?}") };
        assert_eq!(events, Ok(vec![failed(reason.clone())]), "{then:?}");
    }
    let stopped = allocated(planned(allocation(1), BLUE, Epoch(0)), &[draining, Lived::Stopped { sessions_ended: 0 }]);
    assert_eq!(stopped.decide(lost_with_its_host()), Ok(vec![]));
}
