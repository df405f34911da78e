//! What an allocation's app is started with: the set that the allocation was planned with, for the host it was planned on, while
//! it lives. The trap avoided: the newest set, which would change an app by a restart; and an answer that somebody caches.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rhone_domain::{
    allocation::{Allocation, Planned},
    host_protocol::{AllocationVariables, SECRET_MISSING},
    ids::{AllocationId, HostId},
    numbers::EnvSet,
    variables::{Kind, Lane, Variables},
};
use rhone_eventstore::vault::{Place, VaultError};

use super::{
    Infrastructure,
    caller::{self, within},
    refusal::Refusal,
};

/// The variables of one allocation of the caller's host.
pub(super) async fn fetch(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    Path(allocation): Path<String>,
) -> Result<Response, Refusal> {
    let (host, _) = caller::runner(&infrastructure, &headers).await?;
    let allocation = allocation.parse().map_err(|_| Refusal::bad_input("allocation: must be an id"))?;
    let variables = within(read(&infrastructure, host, allocation)).await?;
    metrics::counter!("rhone_runner_variables_total").increment(1);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(variables)).into_response())
}

async fn read(
    infrastructure: &Infrastructure,
    host: HostId,
    allocation: AllocationId,
) -> Result<AllocationVariables, Refusal> {
    let door = infrastructure.door();
    let unread = |error: &(dyn std::error::Error + 'static)| Refusal::unavailable("reading variables", error);
    let loaded = door.load::<Allocation>(allocation).await.map_err(|error| unread(&error))?.state;
    let alive = loaded.state.is_some_and(|state| !state.is_final());
    let planned = loaded.planned.filter(|planned| alive && planned.host == host);
    let planned = planned.ok_or_else(|| Refusal::not_found("there is no such allocation on this host"))?;
    let env_set = planned.env_set;
    let answer = |variables, plain| AllocationVariables { allocation, env_set, variables, plain };
    if env_set == EnvSet(0) {
        return Ok(answer([].into(), [].into()));
    }
    let state = door.load::<Variables>(planned.environment).await.map_err(|error| unread(&error))?.state;
    let (Some(lane), Some(set)) = (state.lane.filter(|lane| *lane == lane_of(&planned)), state.at(env_set)) else {
        return Err(missing(&format!("there is no set {env_set} of the environment's variables")));
    };
    let mut connection = infrastructure.pool.acquire().await?;
    let mut opened = std::collections::BTreeMap::new();
    for (key, entry) in &set {
        let Lane { workspace, app, environment } = lane;
        let place =
            Place { workspace, app, environment: Some(environment), name: key.to_string(), set: entry.sealed_in };
        let value = infrastructure.vault.open(&mut connection, entry.value, &place).await;
        opened.insert(key.to_string(), value.map_err(|error| unopened(&error))?);
    }
    let plain = set.iter().filter(|(_, entry)| entry.kind == Kind::Plain).map(|(key, _)| key.to_string());
    Ok(answer(opened, plain.collect()))
}

fn lane_of(planned: &Planned) -> Lane {
    Lane { workspace: planned.workspace, app: planned.app, environment: planned.environment }
}

/// Whether trying again can help.
fn unopened(error: &VaultError) -> Refusal {
    match error {
        VaultError::Missing { .. } | VaultError::NotAuthentic(_) | VaultError::KeyNotAuthentic(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "a set of variables is not whole");
            missing(&error.to_string())
        }
        VaultError::UnknownKek(_) | VaultError::Keys(_) | VaultError::Unavailable(_) => {
            Refusal::unavailable("opening variables", error)
        }
    }
}

fn missing(why: &str) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, SECRET_MISSING, why)
}

#[cfg(test)]
mod tests {
    //! What ends an allocation and what is tried again.
    use super::*;

    #[test]
    fn a_value_that_is_gone_or_not_authentic_ends_the_allocation_and_a_fault_of_ours_does_not() {
        let gone = VaultError::Missing { name: "TOKEN".into(), set: EnvSet(3) };
        for error in [gone, VaultError::NotAuthentic("TOKEN".into())] {
            let refusal = unopened(&error);
            assert_eq!((refusal.status, refusal.code), (StatusCode::CONFLICT, SECRET_MISSING));
            assert!(refusal.message.contains("TOKEN"), "it names the key: {}", refusal.message);
        }
        let refusal = unopened(&VaultError::UnknownKek("kek-9".into()));
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
