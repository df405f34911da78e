//! Route owners as they stand, written inline together with the feeds of the region that serves them and of those that did
//! before. Trap: an edge of a former region that never hears that it owns the traffic no longer.

use rhone_domain::{
    feed::Content,
    ids::{AppId, EnvironmentId},
    numbers::Version,
    route_owner::RouteOwner,
};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};

/// The row, and what the edges are told.
pub fn rows(owner: &RouteOwner, version: Version) -> Vec<Value> {
    let Some(route) = owner.route() else { return Vec::new() };
    let mut rows = vec![json!({
        "table": "route_owner",
        "environment": route.environment,
        "workspace": route.workspace,
        "app": route.app,
        "region": route.region,
        "cell": route.cell,
        "deployment": route.owner.as_ref().map(|owner| owner.deployment),
        "epoch": route.epoch,
        "revision": route.revision,
        "version": version,
        "body": owner,
    })];
    let (key, content) = (format!("route:{}", route.environment), Content::Route(route).to_text());
    // The same words everywhere: where it was served before, they say that it is served there no longer, and by whom.
    let told = owner.told();
    rows.extend(
        told.map(|region| json!({ "table": "feed", "region": region, "key": key, "content": content, "final": false })),
    );
    rows
}

/// The owner of an environment's traffic.
pub async fn by_environment(
    connection: &mut PgConnection,
    environment: EnvironmentId,
) -> Result<Option<(RouteOwner, Version)>, sqlx::Error> {
    sqlx::query("SELECT body, version FROM authority.route_owners WHERE environment = $1")
        .bind(environment.0)
        .fetch_optional(connection)
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// The owners of these environments' traffic, in no order.
pub async fn by_environments(
    connection: &mut PgConnection,
    environments: &[EnvironmentId],
) -> Result<Vec<(RouteOwner, Version)>, sqlx::Error> {
    let ids = environments.iter().map(|id| id.0).collect::<Vec<_>>();
    sqlx::query("SELECT body, version FROM authority.route_owners WHERE environment = ANY($1)")
        .bind(ids)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The owners of an app's environments.
pub async fn of_app(connection: &mut PgConnection, app: AppId) -> Result<Vec<(RouteOwner, Version)>, sqlx::Error> {
    sqlx::query("SELECT body, version FROM authority.route_owners WHERE app = $1 ORDER BY environment")
        .bind(app.0)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Every environment with allocations that have not ended, or with an owner.
pub async fn lanes(connection: &mut PgConnection) -> Result<Vec<(RouteOwner, Version)>, sqlx::Error> {
    sqlx::query(
        "SELECT body, version FROM authority.route_owners r
         WHERE deployment IS NOT NULL
            OR EXISTS (SELECT FROM authority.allocations a WHERE a.environment = r.environment AND NOT a.ended)",
    )
    .fetch_all(connection)
    .await?
    .iter()
    .map(read)
    .collect()
}

fn read(row: &PgRow) -> Result<(RouteOwner, Version), sqlx::Error> {
    let Json(owner) = row.try_get("body")?;
    Ok((owner, super::version(row)?))
}
