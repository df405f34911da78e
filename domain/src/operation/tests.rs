//! The life of an operation, as one table for each kind: every stage and everything that may be asked there.

#![expect(clippy::wildcard_enum_match_arm, reason = "the stages of other machines are refused alike")]

mod machines;
mod model;
mod works;
mod writers;

use super::*;
use crate::{
    aggregate::{Rejection as _, fold, given},
    allocation,
    numbers::FeedSeq,
    session_fate::Fate,
    story::{GREEN, GREEN_BYTES, HOST_1, NORTH_EDGE, allocation, at, because, requested},
};
use proptest::prelude::*;
use std::iter::repeat;

const AT: Epoch = Epoch(1);

fn asked(kind: Kind) -> Event {
    Event::Requested(requested(kind, AT))
}

fn entered(stage: Stage) -> Event {
    Event::StageEntered { stage, evidence: Evidence::default() }
}

fn enter(stage: Stage) -> Command {
    Command::Enter { stage, evidence: Evidence::default() }
}

fn failure() -> Failure {
    Failure {
        code: "NO_LIVE_EDGE".into(),
        message: "no edge reported".into(),
        expected: None,
        actual: None,
        route_changed: false,
    }
}

fn cancel_requested() -> Event {
    Event::CancelRequested { reason: because("too early") }
}

fn request_cancel() -> Command {
    Command::RequestCancel { reason: because("too early") }
}

fn cancelled() -> Event {
    Event::Cancelled { reason: because("too early") }
}

/// The stages of promotions and rollbacks, the first of all stages.
const STAGES: [Stage; 8] = [
    Stage::Requested,
    Stage::PolicyCheck,
    Stage::RouteCas,
    Stage::EdgePropagating,
    Stage::Healthy,
    Stage::RolledBack,
    Stage::Failed,
    Stage::Cancelled,
];

/// A history that ends at this stage.
fn history(kind: Kind, stage: Stage) -> Vec<Event> {
    let (policy, cas, edges) = (entered(Stage::PolicyCheck), entered(Stage::RouteCas), entered(Stage::EdgePropagating));
    let mut all = vec![asked(kind)];
    all.extend(match stage {
        Stage::Requested => vec![],
        Stage::PolicyCheck => vec![policy],
        Stage::RouteCas => vec![policy, cas],
        Stage::EdgePropagating => vec![policy, cas, edges],
        Stage::Healthy | Stage::RolledBack => vec![policy, cas, edges, entered(stage)],
        Stage::Failed => vec![policy, Event::Failed(failure())],
        Stage::Cancelled => vec![policy, cancel_requested(), cancelled()],
        _ => unreachable!("{stage} is no stage of a promotion or rollback"),
    });
    all
}

/// `y`: the stage follows. `-`: it is there already. `x`: refused.
/// Rows: where it is. Columns: requested, policy_check, route_cas, edge_propagating, healthy, rolled_back, failed, cancelled.
const PROMOTION: [(Stage, &str); 8] = [
    (Stage::Requested, "-yxxxxxx"),
    (Stage::PolicyCheck, "x-yxxxxx"),
    (Stage::RouteCas, "xx-yxxxx"),
    (Stage::EdgePropagating, "xxx-yxxx"),
    (Stage::Healthy, "xxxx-xxx"),
    (Stage::RolledBack, "xxxxx-xx"),
    (Stage::Failed, "xxxxxx-x"),
    (Stage::Cancelled, "xxxxxxx-"),
];

/// As [`PROMOTION`], but for the good end.
const ROLLBACK: [(Stage, &str); 8] = [
    (Stage::Requested, "-yxxxxxx"),
    (Stage::PolicyCheck, "x-yxxxxx"),
    (Stage::RouteCas, "xx-yxxxx"),
    (Stage::EdgePropagating, "xxx-xyxx"),
    (Stage::Healthy, "xxxx-xxx"),
    (Stage::RolledBack, "xxxxx-xx"),
    (Stage::Failed, "xxxxxx-x"),
    (Stage::Cancelled, "xxxxxxx-"),
];

#[test]
fn every_stage_leads_only_where_the_table_says() {
    for (kind, table) in [(Kind::Promotion, PROMOTION), (Kind::Rollback, ROLLBACK)] {
        assert_eq!(table.map(|(from, _)| from), STAGES);
        for (from, row) in table {
            // What other machines know is refused here.
            for (to, answer) in Stage::ALL.iter().copied().zip(row.chars().chain(repeat('x'))) {
                let found = fold::<Operation>(&history(kind, from)).decide(enter(to));
                let wanted = match answer {
                    'y' => Ok(vec![entered(to)]),
                    '-' => Ok(vec![]),
                    _ => Err(Rejection::NotFrom { from, to }),
                };
                assert_eq!(found, wanted, "{kind}: {from} to {to}");
            }
        }
    }
}

#[test]
fn every_stage_answers_a_wish_to_cancel_definitely() {
    for stage in STAGES {
        let wanted = match stage {
            Stage::Requested | Stage::PolicyCheck => Ok(vec![cancel_requested()]),
            Stage::RouteCas | Stage::EdgePropagating => Err(Rejection::RouteChanged),
            Stage::Healthy | Stage::RolledBack | Stage::Failed => Err(Rejection::Ended(stage)),
            // It has been asked for, and done.
            _ => Ok(vec![]),
        };
        assert_eq!(fold::<Operation>(&history(Kind::Promotion, stage)).decide(request_cancel()), wanted, "{stage}");
    }
}

#[test]
fn an_operation_is_cancelled_only_on_request_and_only_before_the_route_has_changed() {
    for stage in STAGES.into_iter().filter(|stage| *stage != Stage::Cancelled) {
        let refused = Rejection::NotFrom { from: stage, to: Stage::Cancelled };
        given::<Operation>(history(Kind::Promotion, stage)).when(Command::Cancel).then_rejected(&refused);
        let mut wished = history(Kind::Promotion, stage);
        wished.push(cancel_requested());
        let found = fold::<Operation>(&wished).decide(Command::Cancel);
        let early = matches!(stage, Stage::Requested | Stage::PolicyCheck);
        assert_eq!(found, if early { Ok(vec![cancelled()]) } else { Err(refused) }, "{stage}");
    }
    given::<Operation>(history(Kind::Promotion, Stage::Cancelled)).when(Command::Cancel).then([]);
}

#[test]
fn a_second_wish_to_cancel_is_no_event() {
    let mut wished = history(Kind::Promotion, Stage::PolicyCheck);
    wished.push(cancel_requested());
    given::<Operation>(wished).when(request_cancel()).then([]);
}

#[test]
fn an_operation_fails_at_any_stage_but_its_end() {
    for stage in STAGES {
        let wanted = match stage {
            Stage::Requested | Stage::PolicyCheck | Stage::RouteCas | Stage::EdgePropagating => {
                Ok(vec![Event::Failed(failure())])
            }
            // For this very reason.
            Stage::Failed => Ok(vec![]),
            _ => Err(Rejection::Ended(stage)),
        };
        let found = fold::<Operation>(&history(Kind::Promotion, stage)).decide(Command::Fail(failure()));
        assert_eq!(found, wanted, "{stage}");
    }
}

#[test]
fn a_failed_operation_does_not_fail_again_for_another_reason() {
    let other = Failure { code: "STALE_EPOCH".into(), ..failure() };
    given::<Operation>(history(Kind::Promotion, Stage::Failed))
        .when(Command::Fail(other))
        .then_rejected(&Rejection::Ended(Stage::Failed));
}

#[test]
fn an_operation_is_requested_once() {
    let request = || Command::Request(requested(Kind::Promotion, AT));
    given::<Operation>([]).when(request()).then([asked(Kind::Promotion)]);
    given::<Operation>([asked(Kind::Promotion)]).when(request()).then([]);
    given::<Operation>([asked(Kind::Promotion)])
        .when(Command::Request(requested(Kind::Rollback, AT)))
        .then_rejected(&Rejection::Exists);
}

#[test]
fn a_rollback_without_a_reason_is_rejected_and_names_the_field() {
    let silent = Requested { reason: None, ..requested(Kind::Rollback, AT) };
    given::<Operation>([]).when(Command::Request(silent)).then_rejected(&Rejection::ReasonMissing);
    assert_eq!(Rejection::ReasonMissing.field(), Some("reason"));
}

#[test]
fn nothing_is_asked_of_an_operation_that_does_not_exist() {
    let late = Command::RecordLateReport { attempt: Fence(1), report: "ready".into() };
    for command in [enter(Stage::PolicyCheck), Command::Fail(failure()), request_cancel(), Command::Cancel, late] {
        given::<Operation>([]).when(command).then_rejected(&Rejection::NotFound);
    }
}

#[test]
fn a_late_report_is_recorded_once_per_attempt_at_every_stage() {
    let report = |attempt| Command::RecordLateReport { attempt: Fence(attempt), report: "route changed".into() };
    let recorded = |attempt| Event::LateReportRecorded { attempt: Fence(attempt), report: "route changed".into() };
    for stage in STAGES {
        let mut events = history(Kind::Promotion, stage);
        given::<Operation>(events.clone()).when(report(1)).then([recorded(1)]);
        events.push(recorded(1));
        given::<Operation>(events.clone()).when(report(1)).then([]);
        given::<Operation>(events).when(report(2)).then([recorded(2)]);
    }
}

#[test]
fn later_evidence_adds_to_earlier_evidence() {
    let gate =
        Gate { kind: "artifact".into(), verdict: Verdict::Pass, reason: "validated".into(), evidence: "x".into() };
    let checked = Evidence { gates: vec![gate.clone()], ..Evidence::default() };
    let swapped = Evidence { epoch: Some(Epoch(2)), ..Evidence::default() };
    let healthy = Evidence { digest: Some(GREEN_BYTES), ..Evidence::default() };
    let operation = fold::<Operation>(&[
        asked(Kind::Promotion),
        Event::StageEntered { stage: Stage::PolicyCheck, evidence: checked },
        Event::StageEntered { stage: Stage::RouteCas, evidence: swapped },
        entered(Stage::EdgePropagating),
        Event::StageEntered { stage: Stage::Healthy, evidence: healthy },
    ]);
    assert_eq!(operation.evidence.gates, [gate]);
    assert_eq!((operation.epoch, operation.evidence.epoch), (Some(Epoch(2)), Some(Epoch(2))));
    assert_eq!(operation.evidence.digest, Some(GREEN_BYTES));
    let edge = EdgeProof { edge: NORTH_EDGE, applied: FeedSeq(9), allocation: None, digest: GREEN_BYTES };
    let stopped = AllocationProof {
        allocation: allocation(1),
        host: HOST_1,
        state: allocation::State::Stopped,
        sessions_ended: 2,
    };
    let mut all = Evidence {
        edges: vec![edge],
        allocations: vec![stopped],
        sessions: Some(Fate::Hydrate),
        attempt: Some(Fence(1)),
        until: Some(at(60)),
        ..operation.evidence.clone()
    };
    let full = all.clone();
    all.merge(&Evidence::default());
    assert_eq!(all, full, "a stage that brings nothing to light takes nothing away");
    let mut nothing = Evidence::default();
    nothing.merge(&full);
    assert_eq!(nothing, full);
    assert_eq!(operation.requested.and_then(|requested| requested.work.deployment()), Some(GREEN));
}

/// How an operation takes events in: rightly, or with the sin that the property must notice.
type Take = fn(&mut Operation, &Event);

fn believes_late_reports(operation: &mut Operation, event: &Event) {
    operation.apply(event);
    if let (Event::LateReportRecorded { .. }, Some(stage)) = (event, operation.stage) {
        let after = Stage::ALL.iter().copied().find(|next| machine(Kind::Promotion).allows(stage, *next));
        operation.stage = after.or(Some(stage));
    }
}

fn numbered(n: u8) -> Command {
    match n {
        0 => request_cancel(),
        1 => Command::Cancel,
        2 => Command::Fail(failure()),
        3..=5 => Command::RecordLateReport { attempt: Fence(u64::from(n)), report: "late".into() },
        _ => enter(Stage::ALL[usize::from(n) % Stage::ALL.len()]),
    }
}

/// Late reports change nothing, and an end is an end.
fn keeps_its_end(commands: &[u8], take: Take) -> Result<(), String> {
    let mut operation = fold::<Operation>(&[asked(Kind::Promotion)]);
    for n in commands {
        let before = operation.clone();
        let events = operation.decide(numbered(*n)).unwrap_or_default();
        for event in &events {
            take(&mut operation, event);
        }
        let late = matches!(events.as_slice(), [Event::LateReportRecorded { .. }]);
        let same = before.stage == operation.stage
            && before.failure == operation.failure
            && before.cancel == operation.cancel
            && before.evidence == operation.evidence;
        if !same && (late || before.stage.is_some_and(Stage::is_final)) {
            return Err(format!("{:?} became {:?} by {events:?}", before.stage, operation.stage));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_an_ended_operation_nor_a_late_report_changes_anything(
        commands in prop::collection::vec(0_u8..22, 0..40)
    ) {
        prop_assert_eq!(keeps_its_end(&commands, Operation::apply), Ok(()));
    }
}

#[test]
fn an_operation_that_believes_late_reports_is_caught() {
    assert!(keeps_its_end(&[3], believes_late_reports).is_err());
}

/// What the object model warns of. A worker that had lost its lease prints that all is well, and its line is kept; whoever reads
/// the status from such lines tells the user that it is healthy. The sin is committed below beside the real fold.
#[test]
fn trap_reconstructing_user_facing_status_from_logs() {
    let mut events = history(Kind::Promotion, Stage::Failed);
    let line = Command::RecordLateReport { attempt: Fence(1), report: "entered healthy: all edges serve it".into() };
    events.extend(fold::<Operation>(&events).decide(line).expect("what comes late is put on record"));
    let status = |events: &[Event]| fold::<Operation>(events).stage;
    assert_eq!(status(&events), Some(Stage::Failed), "the line is on record, and changes nothing");
    // Nor can anybody make it so afterwards.
    let refused = Rejection::NotFrom { from: Stage::Failed, to: Stage::Healthy };
    given::<Operation>(events.clone()).when(enter(Stage::Healthy)).then_rejected(&refused);
    let status_from_logs = |events: &[Event]| {
        let named = |line: &String| STAGES.into_iter().find(|stage| line.contains(stage.as_str()));
        let mut lines = events.iter().filter_map(|event| match event {
            Event::LateReportRecorded { report, .. } => named(report),
            _ => None,
        });
        lines.next_back().or_else(|| status(events))
    };
    assert_eq!(status_from_logs(&events), Some(Stage::Healthy), "the sin is caught: it believes what was printed");
}
