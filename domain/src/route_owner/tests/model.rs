//! Random sequences of commands against a naive model that was written from the rules and not from the code, and one broken
//! route owner for every rule, which the very same check must catch. Trap: a property that no broken variant violates.

mod sins;

use super::{Command, Event, Rejection, RouteOwner};
use crate::{
    aggregate::{Aggregate, Rejection as _},
    digest::Digest,
    feed::Owner,
    ids::{DeploymentId, OperationId, RegionId},
    numbers::{EnvSet, Epoch},
    route_owner::{Change, Place, Relocation},
    session_fate::Fate,
    story::{allocation, at, because, bergen, host, opened, planned},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A command in small: three deployments, of which 0 and 2 are the same bytes; four operations; two hosts.
#[derive(Clone, Copy, Debug)]
enum Act {
    Open,
    Attach(u8),
    Detach(u8),
    Promote {
        by: u8,
        to: u8,
        expected: Expected,
    },
    RollBack {
        by: u8,
        to: u8,
        expected: Expected,
    },
    /// To the region where it was opened, or to the other one.
    Move {
        by: u8,
        to: usize,
        expected: Expected,
    },
    Release,
    Lift(u8),
    Freeze,
    Unfreeze,
    Raise(u64),
}

/// The epoch that a change was decided on.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Now,
    Exactly(u64),
}

/// What a command may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Changed,
    AlreadySo,
    Refused(&'static str),
}

use Answer::{AlreadySo, Changed, Refused};

fn bytes(deployment: u8) -> u8 {
    deployment % 2
}

/// The rules, as one would tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    open: bool,
    epoch: u64,
    owner: Option<u8>,
    by: Option<u8>,
    owned: BTreeSet<u8>,
    hosts: BTreeSet<u8>,
    frozen: bool,
    pinned: bool,
    quarantined: BTreeSet<u8>,
    /// Which of the two regions serves it.
    place: usize,
    /// Of which regions the edges are told.
    told: BTreeSet<usize>,
}

impl Model {
    fn tell(&mut self, act: Act) -> Answer {
        if !self.open {
            self.open = matches!(act, Act::Open);
            self.told.extend(self.open.then_some(0));
            return if self.open { Changed } else { Refused("NOT_FOUND") };
        }
        match act {
            Act::Open => AlreadySo,
            Act::Attach(host) => changed_if(self.hosts.insert(host), AlreadySo),
            Act::Detach(host) => changed_if(self.hosts.remove(&host), Refused("HOST_NOT_ATTACHED")),
            Act::Promote { by, to, expected } => self.promote(by, to, expected),
            Act::RollBack { by, to, expected } => self.roll_back(by, to, expected),
            Act::Move { by, to, expected } => self.relocate(by, to, expected),
            Act::Release => changed_if(std::mem::take(&mut self.pinned), Refused("NOT_PINNED")),
            Act::Lift(bytes) => changed_if(self.quarantined.remove(&bytes), Refused("NOT_QUARANTINED")),
            Act::Freeze => changed_if(!std::mem::replace(&mut self.frozen, true), AlreadySo),
            Act::Unfreeze => changed_if(std::mem::take(&mut self.frozen), Refused("NOT_FROZEN")),
            Act::Raise(floor) => {
                let higher = floor > self.epoch;
                self.epoch = self.epoch.max(floor);
                changed_if(higher, AlreadySo)
            }
        }
    }

    fn promote(&mut self, by: u8, to: u8, expected: Expected) -> Answer {
        if self.by == Some(by) {
            AlreadySo
        } else if self.is_stale(expected) {
            Refused("STALE_EPOCH")
        } else if self.frozen {
            Refused("FROZEN")
        } else if self.pinned {
            Refused("PINNED")
        } else if self.quarantined.contains(&bytes(to)) {
            Refused("QUARANTINED")
        } else {
            self.hand_over(by, to)
        }
    }

    fn roll_back(&mut self, by: u8, to: u8, expected: Expected) -> Answer {
        if self.by == Some(by) {
            AlreadySo
        } else if self.is_stale(expected) {
            Refused("STALE_EPOCH")
        } else if self.owner == Some(to) {
            Refused("IS_OWNER")
        } else if !self.owned.contains(&to) {
            Refused("NEVER_OWNED")
        } else if self.quarantined.contains(&bytes(to)) {
            Refused("QUARANTINED")
        } else {
            self.pinned = true;
            self.quarantined.extend(self.owner.map(bytes).filter(|left| *left != bytes(to)));
            self.hand_over(by, to)
        }
    }

    fn relocate(&mut self, by: u8, to: usize, expected: Expected) -> Answer {
        if self.by == Some(by) {
            AlreadySo
        } else if self.is_stale(expected) {
            Refused("STALE_EPOCH")
        } else if self.owner.is_none() {
            Refused("NOTHING_TO_MOVE")
        } else if self.place == to {
            Refused("IS_THERE")
        } else if self.owner.map(bytes).is_some_and(|bytes| self.quarantined.contains(&bytes)) {
            Refused("QUARANTINED")
        } else {
            self.epoch += 1;
            (self.by, self.place) = (Some(by), to);
            self.told.insert(to);
            Changed
        }
    }

    fn is_stale(&self, expected: Expected) -> bool {
        matches!(expected, Expected::Exactly(epoch) if epoch != self.epoch)
    }

    fn hand_over(&mut self, by: u8, to: u8) -> Answer {
        self.epoch += 1;
        (self.owner, self.by) = (Some(to), Some(by));
        self.owned.insert(to);
        Changed
    }
}

fn changed_if(changed: bool, otherwise: Answer) -> Answer {
    if changed { Changed } else { otherwise }
}

fn deployment(n: u8) -> DeploymentId {
    DeploymentId(Uuid::from_u128(u128::from(n) + 1))
}

fn places() -> [Place; 2] {
    [opened().place(), bergen()]
}

/// The set of variables that a deployment has.
fn set(deployment: u8) -> u64 {
    u64::from(deployment) + 1
}

/// Where, and with which set of variables, what runs the owner's bytes counts as the owner's.
fn counts(route: &impl Route) -> Vec<(usize, u64)> {
    let Some(owner) = &route.state().owner else { return vec![] };
    let runs = |place: Place, set| crate::allocation::Planned {
        region: place.region,
        cell: place.cell,
        artifact: owner.artifact,
        env_set: EnvSet(set),
        ..planned(allocation(1), owner.deployment, Epoch(0))
    };
    let all = (0..2).flat_map(|n| (0..5).map(move |set| (n, set)));
    all.filter(|(n, set)| route.owns(&runs(places()[*n], *set))).collect()
}

fn command(act: Act, now: Epoch) -> Command {
    let change = |by: u8, to: u8, expected| Change {
        by: OperationId(Uuid::from_u128(u128::from(by) + 1)),
        expected: if let Expected::Exactly(epoch) = expected { Epoch(epoch) } else { now },
        owner: Owner {
            deployment: deployment(to),
            artifact: Digest([bytes(to); 32]),
            env_set: EnvSet(set(to)),
            health_path: "/health".into(),
            replay: None,
        },
        at: at(0),
        drain_until: at(30),
    };
    let relocation = |by: u8, to: usize, expected| {
        let Change { by, expected, at, drain_until, .. } = change(by, 0, expected);
        Relocation { by, expected, to: places()[to], at, drain_until, sessions: Fate::StartFresh }
    };
    let (reason, name) = (because("why not"), |n: u8| host(&format!("h{n}.example.com")));
    match act {
        Act::Open => Command::Open(opened()),
        Act::Attach(n) => Command::AttachHost { host: name(n) },
        Act::Detach(n) => Command::DetachHost { host: name(n) },
        Act::Promote { by, to, expected } => Command::Promote(change(by, to, expected)),
        Act::RollBack { by, to, expected } => Command::RollBack { change: change(by, to, expected), reason },
        Act::Move { by, to, expected } => Command::Move(relocation(by, to, expected)),
        Act::Release => Command::ReleasePin { reason },
        Act::Lift(bytes) => Command::LiftQuarantine { digest: Digest([bytes; 32]), reason },
        Act::Freeze => Command::Freeze { reason },
        Act::Unfreeze => Command::Unfreeze { reason },
        Act::Raise(floor) => Command::RaiseEpoch { floor: Epoch(floor), reason },
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let expected = prop_oneof![4 => Just(Expected::Now), 1 => (0_u64..6).prop_map(Expected::Exactly)];
    let change = (0_u8..4, 0_u8..3, expected).boxed();
    let act = prop_oneof![
        1 => Just(Act::Open),
        1 => (0_u8..2).prop_map(Act::Attach),
        1 => (0_u8..2).prop_map(Act::Detach),
        8 => change.clone().prop_map(|(by, to, expected)| Act::Promote { by, to, expected }),
        6 => change.clone().prop_map(|(by, to, expected)| Act::RollBack { by, to, expected }),
        6 => change.prop_map(|(by, to, expected)| Act::Move { by, to: usize::from(to % 2), expected }),
        2 => Just(Act::Release),
        2 => (0_u8..2).prop_map(Act::Lift),
        1 => Just(Act::Freeze),
        1 => Just(Act::Unfreeze),
        1 => (0_u64..8).prop_map(Act::Raise),
    ];
    prop::collection::vec(act, 1..40).prop_map(|mut acts| {
        acts.insert(0, Act::Open);
        acts
    })
}

/// A route owner, or one that breaks a rule.
trait Route: Default {
    fn state(&self) -> &RouteOwner;
    fn answer(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        self.state().decide(command)
    }
    fn take(&mut self, event: &Event);
    fn owns(&self, planned: &crate::allocation::Planned) -> bool {
        self.state().owns(planned)
    }
}

/// Lets the commands loose on it, and compares every answer and every state with the model's.
fn check<R: Route>(acts: &[Act]) -> Result<(), TestCaseError> {
    let (mut route, mut model) = (R::default(), Model::default());
    for act in acts {
        let before = (route.state().epoch, route.state().owner.clone(), route.state().place());
        let found = route.answer(command(*act, before.0));
        let answer = match &found {
            Ok(events) if events.is_empty() => AlreadySo,
            Ok(_) => Changed,
            Err(rejection) => Refused(rejection.code()),
        };
        found.iter().flatten().for_each(|event| route.take(event));
        prop_assert_eq!(answer, model.tell(*act), "the answer to {:?}", act);
        let after = route.state();
        prop_assert!(after.epoch >= before.0, "the epoch fell from {} to {} at {act:?}", before.0, after.epoch);
        if after.owner != before.1 || before.2.is_some_and(|place| after.place() != Some(place)) {
            prop_assert_eq!(after.epoch, before.0.next(), "another owner or place is another epoch: {:?}", act);
        }
        let counted = model.owner.map(|owner| (model.place, set(owner)));
        prop_assert_eq!(counts(&route), Vec::from_iter(counted), "what is the owner's after {:?}", act);
        prop_assert_eq!(&seen(after), &model, "the state after {:?}", act);
    }
    Ok(())
}

/// A route owner's state in the model's words.
fn seen(route: &RouteOwner) -> Model {
    let numbers: BTreeMap<DeploymentId, u8> = (0..3).map(|n| (deployment(n), n)).collect();
    Model {
        open: route.opened.is_some(),
        epoch: route.epoch.0,
        owner: route.owner.as_ref().map(|owner| numbers[&owner.deployment]),
        by: route.by.map(|by| u8::try_from(by.0.as_u128() - 1).expect("one of four")),
        owned: route.former.keys().map(|former| numbers[former]).collect(),
        hosts: (0..2).filter(|n| route.hosts.contains(&host(&format!("h{n}.example.com")))).collect(),
        frozen: route.frozen.is_some(),
        pinned: route.pin.is_some(),
        quarantined: route.quarantined.keys().map(|digest| digest.0[0]).collect(),
        place: place(route.route().map(|route| route.region)),
        told: route.told().map(|region| place(Some(region))).collect(),
    }
}

/// The number of a region; of a route that is not open, where it would be.
fn place(region: Option<RegionId>) -> usize {
    usize::from(region == Some(bergen().region))
}

fn run<R: Route>(cases: u32) -> Result<(), TestError<Vec<Act>>> {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&acts(), |acts| check::<R>(&acts))
}

impl Route for RouteOwner {
    fn state(&self) -> &RouteOwner {
        self
    }

    fn take(&mut self, event: &Event) {
        self.apply(event);
    }
}

#[test]
fn random_commands_find_the_route_as_the_model_says() {
    let cases =
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(crate::model::SEQUENCES);
    run::<RouteOwner>(cases).expect("the route owner keeps its rules");
}
