//! What runners ask and say: their desired set, and what they saw. Writer of `status.hosts` and, through the dispatcher, of
//! what runners report of allocations. The trap avoided: a report that is refused for ever and sent for ever; a rule's
//! refusal is an answer, only a fault of ours is worth another try.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use rhone_domain::{
    actor::Writer,
    aggregate::Rejection as _,
    allocation::{Allocation, Command, ORDERS, Planned},
    authorization::Authority,
    host_protocol::{DesiredSet, Report, Reports, Seen},
    ids::{AllocationId, CorrelationId, HostId},
};
use rhone_eventstore::{AppendError, Context, ReadError, Recorded};
use rhone_projections::{authority::allocations, hosts_seen};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Infrastructure,
    caller::{self, within},
    refusal::Refusal,
    waiting::Waiting,
};
use crate::identity::Principal;

const REPORT_BYTES: usize = 1024 * 1024;
const REPORTS: usize = 256;
/// A host that is silent for longer than 15 s gets no allocations.
const SEEN_EVERY: Duration = Duration::from_secs(5);
/// How often a report is judged again when its allocation has moved on meanwhile.
const ATTEMPTS: u32 = 5;

/// `?etag=&wait_ms=`.
#[derive(Debug, Deserialize)]
pub(super) struct Known {
    #[serde(default)]
    etag: String,
    #[serde(default)]
    wait_ms: u64,
}

/// What the caller's host shall run; 304 when it stayed as the caller knows it.
pub(super) async fn desired(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    query: Result<Query<Known>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (host, _) = caller::runner(&infrastructure, &headers).await?;
    let Query(known) = query.map_err(|rejection| Refusal::bad_input(format!("query: {}", rejection.body_text())))?;
    let mut waiting = Waiting::of(&infrastructure, known.wait_ms);
    let mut seen_at = None::<Instant>;
    loop {
        waiting.look();
        if seen_at.is_none_or(|at| at.elapsed() >= SEEN_EVERY) {
            within(async { Ok(hosts_seen::record(&infrastructure.pool, host).await?) }).await?;
            seen_at = Some(Instant::now());
        }
        let set = within(read(&infrastructure, host)).await?;
        if set.etag != known.etag {
            metrics::counter!("rhone_runner_desired_sets_total").increment(1);
            return Ok(Json(set).into_response());
        }
        if !waiting.again().await {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
    }
}

async fn read(infrastructure: &Infrastructure, host: HostId) -> Result<DesiredSet, Refusal> {
    let mut connection = infrastructure.pool.acquire().await?;
    Ok(allocations::desired(&mut connection, host).await?)
}

/// What became of one report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is in the log, or says what is so already.
    Accepted {
        /// About which allocation.
        allocation: AllocationId,
    },
    /// A rule refuses it for good.
    Refused {
        /// About which allocation.
        allocation: AllocationId,
        /// Which rule.
        code: String,
    },
}

/// The answer to reports, in their order.
#[derive(Debug, Serialize)]
pub(super) struct Outcomes {
    pub(super) outcomes: Vec<Outcome>,
}

/// Takes reports in, in their order.
pub(super) async fn reports(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (host, principal) = caller::runner(&infrastructure, &headers).await?;
    let reports: Reports = caller::json_of(body, REPORT_BYTES).await?;
    if reports.host != host {
        return Err(Refusal::forbidden("host: the token is for another host"));
    }
    if reports.reports.len() > REPORTS {
        return Err(Refusal::bad_input(format!("reports: at most {REPORTS} at a time")));
    }
    within(async { Ok(hosts_seen::record(&infrastructure.pool, host).await?) }).await?;
    let mut outcomes = Vec::with_capacity(reports.reports.len());
    for report in reports.reports {
        let outcome = within(take(&infrastructure, (host, &principal), report)).await?;
        let word = if matches!(outcome, Outcome::Accepted { .. }) { "accepted" } else { "refused" };
        metrics::counter!("rhone_runner_reports_total", "outcome" => word).increment(1);
        outcomes.push(outcome);
    }
    Ok((status_of(&outcomes), Json(Outcomes { outcomes })).into_response())
}

/// 404 when nothing in it was about an allocation of this host.
pub(super) fn status_of(outcomes: &[Outcome]) -> StatusCode {
    let foreign = |outcome: &Outcome| matches!(outcome, Outcome::Refused { code, .. } if code == NOT_FOUND);
    if !outcomes.is_empty() && outcomes.iter().all(foreign) { StatusCode::NOT_FOUND } else { StatusCode::OK }
}

pub(super) const NOT_FOUND: &str = "NOT_FOUND";

async fn take(
    infrastructure: &Infrastructure,
    (host, principal): (HostId, &Principal),
    report: Report,
) -> Result<Outcome, Refusal> {
    let allocation = report.allocation;
    let refused = |code: &str| Ok(Outcome::Refused { allocation, code: code.to_owned() });
    let Some(command) = command(report.seen) else { return Ok(Outcome::Accepted { allocation }) };
    let door = infrastructure.door();
    for _ in 0..ATTEMPTS {
        let (mut loaded, order) =
            door.load_with::<Allocation>(allocation, &ORDERS).await.map_err(|error| unread(&error))?;
        let Some(planned) = loaded.state.planned.clone().filter(|planned| planned.host == host) else {
            return refused(NOT_FOUND);
        };
        let mut unit = door.unit(context(principal, &planned, order.as_ref()));
        if let Err(rejection) = unit.decide(&mut loaded, command.clone()) {
            tracing::warn!(allocation.id = %allocation, %rejection, "a runner's report was refused");
            return refused(rejection.code());
        }
        match door.commit(unit, None, None).await {
            Ok(_) => return Ok(Outcome::Accepted { allocation }),
            Err(AppendError::Conflict { .. }) => {}
            Err(error @ (AppendError::Invalid(_) | AppendError::Refused { .. })) => {
                let cause: &dyn std::error::Error = &error;
                tracing::error!(allocation.id = %allocation, error = cause, "a runner's report cannot be recorded");
                return refused("UNRECORDABLE");
            }
            Err(error) => return Err(Refusal::unavailable("recording a runner's report", &error)),
        }
    }
    Err(Refusal::late())
}

fn unread(error: &ReadError) -> Refusal {
    Refusal::unavailable("reading an allocation", error)
}

/// What a runner reports was led to by the order it follows, and belongs to whatever gave that: the promotion, scaling or wake
/// that planned the allocation, the drain that lets it go, or the scheduler by itself.
fn context(principal: &Principal, planned: &Planned, order: Option<&Recorded>) -> Context {
    let order = order.map(|order| &order.envelope);
    Context {
        actor: principal.as_actor(),
        writer: Writer::Runner,
        authority: Authority::itself(),
        workspace: planned.workspace,
        correlation: order.map_or(CorrelationId(planned.id.0), |order| order.correlation),
        causation: order.map(|order| order.event_id),
        idempotency_key: None,
        traceparent: None,
        region: Some(planned.region),
        cell: Some(planned.cell),
    }
}

/// What a report asks of the allocation; that it drains was our own order.
fn command(seen: Seen) -> Option<Command> {
    Some(match seen {
        Seen::Pulling => Command::ReportPulling,
        Seen::Starting { digest } => Command::ReportStarting { digest },
        Seen::Ready { digest, address } => Command::ReportReady { digest, address },
        Seen::Restarted { restarts, exit } => Command::ReportRestarted { restarts, exit },
        Seen::Draining => return None,
        Seen::Stopped { sessions_ended } => Command::ReportStopped { sessions_ended },
        Seen::Failed { reason, cause } => Command::ReportFailed { reason, cause },
    })
}

#[cfg(test)]
mod tests {
    //! What reports ask, and what their answer is.
    use super::*;
    use uuid::Uuid;

    const ALLOCATION: AllocationId = AllocationId(Uuid::from_u128(1));

    #[test]
    fn reports_about_foreign_allocations_only_are_answered_with_404() {
        let foreign = Outcome::Refused { allocation: ALLOCATION, code: NOT_FOUND.into() };
        let refused = Outcome::Refused { allocation: ALLOCATION, code: "WRONG_DIGEST".into() };
        let accepted = Outcome::Accepted { allocation: ALLOCATION };
        assert_eq!(status_of(std::slice::from_ref(&foreign)), StatusCode::NOT_FOUND);
        assert_eq!(status_of(&[foreign.clone(), accepted]), StatusCode::OK);
        assert_eq!(status_of(&[foreign, refused]), StatusCode::OK);
        assert_eq!(status_of(&[]), StatusCode::OK);
    }

    #[test]
    fn an_answer_names_outcome_allocation_and_rule() {
        let refused = Outcome::Refused { allocation: ALLOCATION, code: "WRONG_DIGEST".into() };
        let expected = serde_json::json!({ "outcome": "refused", "allocation": ALLOCATION, "code": "WRONG_DIGEST" });
        assert_eq!(serde_json::to_value(refused).expect("it is JSON"), expected);
    }

    #[test]
    fn that_it_drains_is_no_news() {
        assert!(command(Seen::Draining).is_none());
        let stopped = command(Seen::Stopped { sessions_ended: 3 });
        assert!(matches!(stopped, Some(Command::ReportStopped { sessions_ended: 3 })));
    }
}
