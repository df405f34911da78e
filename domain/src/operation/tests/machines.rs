//! Every machine by the words that people know it by: each stage of each kind, told to enter every stage there is, to end early
//! and to fail, against roads that are written down here and not read from `machine.rs`. Trap: a table that is compared with
//! nothing but itself, so that a stage with another name, or one that is left out, goes unnoticed.

use super::{Command, Event, Kind, Operation, Rejection, Requested, Stage, enter, entered, failure, works::works};
use crate::{
    aggregate::{Aggregate as _, Rejection as _, fold},
    allocation,
    environment::Standing,
    numbers::Epoch,
    story::{because, requested},
    wake::Lifecycle,
};

/// Each kind, the stages it goes through one after another, and its good ends. A star: there it may still be cancelled.
const ROADS: &[(Kind, &str, &str)] = &[
    (Kind::Deploy, "queued* cloning* building* validating*", "preview_ready blocked"),
    (Kind::Promotion, "requested* policy_check* route_cas edge_propagating", "healthy"),
    (Kind::Rollback, "requested* policy_check* route_cas edge_propagating", "rolled_back"),
    (Kind::RegionFailover, "requested* policy_check* route_cas edge_propagating", "healthy"),
    (Kind::Wake, "wake_requested* starting* readiness_wait", "hot"),
    (Kind::Sleep, "requested* policy_check* sleeping", "cold"),
    (Kind::HostDrain, "requested* cordoned* evacuating replacement_ready upgrading postcheck", "uncordoned"),
    (Kind::RegionEnablement, "requested* provisioning* binding_services* replicating_artifacts*", "eligible"),
    (Kind::Scale, "requested* policy_check* scaling*", "verified"),
    (Kind::Drain, "requested* policy_check* draining", "verified"),
    (Kind::Migration, "requested* policy_check* migrating", "verified"),
    (Kind::ProviderBinding, "requested* policy_check* binding", "verified"),
    (Kind::RuntimeServiceBinding, "requested* policy_check* binding", "verified"),
];

type Decide = fn(&Operation, Command) -> Result<Vec<Event>, Rejection>;

/// A kind's road: its stations and its good ends.
struct Road {
    stations: Vec<&'static str>,
    cancellable: Vec<&'static str>,
    ends: Vec<&'static str>,
}

impl Road {
    fn of(kind: Kind) -> Self {
        let (_, stations, ends) = ROADS.iter().find(|(of, ..)| *of == kind).expect("every kind has its road");
        let starred = |station: &&str| station.ends_with('*');
        Self {
            stations: stations.split(' ').map(|station| station.trim_end_matches('*')).collect(),
            cancellable: stations.split(' ').filter(starred).map(|station| station.trim_end_matches('*')).collect(),
            ends: ends.split(' ').collect(),
        }
    }

    fn stages(&self) -> impl Iterator<Item = &'static str> {
        self.stations.iter().chain(&self.ends).copied()
    }

    /// Where it may go on to from here.
    fn onward(&self, here: &str) -> &[&'static str] {
        match self.stations.iter().position(|station| *station == here) {
            Some(at) => self.stations.get(at + 1).map_or(&self.ends[..], std::slice::from_ref),
            None => &[],
        }
    }

    /// What is answered to who wants to enter a stage.
    fn entering(&self, here: &str, to: &str) -> &'static str {
        match (here == to, self.onward(here).contains(&to)) {
            (true, _) => "already so",
            (false, true) => "yes",
            (false, false) => "INVALID_TRANSITION",
        }
    }

    /// What is answered to a wish to end it early.
    fn wishing(&self, here: &str) -> &'static str {
        if self.ends.contains(&here) {
            "OPERATION_ENDED"
        } else if self.cancellable.contains(&here) {
            "yes"
        } else if ["route_cas", "edge_propagating"].contains(&here) {
            "ROUTE_CHANGED"
        } else {
            "TOO_LATE"
        }
    }

    /// All that happened to an operation that stands here.
    fn history(&self, asked: Requested, here: &str) -> Vec<Event> {
        let passed = self.stations.iter().position(|station| *station == here).unwrap_or(self.stations.len() - 1);
        let end = self.ends.iter().filter(|end| **end == here);
        let stages = self.stations[1..=passed].iter().chain(end).map(|stage| entered(stage.parse().expect("a stage")));
        std::iter::once(Event::Requested(asked)).chain(stages).collect()
    }
}

/// An answer in one word.
fn word(answer: Result<Vec<Event>, Rejection>) -> &'static str {
    match answer {
        Ok(events) if events.is_empty() => "already so",
        Ok(_) => "yes",
        Err(rejection) => rejection.code(),
    }
}

/// Wherever it is answered otherwise than the roads say.
fn wrong(decide: Decide) -> Vec<String> {
    let mut wrong = vec![];
    for work in works() {
        let kind = work.kind();
        let road = Road::of(kind);
        let asked = Requested { work, ..requested(Kind::Rollback, Epoch(1)) };
        for here in road.stages() {
            let stands = fold::<Operation>(&road.history(asked.clone(), here));
            let wished = Operation { cancel: Some(because("too early")), ..stands.clone() };
            let mut hear = |what: &str, of: &Operation, command: Command, expected: &str| {
                let found = word(decide(of, command));
                if found != expected {
                    wrong.push(format!("{kind} at {here}, {what}: {found}"));
                }
            };
            for to in Stage::ALL {
                hear(to.as_str(), &stands, enter(*to), road.entering(here, to.as_str()));
            }
            let early = if road.cancellable.contains(&here) { "yes" } else { "INVALID_TRANSITION" };
            let ended = if road.ends.contains(&here) { "OPERATION_ENDED" } else { "yes" };
            hear("a wish", &stands, Command::RequestCancel { reason: because("too early") }, road.wishing(here));
            hear("cancel unasked", &stands, Command::Cancel, "INVALID_TRANSITION");
            hear("cancel", &wished, Command::Cancel, early);
            hear("fail", &stands, Command::Fail(failure()), ended);
        }
    }
    wrong
}

fn stage_after(operation: &Operation) -> Option<Stage> {
    let machine = operation.requested.as_ref()?.machine();
    machine.steps.iter().find(|(from, _)| Some(*from) == operation.stage).map(|(_, to)| *to)
}

#[test]
fn every_stage_of_every_kind_answers_as_its_road_says() {
    assert_eq!(wrong(Operation::decide), Vec::<String>::new());
    for work in works() {
        let asked = Requested { work, ..requested(Kind::Rollback, Epoch(1)) };
        let (kind, begins) = (asked.kind(), fold::<Operation>(&[Event::Requested(asked)]).stage);
        assert_eq!(begins.map(Stage::as_str), Road::of(kind).stages().next(), "{kind}");
    }
}

#[test]
fn machines_that_leave_their_road_are_caught() {
    let sins: [(&str, Decide); 4] = [
        ("a stage is left out", |operation, command| {
            let further = Operation { stage: stage_after(operation).or(operation.stage), ..operation.clone() };
            operation.decide(command.clone()).or_else(|_| further.decide(command))
        }),
        ("it turns back", |operation, command| {
            if matches!(command, Command::Enter { stage: Stage::Requested, .. }) {
                return Ok(vec![entered(Stage::Requested)]);
            }
            operation.decide(command)
        }),
        ("whoever wants ends it", |operation, command| {
            if matches!(command, Command::Cancel) {
                return Ok(vec![Event::Cancelled { reason: because("too early") }]);
            }
            operation.decide(command)
        }),
        ("it fails after its end", |operation, command| {
            if matches!(command, Command::Fail(_)) {
                return Ok(vec![Event::Failed(failure())]);
            }
            operation.decide(command)
        }),
    ];
    for (sin, decide) in sins {
        assert!(!wrong(decide).is_empty(), "{sin}");
    }
}

/// The machines that are no operation's: an allocation's life, where an app stands between cold and hot, and a region.
#[test]
fn the_states_of_the_other_machines_have_the_names_that_people_know() {
    let allocation = allocation::State::ALL.iter().map(|state| state.as_str());
    let known = ["planned", "pulling", "starting", "ready", "draining", "stopped", "failed"];
    assert_eq!(allocation.collect::<Vec<_>>(), known);
    let app = Lifecycle::ALL.iter().map(|state| state.as_str());
    let known = ["cold", "wake_requested", "starting", "readiness_wait", "hot", "failed", "sleeping"];
    assert_eq!(app.collect::<Vec<_>>(), known);
    let region = Standing::ALL.iter().map(|state| state.as_str());
    let known = ["requested", "provisioning", "binding_services", "replicating_artifacts", "eligible", "disabled"];
    assert_eq!(region.collect::<Vec<_>>(), known);
}
