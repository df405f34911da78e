//! The life of an allocation, as one table: every state and everything that may be said to it.

mod model;

use super::*;
use crate::{
    aggregate::{self, fold, given},
    numbers::{EnvSet, Epoch},
    story::{ADDRESS, BLUE_BYTES, GREEN, GREEN_BYTES, allocation, at, planned, ready},
};
use serde_json::json;

fn order() -> Planned {
    planned(allocation(1), GREEN, Epoch(1))
}

fn starting() -> Event {
    Event::Starting { digest: GREEN_BYTES }
}

fn draining() -> Event {
    Event::Draining { reason: "standby is over".into(), deadline: Some(at(130)) }
}

fn failed() -> Event {
    Event::Failed { reason: "exit 1".into(), cause: Some(Cause::RunnerCrash) }
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
        State::Stopped => {
            vec![Event::Pulling {}, starting(), ready(GREEN), draining(), Event::Stopped { sessions_ended: 2 }]
        }
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
        State::Draining => (Command::Drain { reason: "standby is over".into(), deadline: Some(at(130)) }, draining()),
        State::Stopped => (Command::ReportStopped { sessions_ended: 2 }, Event::Stopped { sessions_ended: 2 }),
        State::Failed => (Command::ReportFailed { reason: "exit 1".into(), cause: Some(Cause::RunnerCrash) }, failed()),
    }
}

/// `y`: the event follows. `-`: older or equal news, no event. `x`: refused, its life does not go that way.
/// Rows: where it is. Columns: planned, pulling, starting, ready, draining, stopped, failed.
const TABLE: [(State, &str); 7] = [
    (State::Planned, "-yxxyxy"),
    (State::Pulling, "--yxyxy"),
    (State::Starting, "---yyxy"),
    (State::Ready, "----yxy"),
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

#[test]
fn the_transitions_are_exactly_those_of_the_table() {
    let table = TABLE.iter().flat_map(|(from, row)| {
        let to = State::ALL.iter().copied().zip(row.chars()).filter(|(_, answer)| *answer == 'y');
        to.map(|(to, _)| (*from, to))
    });
    assert_eq!(table.collect::<Vec<_>>(), TRANSITIONS);
}

#[test]
fn treating_it_as_the_deployment_or_source_of_route_truth() {
    // What it says of itself reaches runners and edges; nothing in it can name an owner, and no life it leads changes one.
    let of_routes = |endpoint: &serde_json::Value| {
        ["owner", "epoch", "posture", "route"].into_iter().filter(|key| endpoint.get(key).is_some()).collect::<Vec<_>>()
    };
    let ready = fold::<Allocation>(&history(State::Ready));
    let endpoint = serde_json::to_value(ready.endpoint().expect("it was ready")).expect("it is JSON");
    assert_eq!(of_routes(&endpoint), Vec::<&str>::new());
    // The sins: one that says at which epoch it serves; and one that takes itself for routed to as long as it answers.
    let mut sin = endpoint;
    sin["epoch"] = 7.into();
    assert_eq!(of_routes(&sin), ["epoch"]);
    let answers = |one: &Allocation| one.endpoint().map(|_| EndpointState::Ready);
    let drained = fold::<Allocation>(&history(State::Draining));
    assert_eq!(drained.endpoint().map(|told| told.state), Some(EndpointState::Draining));
    assert_ne!(answers(&drained), drained.endpoint().map(|told| told.state), "it was told to drain");
}

#[test]
fn a_session_still_active_at_the_drain_deadline_is_ended_and_counted() {
    let stopped = fold::<Allocation>(&history(State::Stopped));
    assert_eq!((stopped.state, stopped.sessions_ended), (Some(State::Stopped), 2));
    let order = fold::<Allocation>(&history(State::Draining)).desired().expect("it is told");
    assert_eq!(order.drain_deadline, Some(at(130)), "the runner is told until when");
}

#[test]
fn every_way_to_fail_has_a_word() {
    for cause in Cause::ALL {
        let failed = Event::Failed { reason: "in words".into(), cause: Some(*cause) };
        let told = Command::ReportFailed { reason: "in words".into(), cause: Some(*cause) };
        given::<Allocation>(history(State::Starting)).when(told).then([failed.clone()]);
        let mut all = history(State::Starting);
        all.push(failed);
        assert_eq!(fold::<Allocation>(&all).cause, Some(*cause));
    }
}

#[test]
fn the_failures_of_version_1_say_today_whose_end_it_was() {
    let read = |event_type: &str, from: u16, cause: &str, reason: &str| {
        <Event as aggregate::Event>::upcast(event_type, from, json!({ "cause": cause, "reason": reason }))["cause"]
            .clone()
    };
    let impatient = "not ready after 30000 ms: refused; restarts 8, last end: exit 3";
    assert_eq!(read("allocation.failed", 1, "runner_crash", impatient), "app_exited");
    assert_eq!(
        read("allocation.failed", 1, "runner_crash", "not ready after 1 ms: last end: gate lost"),
        "runner_crash"
    );
    assert_eq!(read("allocation.failed", 1, "runner_crash", "the gate kept ending"), "runner_crash");
    assert_eq!(read("allocation.failed", 1, "not_ready", impatient), "not_ready");
    assert_eq!(read("allocation.failed", 2, "runner_crash", impatient), "runner_crash", "of today it is as it says");
    assert_eq!(read("allocation.stopped", 1, "runner_crash", impatient), "runner_crash", "and others never said it");
}
