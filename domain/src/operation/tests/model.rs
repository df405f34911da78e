//! An operation against its naive model: a road with four stations, three ends, and a point from which it cannot turn back.

use super::{Command, Event, Fence, Kind, Operation, Rejection, Stage, failure};
use crate::{
    aggregate::Aggregate as _,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, changed_if, holds,
    },
    numbers::Epoch,
    operation::{Evidence, Failure, Requested},
    story::{SECOND, because, requested},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug)]
enum Act {
    Request(Kind),
    RequestAnother,
    RollBackWithoutReason,
    Enter(Stage, Option<u64>),
    Fail { code: &'static str },
    WishToCancel,
    Cancel,
    Late(u64),
}

const ROAD: [Stage; 4] = [Stage::Requested, Stage::PolicyCheck, Stage::RouteCas, Stage::EdgePropagating];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Promotion,
    Rollback,
    Another,
}

#[derive(Debug, Default, PartialEq)]
struct Naive {
    asked: Option<Asked>,
    /// How far on the road; 0 again once it has ended.
    station: usize,
    end: Option<Stage>,
    failed_with: Option<String>,
    epoch: Option<u64>,
    wish: bool,
    late: BTreeSet<u64>,
}

impl Naive {
    fn end(&mut self, stage: Stage) {
        (self.end, self.station) = (Some(stage), 0);
    }

    fn enter(&mut self, stage: Stage, epoch: Option<u64>) -> Answer {
        if self.end.unwrap_or(ROAD[self.station]) == stage {
            return AlreadySo;
        }
        let good_end = if self.asked == Some(Asked::Rollback) { Stage::RolledBack } else { Stage::Healthy };
        if self.end.is_some() {
            return Refused("INVALID_TRANSITION");
        } else if ROAD.get(self.station + 1) == Some(&stage) {
            self.station += 1;
        } else if self.station == 3 && stage == good_end {
            self.end(stage);
        } else {
            return Refused("INVALID_TRANSITION");
        }
        self.epoch = epoch.or(self.epoch);
        Changed
    }

    fn has_changed_the_route(&self) -> bool {
        match self.end {
            None => self.station >= 2,
            Some(end) => end == Stage::Healthy || end == Stage::RolledBack,
        }
    }

    fn wish(&mut self) -> Answer {
        if self.wish && !self.has_changed_the_route() {
            AlreadySo
        } else if self.end.is_some() {
            Refused("OPERATION_ENDED")
        } else if self.has_changed_the_route() {
            Refused("ROUTE_CHANGED")
        } else {
            self.wish = true;
            Changed
        }
    }

    fn cancel(&mut self) -> Answer {
        if self.end == Some(Stage::Cancelled) {
            AlreadySo
        } else if self.wish && self.end.is_none() && self.station < 2 {
            self.end(Stage::Cancelled);
            Changed
        } else {
            Refused("INVALID_TRANSITION")
        }
    }

    fn fail(&mut self, code: &str) -> Answer {
        match self.end {
            None => {
                self.end(Stage::Failed);
                self.failed_with = Some(code.to_owned());
                Changed
            }
            Some(_) if self.failed_with.as_deref() == Some(code) => AlreadySo,
            Some(_) => Refused("OPERATION_ENDED"),
        }
    }
}

impl Model for Naive {
    type Noun = Operation;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let stages = [ROAD.as_slice(), &[Stage::Healthy, Stage::RolledBack, Stage::Failed, Stage::Cancelled]].concat();
        let epoch = prop_oneof![3 => Just(None), 1 => (1_u64..4).prop_map(Some)];
        prop_oneof![
            3 => Just(Act::Request(Kind::Promotion)),
            2 => Just(Act::Request(Kind::Rollback)),
            1 => Just(Act::RequestAnother),
            1 => Just(Act::RollBackWithoutReason),
            24 => (prop::sample::select(stages), epoch).prop_map(|(stage, epoch)| Act::Enter(stage, epoch)),
            1 => prop::sample::select(vec!["STALE_EPOCH", "FROZEN"]).prop_map(|code| Act::Fail { code }),
            2 => Just(Act::WishToCancel),
            1 => Just(Act::Cancel),
            2 => (1_u64..4).prop_map(Act::Late),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        let asking = match *act {
            Act::Request(Kind::Promotion) => Some(Asked::Promotion),
            Act::Request(_) => Some(Asked::Rollback),
            Act::RequestAnother => Some(Asked::Another),
            Act::RollBackWithoutReason
            | Act::Enter(..)
            | Act::Fail { .. }
            | Act::WishToCancel
            | Act::Cancel
            | Act::Late(_) => None,
        };
        if self.asked.is_none() {
            self.asked = asking;
            let refused = if matches!(act, Act::RollBackWithoutReason) { "REASON_MISSING" } else { "NOT_FOUND" };
            return changed_if(asking.is_some(), Refused(refused));
        }
        match *act {
            Act::Request(_) | Act::RequestAnother if self.asked == asking => AlreadySo,
            Act::Request(_) | Act::RequestAnother | Act::RollBackWithoutReason => Refused("ALREADY_EXISTS"),
            Act::Enter(stage, epoch) => self.enter(stage, epoch),
            Act::Fail { code } => self.fail(code),
            Act::WishToCancel => self.wish(),
            Act::Cancel => self.cancel(),
            Act::Late(fence) => changed_if(self.late.insert(fence), AlreadySo),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Request(kind) => Command::Request(requested(kind, Epoch(1))),
            Act::RequestAnother => Command::Request(Requested { id: SECOND, ..requested(Kind::Promotion, Epoch(1)) }),
            Act::RollBackWithoutReason => {
                Command::Request(Requested { reason: None, ..requested(Kind::Rollback, Epoch(1)) })
            }
            Act::Enter(stage, epoch) => {
                Command::Enter { stage, evidence: Evidence { epoch: epoch.map(Epoch), ..Evidence::default() } }
            }
            Act::Fail { code } => Command::Fail(Failure { code: code.into(), ..failure() }),
            Act::WishToCancel => Command::RequestCancel { reason: because("too early") },
            Act::Cancel => Command::Cancel,
            Act::Late(fence) => Command::RecordLateReport { attempt: Fence(fence), report: "enter healthy".into() },
        }
    }

    fn seen(noun: &Operation) -> Self {
        let stage = noun.stage.unwrap_or(Stage::Requested);
        let station = ROAD.iter().position(|one| *one == stage);
        Self {
            asked: noun.requested.as_ref().map(|requested| match (requested.id == SECOND, requested.kind()) {
                (true, _) => Asked::Another,
                (false, Kind::Promotion) => Asked::Promotion,
                (false, _) => Asked::Rollback,
            }),
            station: station.unwrap_or(0),
            end: if station.is_none() { noun.stage } else { None },
            failed_with: noun.failure.as_ref().map(|failure| failure.code.clone()),
            epoch: noun.epoch.map(|epoch| epoch.0),
            wish: noun.cancel.is_some(),
            late: noun.late.iter().map(|fence| fence.0).collect(),
        }
    }
}

/// The trap of the noun: a stage that did not happen.
fn skips_stages(noun: &Operation, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::NotFrom { .. }), Command::Enter { stage, evidence }) if noun.stage < Some(stage) => {
            Ok(vec![Event::StageEntered { stage, evidence }])
        }
        (other, _) => other,
    }
}

fn turns_back(noun: &Operation, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::RouteChanged), Command::RequestCancel { reason }) => {
            Ok(vec![Event::CancelRequested { reason }])
        }
        (other, _) => other,
    }
}

fn fails_after_its_end(noun: &Operation, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::Ended(_)), Command::Fail(failure)) => Ok(vec![Event::Failed(failure)]),
        (other, _) => other,
    }
}

fn cancels_unasked(noun: &Operation, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |n| n.cancel = n.cancel.take().or_else(|| Some(because("nobody asked"))))
}

fn rolls_back_without_a_reason(noun: &Operation, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::ReasonMissing), Command::Request(requested)) => Ok(vec![Event::Requested(requested)]),
        (other, _) => other,
    }
}

fn believes_late_reports(noun: &mut Operation, event: &Event) {
    noun.apply(event);
    if matches!(event, Event::LateReportRecorded { .. }) {
        noun.stage = Some(Stage::Healthy);
    }
}

fn forgets_its_epoch(noun: &mut Operation, event: &Event) {
    let epoch = noun.epoch;
    noun.apply(event);
    if let Event::StageEntered { evidence, .. } = event {
        noun.epoch = if evidence.epoch.is_some() { epoch } else { noun.epoch };
    }
}

#[test]
fn random_commands_find_the_operation_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("SkipsStages", Ways::deciding(skips_stages)),
        ("TurnsBack", Ways::deciding(turns_back)),
        ("FailsAfterItsEnd", Ways::deciding(fails_after_its_end)),
        ("CancelsUnasked", Ways::deciding(cancels_unasked)),
        ("RollsBackWithoutAReason", Ways::deciding(rolls_back_without_a_reason)),
        ("RecordsALateReportTwice", Ways::deciding(|noun, command| blind(noun, command, |n| n.late.clear()))),
        ("BelievesLateReports", Ways::applying(believes_late_reports)),
        ("ForgetsItsEpoch", Ways::applying(forgets_its_epoch)),
    ]);
}
