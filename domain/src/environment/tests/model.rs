//! An environment against its naive model: what it was made as, how many allocations it wants and who said so last, what its
//! promotions need, who approved what, and when it sleeps. Where it may be has a model of its own (`residency`).

use super::*;
use crate::model::{
    Answer::{self, AlreadySo, Changed, Refused},
    Model, Ways, blind, changed_if, holds,
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Act {
    Create(u128, u64),
    Scale {
        by: OperationId,
        expected: u8,
        to: u8,
    },
    Need(u8),
    /// By whom, of which environment, at which epoch.
    Approve(u128, u128, u64),
    Sleep(u64),
}

const LONGEST_DRAIN: u64 = 604_800;
const LONGEST_SLEEP: u64 = 2_592_000;

#[derive(Debug, Default, PartialEq)]
struct Naive {
    made: Option<(u128, u64)>,
    replicas: Option<(OperationId, u8)>,
    needs: u8,
    approved: Vec<(u128, u64)>,
    sleeps_after: u64,
}

fn approval(by: u128, environment: u128, epoch: u64) -> Approval {
    Approval {
        by: ActorId(Uuid::from_u128(by)),
        environment: EnvironmentId(Uuid::from_u128(environment)),
        deployment: DeploymentId(Uuid::from_u128(3)),
        artifact: Digest([1; 32]),
        expected_epoch: Epoch(epoch),
    }
}

impl Naive {
    fn make(&mut self, which: u128, drain: u64) -> Answer {
        match self.made {
            _ if drain > LONGEST_DRAIN => Refused("INVALID"),
            None => {
                self.made = Some((which, drain));
                Changed
            }
            Some(made) if made == (which, drain) => AlreadySo,
            Some(_) => Refused("ALREADY_EXISTS"),
        }
    }

    fn scale(&mut self, by: OperationId, expected: u8, to: u8) -> Answer {
        if self.replicas == Some((by, to)) {
            return AlreadySo;
        }
        if self.replicas.map_or(1, |(_, wanted)| wanted) != expected {
            return Refused("STALE_REPLICAS");
        }
        self.replicas = Some((by, to));
        Changed
    }

    fn approve(&mut self, by: u128, epoch: u64) -> Answer {
        if self.approved.contains(&(by, epoch)) {
            return AlreadySo;
        }
        // What was approved at an earlier epoch says nothing any more.
        self.approved.retain(|(_, earlier)| *earlier >= epoch);
        self.approved.push((by, epoch));
        Changed
    }
}

impl Model for Naive {
    type Noun = Environment;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let drain = prop::sample::select(vec![30, LONGEST_DRAIN, LONGEST_DRAIN + 1]);
        let by = prop::sample::select(vec![FIRST, SECOND]);
        let sleep = prop::sample::select(vec![0, 60, LONGEST_SLEEP, LONGEST_SLEEP + 1]);
        prop_oneof![
            2 => (1..=2_u128, drain).prop_map(|(which, drain)| Act::Create(which, drain)),
            3 => (by, 1..=3_u8, 1..=3_u8).prop_map(|(by, expected, to)| Act::Scale { by, expected, to }),
            2 => prop::sample::select(vec![0, 2, 10, 11]).prop_map(Act::Need),
            3 => (4..=5_u128, 1..=2_u128, 1..=3_u64).prop_map(|(by, of, epoch)| Act::Approve(by, of, epoch)),
            2 => sleep.prop_map(Act::Sleep),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        let Some((which, _)) = self.made else {
            return if let Act::Create(which, drain) = *act { self.make(which, drain) } else { Refused("NOT_FOUND") };
        };
        match *act {
            Act::Create(which, drain) => self.make(which, drain),
            Act::Scale { by, expected, to } => self.scale(by, expected, to),
            Act::Need(many) if many > 10 => Refused("INVALID"),
            Act::Need(many) => changed_if(std::mem::replace(&mut self.needs, many) != many, AlreadySo),
            Act::Approve(_, of, _) if of != which => Refused("NOT_FOUND"),
            Act::Approve(by, _, epoch) => self.approve(by, epoch),
            Act::Sleep(after) if after > LONGEST_SLEEP => Refused("INVALID"),
            Act::Sleep(after) => changed_if(std::mem::replace(&mut self.sleeps_after, after) != after, AlreadySo),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create(which, drain_seconds) => {
                let drain = DrainPolicy { drain_seconds, standby_seconds: 0 };
                Command::Create(Created { drain, ..created(which) })
            }
            Act::Scale { by, expected, to } => scale(by, Replicas(expected), Replicas(to)),
            Act::Need(approvals_required) => {
                Command::SetPolicy { policy: Policy { approvals_required }, reason: because("audit") }
            }
            Act::Approve(by, of, epoch) => Command::Approve(approval(by, of, epoch)),
            Act::Sleep(sleep_after_seconds) => Command::SetSleepPolicy(SleepPolicy { sleep_after_seconds }),
        }
    }

    fn seen(noun: &Environment) -> Self {
        let approved = noun.approvals.iter().map(|one| (one.by.0.as_u128(), one.expected_epoch.0));
        Self {
            made: noun.created.as_ref().map(|made| (made.id.0.as_u128(), made.drain.drain_seconds)),
            replicas: noun.scaled_by.map(|by| (by, noun.replicas.0)),
            needs: noun.policy.approvals_required,
            approved: approved.collect(),
            sleeps_after: noun.sleep.sleep_after_seconds,
        }
    }
}

/// Whoever scales last wins, whatever they had seen.
fn scales_without_looking(noun: &Environment, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Scale { by, replicas, .. } = command else { return noun.decide(command) };
    noun.decide(Command::Scale { by, expected: noun.replicas, replicas })
}

/// An approval for one environment counts in every other.
fn takes_any_approval(noun: &Environment, command: Command) -> Result<Vec<Event>, Rejection> {
    match (command, &noun.created) {
        (Command::Approve(approval), Some(here)) => {
            noun.decide(Command::Approve(Approval { environment: here.id, ..approval }))
        }
        (command, _) => noun.decide(command),
    }
}

/// What was approved once is approved for ever.
fn keeps_approvals_of_earlier_epochs(noun: &mut Environment, event: &Event) {
    let before = noun.approvals.clone();
    noun.apply(event);
    if let Event::PromotionApproved(approval) = event {
        noun.approvals = before;
        noun.approvals.push(approval.clone());
    }
}

fn forgets_who_scaled_it(noun: &mut Environment, event: &Event) {
    noun.apply(event);
    if matches!(event, Event::Scaled { .. }) {
        noun.scaled_by = None;
    }
}

#[test]
fn random_commands_find_the_environment_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("ScalesWithoutLooking", Ways::deciding(scales_without_looking)),
        ("TakesAnyApproval", Ways::deciding(takes_any_approval)),
        ("KeepsApprovalsOfEarlierEpochs", Ways::applying(keeps_approvals_of_earlier_epochs)),
        ("ForgetsWhoScaledIt", Ways::applying(forgets_who_scaled_it)),
        ("IsCreatedTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.created = None))),
    ]);
}
