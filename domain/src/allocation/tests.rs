//! The life of an allocation, as one table: every state and everything that may be said to it.

mod model;

use super::*;
use crate::{
    aggregate::{fold, given},
    numbers::{EnvSet, Epoch},
    story::{ADDRESS, BLUE_BYTES, GREEN, GREEN_BYTES, allocation, planned, ready},
};

fn order() -> Planned {
    planned(allocation(1), GREEN, Epoch(1))
}

fn starting() -> Event {
    Event::Starting { digest: GREEN_BYTES }
}

fn draining() -> Event {
    Event::Draining { reason: "standby is over".into() }
}

fn failed() -> Event {
    Event::Failed { reason: "exit 1".into() }
}

/// A history that ends in this state.
fn history(state: State) -> Vec<Event> {
    let mut all = vec![Event::Planned(order())];
    all.extend(match state {
        State::Planned => vec![],
        State::Pulling => vec![Event::Pulling {}],
        State::Starting => vec![Event::Pulling {}, starting()],
        State::Ready => vec![Event::Pulling {}, starting(), ready(GREEN)],
        State::Draining => vec![Event::Pulling {}, starting(), ready(GREEN), draining()],
        State::Stopped => vec![Event::Pulling {}, starting(), ready(GREEN), draining(), Event::Stopped {}],
        State::Failed => vec![Event::Pulling {}, failed()],
    });
    all
}

fn told(to: State) -> (Command, Event) {
    match to {
        State::Planned => (Command::Plan(order()), Event::Planned(order())),
        State::Pulling => (Command::ReportPulling, Event::Pulling {}),
        State::Starting => (Command::ReportStarting { digest: GREEN_BYTES }, starting()),
        State::Ready => (Command::ReportReady { digest: GREEN_BYTES, address: ADDRESS.into() }, ready(GREEN)),
        State::Draining => (Command::Drain { reason: "standby is over".into() }, draining()),
        State::Stopped => (Command::ReportStopped, Event::Stopped {}),
        State::Failed => (Command::ReportFailed { reason: "exit 1".into() }, failed()),
    }
}

/// `y`: the event follows. `-`: older or equal news, no event. `x`: refused, its life is over.
/// Rows: where it is. Columns: planned, pulling, starting, ready, draining, stopped, failed.
const TABLE: [(State, &str); 7] = [
    (State::Planned, "-yyyyyy"),
    (State::Pulling, "--yyyyy"),
    (State::Starting, "---yyyy"),
    (State::Ready, "----yyy"),
    (State::Draining, "-----yy"),
    (State::Stopped, "-xxx---"),
    (State::Failed, "-xxx---"),
];

#[test]
fn every_state_answers_every_report_as_the_table_says() {
    for (from, row) in TABLE {
        for (to, answer) in State::ALL.iter().copied().zip(row.chars()) {
            let (command, event) = told(to);
            let found = fold::<Allocation>(&history(from)).decide(command);
            let wanted = match answer {
                'y' => Ok(vec![event]),
                '-' => Ok(vec![]),
                _ => Err(Rejection::NotFrom { from, to }),
            };
            assert_eq!(found, wanted, "{from} told {to}");
        }
    }
}

#[test]
fn the_table_names_every_state_in_order() {
    assert_eq!(TABLE.map(|(from, _)| from).as_slice(), State::ALL);
    assert!(TABLE.iter().all(|(_, row)| row.len() == State::ALL.len()));
}

#[test]
fn every_report_about_an_unknown_allocation_is_rejected() {
    for to in State::ALL.iter().copied().filter(|to| *to != State::Planned) {
        given::<Allocation>([]).when(told(to).0).then_rejected(&Rejection::NotFound);
    }
    let restarted = Command::ReportRestarted { restarts: 1, exit: "signal 9".into() };
    given::<Allocation>([]).when(restarted).then_rejected(&Rejection::NotFound);
}

#[test]
fn another_order_under_the_same_id_is_rejected() {
    let other = Planned { env_set: EnvSet(2), ..order() };
    given::<Allocation>(history(State::Ready)).when(Command::Plan(other)).then_rejected(&Rejection::Exists);
}

#[test]
fn a_runner_with_other_bytes_than_ordered_is_rejected_with_both_digests() {
    let wrong = Rejection::WrongDigest { expected: GREEN_BYTES, actual: BLUE_BYTES };
    given::<Allocation>(history(State::Pulling))
        .when(Command::ReportStarting { digest: BLUE_BYTES })
        .then_rejected(&wrong);
    given::<Allocation>(history(State::Starting))
        .when(Command::ReportReady { digest: BLUE_BYTES, address: ADDRESS.into() })
        .then_rejected(&wrong);
}

#[test]
fn a_ready_allocation_that_moved_says_so() {
    let moved = || Event::Ready { digest: GREEN_BYTES, address: "127.0.0.1:7002".into() };
    given::<Allocation>(history(State::Ready))
        .when(Command::ReportReady { digest: GREEN_BYTES, address: "127.0.0.1:7002".into() })
        .then([moved()]);
}

#[test]
fn a_restart_is_recorded_once_and_none_after_the_end() {
    let report = |restarts| Command::ReportRestarted { restarts, exit: "signal 9".into() };
    let restarted = |restarts| Event::Restarted { restarts, exit: "signal 9".into() };
    let with = |state, restarts| {
        let mut all = history(state);
        all.push(restarted(restarts));
        given::<Allocation>(all)
    };
    given::<Allocation>(history(State::Ready)).when(report(1)).then([restarted(1)]);
    with(State::Ready, 2).when(report(2)).then([]);
    with(State::Ready, 2).when(report(1)).then([]);
    with(State::Ready, 2).when(report(3)).then([restarted(3)]);
    given::<Allocation>(history(State::Stopped)).when(report(1)).then([]);
}

#[test]
fn a_restart_leaves_an_allocation_ready_at_its_address() {
    let mut all = history(State::Ready);
    all.push(Event::Restarted { restarts: 1, exit: "signal 9".into() });
    let state = fold::<Allocation>(&all);
    assert_eq!((state.state, state.address.as_deref()), (Some(State::Ready), Some(ADDRESS)));
}

#[test]
fn the_order_to_stop_is_a_newer_generation_and_an_ended_one_is_ordered_nothing() {
    let order =
        |state| fold::<Allocation>(&history(state)).desired().map(|desired| (desired.goal, desired.generation.0));
    assert_eq!(order(State::Planned), Some((Goal::Run, 1)));
    assert_eq!(order(State::Ready), Some((Goal::Run, 1)));
    assert_eq!(order(State::Draining), Some((Goal::Stop, 2)));
    assert_eq!((order(State::Stopped), order(State::Failed)), (None, None));
}

#[test]
fn the_edges_hear_of_an_allocation_once_it_is_ready_and_that_it_is_gone() {
    let endpoint = |state| fold::<Allocation>(&history(state)).endpoint().map(|endpoint| endpoint.state);
    for unheard in [State::Planned, State::Pulling, State::Starting, State::Failed] {
        assert_eq!(endpoint(unheard), None, "{unheard}");
    }
    assert_eq!(endpoint(State::Ready), Some(EndpointState::Ready));
    assert_eq!(endpoint(State::Draining), Some(EndpointState::Draining));
    assert_eq!(endpoint(State::Stopped), Some(EndpointState::Gone));
}
