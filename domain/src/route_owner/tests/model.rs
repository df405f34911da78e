//! Random sequences of commands against a naive model that was written from the rules and not from the code, and one broken
//! route owner for every rule, which the very same check must catch. Trap: a property that no broken variant violates.

use super::{Command, Event, Rejection, RouteOwner};
use crate::{
    aggregate::{Aggregate, Rejection as _},
    digest::Digest,
    feed::Owner,
    ids::{DeploymentId, OperationId},
    numbers::{EnvSet, Epoch},
    route_owner::Change,
    story::{at, because, host, opened},
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
    Promote { by: u8, to: u8, expected: Expected },
    RollBack { by: u8, to: u8, expected: Expected },
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
}

impl Model {
    fn tell(&mut self, act: Act) -> Answer {
        if !self.open {
            self.open = matches!(act, Act::Open);
            return if self.open { Changed } else { Refused("NOT_FOUND") };
        }
        match act {
            Act::Open => AlreadySo,
            Act::Attach(host) => changed_if(self.hosts.insert(host), AlreadySo),
            Act::Detach(host) => changed_if(self.hosts.remove(&host), Refused("HOST_NOT_ATTACHED")),
            Act::Promote { by, to, expected } => self.promote(by, to, expected),
            Act::RollBack { by, to, expected } => self.roll_back(by, to, expected),
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

fn command(act: Act, now: Epoch) -> Command {
    let change = |by: u8, to: u8, expected| Change {
        by: OperationId(Uuid::from_u128(u128::from(by) + 1)),
        expected: if let Expected::Exactly(epoch) = expected { Epoch(epoch) } else { now },
        owner: Owner {
            deployment: deployment(to),
            artifact: Digest([bytes(to); 32]),
            env_set: EnvSet(1),
            health_path: "/health".into(),
            replay: None,
        },
        at: at(0),
        drain_until: at(30),
    };
    let (reason, name) = (because("why not"), |n: u8| host(&format!("h{n}.example.com")));
    match act {
        Act::Open => Command::Open(opened()),
        Act::Attach(n) => Command::AttachHost { host: name(n) },
        Act::Detach(n) => Command::DetachHost { host: name(n) },
        Act::Promote { by, to, expected } => Command::Promote(change(by, to, expected)),
        Act::RollBack { by, to, expected } => Command::RollBack { change: change(by, to, expected), reason },
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
        6 => change.prop_map(|(by, to, expected)| Act::RollBack { by, to, expected }),
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
}

/// Lets the commands loose on it, and compares every answer and every state with the model's.
fn check<R: Route>(acts: &[Act]) -> Result<(), TestCaseError> {
    let (mut route, mut model) = (R::default(), Model::default());
    for act in acts {
        let before = (route.state().epoch, route.state().owner.clone());
        let found = route.answer(command(*act, before.0));
        let answer = match &found {
            Ok(events) if events.is_empty() => AlreadySo,
            Ok(_) => Changed,
            Err(rejection) => Refused(rejection.code()),
        };
        found.iter().flatten().for_each(|event| route.take(event));
        let after = route.state();
        prop_assert!(after.epoch >= before.0, "the epoch fell from {} to {} at {act:?}", before.0, after.epoch);
        if after.owner != before.1 {
            prop_assert_eq!(after.epoch, before.0.next(), "another owner is another epoch: {:?}", act);
        }
        prop_assert_eq!(answer, model.tell(*act), "the answer to {:?}", act);
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
    }
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

/// Declares a broken route owner: how it decides, and how it takes an event in.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident: decide $decide:expr, take $take:expr;)*) => {
        $($(#[$doc])*
        #[derive(Default)]
        struct $name(RouteOwner);

        impl Route for $name {
            fn state(&self) -> &RouteOwner {
                &self.0
            }

            fn answer(&self, command: Command) -> Result<Vec<Event>, Rejection> {
                let decide: fn(&RouteOwner, Command) -> Result<Vec<Event>, Rejection> = $decide;
                decide(&self.0, command)
            }

            fn take(&mut self, event: &Event) {
                let take: fn(&mut RouteOwner, &Event) = $take;
                take(&mut self.0, event);
            }
        })*

        const MUTANTS: &[(&str, fn() -> bool)] = &[$((stringify!($name), || run::<$name>(2_000).is_err()),)*];
    };
}

/// Decides as if the state were another.
fn blind(route: &RouteOwner, command: Command, to: fn(&mut RouteOwner)) -> Result<Vec<Event>, Rejection> {
    let mut other = route.clone();
    to(&mut other);
    other.decide(command)
}

fn without_cas(route: &RouteOwner, mut command: Command) -> Result<Vec<Event>, Rejection> {
    if let Command::Promote(change) | Command::RollBack { change, .. } = &mut command {
        change.expected = route.epoch;
    }
    route.decide(command)
}

fn without_epoch(route: &mut RouteOwner, event: &Event) {
    let epoch = route.epoch;
    route.apply(event);
    route.epoch = epoch;
}

fn falling_epoch(route: &RouteOwner, command: Command) -> Result<Vec<Event>, Rejection> {
    if let Command::RaiseEpoch { floor, reason } = &command
        && *floor < route.epoch
    {
        return Ok(vec![Event::EpochRaised { epoch: *floor, reason: reason.clone() }]);
    }
    route.decide(command)
}

fn without_quarantine(route: &RouteOwner, command: Command) -> Result<Vec<Event>, Rejection> {
    let mut events = route.decide(command)?;
    events.retain(|event| !matches!(event, Event::Quarantined { .. }));
    Ok(events)
}

fn release_lifts(route: &mut RouteOwner, event: &Event) {
    route.apply(event);
    if matches!(event, Event::PinReleased { .. }) {
        route.quarantined.clear();
    }
}

mutants! {
    /// Any epoch will do.
    NoCompareAndSwap: decide without_cas, take RouteOwner::apply;
    /// A pin stops nobody.
    IgnoresPin: decide |r, c| blind(r, c, |r| r.pin = None), take RouteOwner::apply;
    /// Quarantined bytes come back.
    IgnoresQuarantine: decide |r, c| blind(r, c, |r| r.quarantined.clear()), take RouteOwner::apply;
    /// A new owner under the old epoch.
    EpochNotRaised: decide RouteOwner::decide, take without_epoch;
    /// A restore takes the epoch back.
    EpochFalls: decide falling_epoch, take RouteOwner::apply;
    /// A freeze stops nobody.
    IgnoresFreeze: decide |r, c| blind(r, c, |r| r.frozen = None), take RouteOwner::apply;
    /// A rollback leaves the broken bytes welcome.
    DoesNotQuarantine: decide without_quarantine, take RouteOwner::apply;
    /// The quarantine ends with the pin.
    QuarantineEndsWithPin: decide RouteOwner::decide, take release_lifts;
    /// The same operation again promotes again.
    ForgetsOperation: decide |r, c| blind(r, c, |r| r.by = None), take RouteOwner::apply;
}

#[test]
fn every_broken_route_owner_is_caught_by_the_model() {
    let missed: Vec<_> = MUTANTS.iter().filter(|(_, caught)| !caught()).map(|(name, _)| *name).collect();
    assert_eq!(missed, Vec::<&str>::new(), "of {} mutants", MUTANTS.len());
}
