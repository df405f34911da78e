//! Edges that ask for a sleeping environment. Nothing is decided here but whether there is room: the operation's id is made of
//! environment, epoch and sleep, so a thousand questions of a hundred edges are one operation. The traps: "wake stampede", and
//! an old route epoch that wakes what has another owner by now.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use rhone_domain::{
    actor::Writer,
    aggregate::Rejection as _,
    authorization::Authority,
    ids::{OperationId, RegionId},
    operation::{self, Operation, Requested},
    route_owner::RouteOwner,
    wake::{self, Ask},
};
use rhone_eventstore::{AppendError, Context, ReadError};
use rhone_projections::authority::operations::{self, Begun};
use serde::Serialize;

use super::{
    Infrastructure,
    caller::{self, within},
    refusal::Refusal,
};
use crate::identity::Principal;

const ASK_BYTES: usize = 4 * 1024;
const ATTEMPTS: u32 = 5;

/// The operation that wakes it.
#[derive(Debug, Serialize)]
pub(super) struct Accepted {
    operation: OperationId,
}

/// Accepts a wake, or finds it accepted.
pub(super) async fn ask(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let (region, principal) = caller::edge_itself(&infrastructure, &headers).await?;
    let ask: Ask = caller::json_of(body, ASK_BYTES).await?;
    let operation = within(Box::pin(accept(&infrastructure, region, &principal, ask))).await?;
    metrics::counter!("rhone_edge_wakes_total").increment(1);
    Ok((StatusCode::ACCEPTED, Json(Accepted { operation })))
}

async fn accept(
    infrastructure: &Infrastructure,
    region: RegionId,
    principal: &Principal,
    ask: Ask,
) -> Result<OperationId, Refusal> {
    let door = infrastructure.door();
    for _ in 0..ATTEMPTS {
        let owner = door.load::<RouteOwner>(ask.environment).await.map_err(|error| unread(&error))?;
        if owner.state.place().is_none_or(|place| place.region != region) {
            return Err(Refusal::not_found("there is no such environment in this region"));
        }
        let now = infrastructure.clock.now();
        let requested = wake::request(&owner.state, ask, None, now)
            .map_err(|rejection| Refusal::new(StatusCode::CONFLICT, rejection.code(), rejection.to_string()))?;
        let mut operation = door.load::<Operation>(requested.id).await.map_err(|error| unread(&error))?;
        if operation.state.requested.is_some() {
            return Ok(requested.id);
        }
        if owner.state.asleep.as_ref().and_then(|asleep| asleep.retry_at).is_some_and(|at| now < at) {
            return Err(later("WAKE_FAILED", "the last wake failed a moment ago"));
        }
        let mut connection = infrastructure.pool.acquire().await?;
        let others = operations::wakes(&mut connection, &requested, Begun::OrNot).await?;
        drop(connection);
        if !others.leave_room() {
            return Err(later("WAKE_BUDGET", "too many environments are being woken"));
        }
        let id = requested.id;
        let mut unit = door.unit(context(principal, &requested));
        unit.assert(&owner);
        if let Err(rejection) = unit.decide(&mut operation, operation::Command::Request(requested)) {
            return Err(Refusal::new(StatusCode::CONFLICT, rejection.code(), rejection.to_string()));
        }
        match door.commit(unit, None, None).await {
            Ok(_) => {
                tracing::info!(environment.id = %ask.environment, operation.id = %id, "an edge asked for a wake");
                return Ok(id);
            }
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(Refusal::unavailable("accepting a wake", &error)),
        }
    }
    Err(Refusal::late())
}

fn later(code: &'static str, message: &'static str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
}

fn unread(error: &ReadError) -> Refusal {
    Refusal::unavailable("reading a route", error)
}

fn context(principal: &Principal, requested: &Requested) -> Context {
    Context {
        actor: principal.as_actor(),
        writer: Writer::Scheduler,
        authority: Authority::itself(),
        workspace: requested.workspace,
        correlation: requested.id.into(),
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: Some(requested.region),
        cell: requested.cell,
    }
}
