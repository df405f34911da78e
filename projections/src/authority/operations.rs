//! Operations as they stand, written inline: what workers claim and what everybody is told.

use crate::{
    keyset::Keyset,
    whose::{Whose, apps_of},
};
use rhone_domain::{
    ids::{BindingId, EnvironmentId, OperationId},
    numbers::{Fence, Version},
    operation::{Kind, Operation, Requested, Stage},
    wake::Others,
};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow, types::Json};
use std::time::Duration;
use uuid::Uuid;

/// The row.
pub fn rows(operation: &Operation, version: Version) -> Vec<Value> {
    let (Some(requested), Some(stage)) = (&operation.requested, operation.stage) else { return Vec::new() };
    vec![json!({
        "table": "operation",
        "operation": requested.id,
        "workspace": requested.workspace,
        "app": requested.work.app(),
        "environment": requested.work.environment(),
        "deployment": requested.work.deployment(),
        "region": requested.region,
        "kind": requested.kind(),
        "stage": stage,
        "ended": stage.is_final(),
        "version": version,
        "deadline": requested.deadline,
        "body": operation,
    })]
}

/// One operation with its version.
pub async fn by_id(
    connection: &mut PgConnection,
    id: OperationId,
) -> Result<Option<(Operation, Version)>, sqlx::Error> {
    sqlx::query("SELECT body, version FROM authority.operations WHERE operation = $1")
        .bind(id.0)
        .fetch_optional(connection)
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// The operations with these ids, in no order.
pub async fn by_ids(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<(Operation, Version)>, sqlx::Error> {
    sqlx::query("SELECT body, version FROM authority.operations WHERE operation = ANY($1)")
        .bind(ids)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The environment of a binding that an operation of this kind asked for.
pub async fn environment_of(
    connection: &mut PgConnection,
    binding: BindingId,
    kind: Kind,
) -> Result<Option<EnvironmentId>, sqlx::Error> {
    let found: Option<Uuid> =
        sqlx::query_scalar("SELECT environment FROM authority.operations WHERE binding = $1 AND kind = $2 LIMIT 1")
            .bind(binding.0)
            .bind(kind.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(found.map(EnvironmentId))
}

/// Which operations; nothing said is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this environment.
    pub environment: Option<EnvironmentId>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// At this stage.
    pub stage: Option<Stage>,
    /// Whether they have ended.
    pub ended: Option<bool>,
}

/// A page of the operations of each of these places, with the place, in order of creation.
pub async fn pages(
    connection: &mut PgConnection,
    (whose, places): (Whose, &[Uuid]),
    filter: &Filter,
    keyset: &Keyset<Uuid>,
) -> Result<Vec<(Uuid, (Operation, Version))>, sqlx::Error> {
    let (operator, order) = (keyset.towards.operator(), keyset.towards.order());
    let page = |of: &str| {
        format!(
            "SELECT operation, body, version FROM authority.operations
             WHERE {of} AND ($2::uuid IS NULL OR operation {operator} $2)
               AND ($4::uuid IS NULL OR environment = $4) AND ($5::text IS NULL OR kind = $5)
               AND ($6::text IS NULL OR stage = $6) AND ($7::boolean IS NULL OR ended = $7)
             ORDER BY operation {order} LIMIT $3"
        )
    };
    let page = match whose {
        Whose::Workspaces => page("workspace = of.id"),
        Whose::Apps => page("app = of.id"),
        Whose::Environments => page("environment = of.id"),
        Whose::Projects => format!(
            "SELECT one.* FROM {} CROSS JOIN LATERAL ({}) one ORDER BY one.operation {order} LIMIT $3",
            apps_of(whose).unwrap_or_default(),
            page("app = a.id")
        ),
    };
    let query = format!(
        "SELECT of.id AS place, o.* FROM unnest($1::uuid[]) AS of (id) CROSS JOIN LATERAL ({page}) o
         ORDER BY of.id, o.operation {order}"
    );
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(places)
        .bind(keyset.from)
        .bind(keyset.most)
        .bind(filter.environment.map(|id| id.0))
        .bind(filter.kind.map(Kind::as_str))
        .bind(filter.stage.map(Stage::as_str))
        .bind(filter.ended)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("place")?, read(row)?)))
        .collect()
}

/// The operations of an environment that have not ended.
pub async fn running(
    connection: &mut PgConnection,
    environment: EnvironmentId,
) -> Result<Vec<(Operation, Version)>, sqlx::Error> {
    let rows = running_in(connection, &[environment.0]).await?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The operations of these environments that have not ended, with the environment.
pub async fn running_in(
    connection: &mut PgConnection,
    environments: &[Uuid],
) -> Result<Vec<(Uuid, (Operation, Version))>, sqlx::Error> {
    const RUNNING: &str =
        "SELECT environment, body, version FROM authority.operations WHERE environment = ANY($1) AND NOT ended";
    let rows = sqlx::query(RUNNING).bind(environments).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("environment")?, read(row)?))).collect()
}

/// Wakes that have not ended, besides this one, in its cell and its workspace; of those, only the ones that have `begun`.
pub async fn wakes(connection: &mut PgConnection, of: &Requested, begun: Begun) -> Result<Others, sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE body->'requested'->>'cell' = $1) AS cell,
                count(*) FILTER (WHERE workspace = $2) AS workspace
         FROM authority.operations
         WHERE NOT ended AND kind = 'wake' AND operation <> $3 AND ($4 OR stage <> 'wake_requested')",
    )
    .bind(of.cell.map(|cell| cell.to_string()))
    .bind(of.workspace.0)
    .bind(of.id.0)
    .bind(begun == Begun::OrNot)
    .fetch_one(connection)
    .await?;
    let number = |column: &str| {
        let count: i64 = row.try_get(column)?;
        usize::try_from(count).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    Ok(Others { cell: number("cell")?, workspace: number("workspace")? })
}

/// Which wakes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Those that have begun.
    Only,
    /// Those that wait for their turn as well.
    OrNot,
}

/// How many operations have not ended, by stage.
pub async fn running_by_stage(pool: &PgPool) -> Result<Vec<(Stage, i64)>, sqlx::Error> {
    sqlx::query("SELECT stage, count(*) AS running FROM authority.operations WHERE NOT ended GROUP BY stage")
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| {
            let stage: String = row.try_get("stage")?;
            let stage = stage.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((stage, row.try_get("running")?))
        })
        .collect()
}

/// Claims operations that no live lease covers; of deploys, only those that shall end.
pub async fn claim(
    pool: &PgPool,
    owner: &str,
    most: i32,
    span: Duration,
) -> Result<Vec<(OperationId, Fence)>, sqlx::Error> {
    sqlx::query("SELECT operation, fence FROM authority.claim_operations($1, $2, $3)")
        .bind(owner)
        .bind(most)
        .bind(span.as_secs_f64())
        .fetch_all(pool)
        .await?
        .iter()
        .map(claimed)
        .collect()
}

/// Claims deploys that no live lease covers: at most so many of one workspace are held at once, and their turns go round.
pub async fn claim_deploys(
    pool: &PgPool,
    owner: &str,
    most: i32,
    per_workspace: i32,
    span: Duration,
) -> Result<Vec<(OperationId, Fence)>, sqlx::Error> {
    sqlx::query("SELECT operation, fence FROM authority.claim_deploys($1, $2, $3, $4)")
        .bind(owner)
        .bind(most)
        .bind(per_workspace)
        .bind(span.as_secs_f64())
        .fetch_all(pool)
        .await?
        .iter()
        .map(claimed)
        .collect()
}

fn claimed(row: &PgRow) -> Result<(OperationId, Fence), sqlx::Error> {
    let (id, fence): (Uuid, i64) = (row.try_get("operation")?, row.try_get("fence")?);
    let fence = u64::try_from(fence).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok((OperationId(id), Fence(fence)))
}

/// The name of an operation's lease.
pub fn lease(id: OperationId) -> String {
    format!("operation:{id}")
}

fn read(row: &PgRow) -> Result<(Operation, Version), sqlx::Error> {
    let Json(operation) = row.try_get("body")?;
    Ok((operation, super::version(row)?))
}
