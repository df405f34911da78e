//! Allocations as they stand, written inline: what runners are told, and where edges reach them.

use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::Aggregate as _,
    allocation::Allocation,
    digest::Digest,
    envelope::StreamId,
    feed::{Content, EndpointState, Runs},
    host_protocol::{Desired, DesiredSet},
    ids::{AllocationId, CellId, DeploymentId, EnvironmentId, HostId},
    numbers::Version,
    operation::AllocationProof,
};
use rhone_eventstore::{Loaded, Unit};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

/// The code of an append that was refused because the host holds as many as it may: somebody else took the last place.
pub const HOST_FULL: &str = "RH022";

/// The row, and what the edges are told once it was ready.
pub fn rows(allocation: &Allocation, version: Version) -> Vec<Value> {
    let (Some(planned), Some(state)) = (&allocation.planned, allocation.state) else { return Vec::new() };
    let mut rows = vec![json!({
        "table": "allocation",
        "allocation": planned.id,
        "workspace": planned.workspace,
        "app": planned.app,
        "environment": planned.environment,
        "deployment": planned.deployment,
        "region": planned.region,
        "cell": planned.cell,
        "host": planned.host,
        "state": state,
        "ended": state.is_final(),
        "generation": allocation.generation,
        "version": version,
        "body": allocation,
    })];
    rows.extend(allocation.endpoint().map(|endpoint| {
        json!({
            "table": "feed",
            "region": planned.region,
            "key": format!("allocation:{}", planned.id),
            "final": endpoint.state == EndpointState::Gone,
            "content": Content::Allocation(endpoint).to_text(),
        })
    }));
    rows
}

/// An environment's allocations; of one deployment if given, and those that have ended only if asked for.
pub async fn of_environment(
    connection: &mut PgConnection,
    environment: EnvironmentId,
    deployment: Option<DeploymentId>,
    ended: Ended,
) -> Result<Vec<(Allocation, Version)>, sqlx::Error> {
    sqlx::query(
        "SELECT body, version FROM authority.allocations
         WHERE environment = $1 AND ($2::uuid IS NULL OR deployment = $2) AND ($3 OR NOT ended)
         ORDER BY allocation DESC LIMIT 200",
    )
    .bind(environment.0)
    .bind(deployment.map(|id| id.0))
    .bind(ended == Ended::Included)
    .fetch_all(connection)
    .await?
    .iter()
    .map(read)
    .collect()
}

/// The same as an append may assert them: what stands in a row is its stream folded, at the version beside it.
pub fn loaded(rows: impl IntoIterator<Item = (Allocation, Version)>) -> Vec<Loaded<Allocation>> {
    let loaded = |(state, version): (Allocation, Version)| {
        let stream = StreamId::new(Allocation::CATEGORY, state.planned.as_ref()?.id.0);
        Some(Loaded { stream, version, state, last_event: None })
    };
    rows.into_iter().filter_map(loaded).collect()
}

/// Lets the append fail if any of these has changed that it puts on record as a proof.
pub fn assert_proof(proof: &[AllocationProof], rows: &[(Allocation, Version)], unit: &mut Unit) {
    let proves = |id: AllocationId| proof.iter().any(|one| one.allocation == id);
    for (one, version) in rows {
        if let Some(planned) = one.planned.as_ref().filter(|planned| proves(planned.id)) {
            unit.assert_at(&StreamId::new(Allocation::CATEGORY, planned.id.0), *version);
        }
    }
}

/// One allocation with its version.
pub async fn by_id(
    connection: &mut PgConnection,
    id: AllocationId,
) -> Result<Option<(Allocation, Version)>, sqlx::Error> {
    let row = sqlx::query("SELECT body, version FROM authority.allocations WHERE allocation = $1");
    row.bind(id.0).fetch_optional(connection).await?.as_ref().map(read).transpose()
}

/// Each of these, as far as they are there.
pub async fn by_ids(connection: &mut PgConnection, ids: &[AllocationId]) -> Result<Vec<Allocation>, sqlx::Error> {
    let rows = sqlx::query("SELECT body, version FROM authority.allocations WHERE allocation = ANY($1)");
    let rows = rows.bind(ids.iter().map(|id| id.0).collect::<Vec<_>>()).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read(row)?.0)).collect()
}

/// The allocations of each of these environments, with the environment, the newest first; at most 200 of each.
pub async fn of_environments(
    connection: &mut PgConnection,
    environments: &[Uuid],
    ended: Ended,
) -> Result<Vec<(Uuid, (Allocation, Version))>, sqlx::Error> {
    sqlx::query(
        "SELECT of.environment, a.* FROM unnest($1::uuid[]) AS of(environment) CROSS JOIN LATERAL (
             SELECT allocation, body, version FROM authority.allocations
             WHERE environment = of.environment AND ($2 OR NOT ended) ORDER BY allocation DESC LIMIT 200) a
         ORDER BY of.environment, a.allocation DESC",
    )
    .bind(environments)
    .bind(ended == Ended::Included)
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| Ok((row.try_get("environment")?, read(row)?)))
    .collect()
}

/// When allocations that ran this failed in an environment, in this cell, within `seconds`, the latest first; by the
/// database's clock. What failed where the environment was served before, or with other variables, or with its host, says nothing about
/// these.
pub async fn failures(
    connection: &mut PgConnection,
    (environment, cell): (EnvironmentId, CellId),
    runs: Runs,
    seconds: f64,
) -> Result<Vec<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT updated_at FROM authority.allocations
         WHERE environment = $1 AND deployment = $2 AND cell = $3 AND state = 'failed'
           AND updated_at > clock_timestamp() - make_interval(secs => $4) AND body->'planned'->>'env_set' = $5
           AND body->>'cause' IS DISTINCT FROM 'host_lost'
         ORDER BY updated_at DESC LIMIT 20",
    )
    .bind(environment.0)
    .bind(runs.deployment.0)
    .bind(cell.0)
    .bind(seconds)
    .bind(runs.env_set.0.to_string())
    .fetch_all(connection)
    .await
}

/// Whether allocations that have ended are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Wanted.
    Included,
    /// Not wanted.
    Excluded,
}

/// A host's allocations that have not ended, in order of creation.
pub async fn on_host(connection: &mut PgConnection, host: HostId) -> Result<Vec<Allocation>, sqlx::Error> {
    let query = "SELECT body, version FROM authority.allocations WHERE host = $1 AND NOT ended ORDER BY allocation";
    let rows = sqlx::query(query).bind(host.0).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read(row)?.0)).collect()
}

/// Every allocation that was planned to replace one of these, whatever became of it.
pub async fn replacing(
    connection: &mut PgConnection,
    replaced: &[AllocationId],
) -> Result<Vec<Allocation>, sqlx::Error> {
    let replaced = replaced.iter().map(ToString::to_string).collect::<Vec<_>>();
    let query = "SELECT body, version FROM authority.allocations
                 WHERE body->'planned'->>'replaces' = ANY($1) ORDER BY allocation";
    let rows = sqlx::query(query).bind(replaced).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read(row)?.0)).collect()
}

/// Allocations that have not ended although their host was retired, in order, at most 200, behind this one: nobody else will ever
/// say what became of them.
pub async fn on_retired_hosts(
    connection: &mut PgConnection,
    after: Option<AllocationId>,
) -> Result<Vec<AllocationId>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "SELECT a.allocation FROM authority.hosts h JOIN authority.allocations a ON a.host = h.host
         WHERE h.state = 'retired' AND NOT a.ended AND ($1::uuid IS NULL OR a.allocation > $1)
         ORDER BY a.allocation LIMIT 200",
    )
    .bind(after.map(|id| id.0))
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(AllocationId).collect())
}

/// What a host's runner is told: every allocation whose life is not over.
pub async fn desired(connection: &mut PgConnection, host: HostId) -> Result<DesiredSet, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT body, version FROM authority.allocations WHERE host = $1 AND NOT ended ORDER BY allocation",
    )
    .bind(host.0)
    .fetch_all(connection)
    .await?;
    let mut allocations: Vec<Desired> = Vec::with_capacity(rows.len());
    for row in &rows {
        allocations.extend(read(row)?.0.desired());
    }
    let text = serde_json::to_string(&allocations).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    Ok(DesiredSet { etag: Digest::of(&[text.as_bytes()]).hex(), host, allocations })
}

/// Whether an allocation of this host, whose life is not over, is made from these bytes.
pub async fn needs(connection: &mut PgConnection, host: HostId, artifact: Digest) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM authority.allocations
         WHERE host = $1 AND NOT ended AND body->'planned'->>'artifact' = $2)",
    )
    .bind(host.0)
    .bind(artifact.to_string())
    .fetch_one(connection)
    .await
}

fn read(row: &PgRow) -> Result<(Allocation, Version), sqlx::Error> {
    let Json(allocation) = row.try_get("body")?;
    Ok((allocation, super::version(row)?))
}
