//! Who calls, and as what: each endpoint serves one kind of caller. The trap avoided: a region or a host taken from the
//! request; both come from the token, and a body that names another one is refused.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use rhone_domain::ids::{HostId, RegionId};
use rhone_projections::authority::hosts;
use serde::de::DeserializeOwned;

use crate::{
    authenticate::{Authenticator, bearer_of},
    identity::{Principal, PrincipalKind},
    infrastructure::{Infrastructure, refusal::Refusal},
    rate::{Accountable as _, Rates, address_of},
};

/// Time for everything but waiting: looking up a token, reading a body, one reading of the database.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The region whose edge calls.
pub(super) async fn edge(infrastructure: &Infrastructure, headers: &HeaderMap) -> Result<RegionId, Refusal> {
    Ok(edge_itself(infrastructure, headers).await?.0)
}

/// The same, and which of its edges.
pub(super) async fn edge_itself(
    infrastructure: &Infrastructure,
    headers: &HeaderMap,
) -> Result<(RegionId, Principal), Refusal> {
    let principal = principal(infrastructure, headers).await?;
    match principal.kind {
        PrincipalKind::Edge(region) => Ok((region, principal)),
        PrincipalKind::User(_) | PrincipalKind::Runner(_) => Err(Refusal::forbidden("this endpoint is for edges")),
    }
}

/// The host whose runner calls.
pub(super) async fn runner(
    infrastructure: &Infrastructure,
    headers: &HeaderMap,
) -> Result<(HostId, Principal), Refusal> {
    let principal = principal(infrastructure, headers).await?;
    match principal.kind {
        PrincipalKind::Runner(host) => within(still_there(infrastructure, host)).await.map(|()| (host, principal)),
        PrincipalKind::User(_) | PrincipalKind::Edge(_) => Err(Refusal::forbidden("this endpoint is for runners")),
    }
}

/// A host that was retired and comes back all the same is told so: its orders were given to others.
async fn still_there(infrastructure: &Infrastructure, host: HostId) -> Result<(), Refusal> {
    let mut connection = infrastructure.pool.acquire().await?;
    if !hosts::is_retired(&mut connection, host).await? {
        return Ok(());
    }
    let message = "this host was retired: nothing of what it ran counts any more; end its runner and its apps";
    Err(Refusal::new(StatusCode::FORBIDDEN, "HOST_RETIRED", message))
}

/// The user or program that calls.
pub(super) async fn user(infrastructure: &Infrastructure, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let principal = principal(infrastructure, headers).await?;
    match principal.kind {
        PrincipalKind::User(_) => Ok(principal),
        PrincipalKind::Edge(_) | PrincipalKind::Runner(_) => Err(Refusal::forbidden("this endpoint is for users")),
    }
}

/// The user or program that calls, recognised when there is room and held to the same budgets as in GraphQL.
pub(super) async fn budgeted(
    infrastructure: &Infrastructure,
    headers: &HeaderMap,
    Origin(address): Origin,
    cost: u32,
) -> Result<Principal, Refusal> {
    let principal = {
        let _permit = infrastructure.load.enter().await?;
        user(infrastructure, headers).await?
    };
    infrastructure.rates.spend(principal.accounts(), address, cost)?;
    Ok(principal)
}

/// Spends of the same budgets once more, as soon as it is there: whoever reads on waits, and is not cut off.
pub(super) async fn paid(infrastructure: &Infrastructure, principal: &Principal, Origin(address): Origin, cost: u32) {
    while let Err(fault) = infrastructure.rates.spend(principal.accounts(), address, cost) {
        let seconds = fault.rate.and_then(|standing| standing.retry_after_seconds).unwrap_or(1);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// Where a request comes from, as `bounded` found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(Option<IpAddr>);

async fn principal(infrastructure: &Infrastructure, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let bearer = bearer_of(headers)?;
    within(async { Ok(infrastructure.tokens.authenticate(bearer).await?) }).await
}

/// Hears nobody from where too many bad tokens came, and counts another one. For users alone: an edge or a runner that could
/// not report because of a neighbour would be worse than what this prevents.
pub(super) async fn bounded(State(rates): State<Arc<Rates>>, mut request: Request, next: Next) -> Response {
    let address = address_of(request.headers(), request.extensions(), rates.trusted_proxies());
    if let Err(fault) = rates.may_try(address) {
        return Refusal::from(fault).into_response();
    }
    request.extensions_mut().insert(Origin(address));
    let response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        rates.failed(address);
    }
    response
}

/// A bounded piece of work.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(Refusal::late()))
}

/// A JSON body of at most `limit` bytes that arrives in time.
pub(super) async fn json_of<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T, Refusal> {
    let bytes = tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, limit))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", "the body did not arrive in time"))?
        .map_err(|_| {
            let message = format!("the body is larger than {limit} bytes, or broke off");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", message)
        })?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::bad_input(format!("body: {error}")))
}
