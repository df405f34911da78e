//! What each edge said of itself last: a plain table, not an event. Writer: the API's edge endpoint.

use rhone_domain::{edge_status::EdgeStatus, ids::RegionId};
use sqlx::{PgConnection, PgPool, Row as _, types::Json};
use uuid::Uuid;

/// Takes a report in; the newest replaces the one before.
pub async fn record(pool: &PgPool, status: &EdgeStatus) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO status.edges (edge, region, body) VALUES ($1, $2, $3)
         ON CONFLICT (edge) DO UPDATE SET region = excluded.region, body = excluded.body,
             reported_at = clock_timestamp()",
    )
    .bind(status.edge.0)
    .bind(status.region.0)
    .bind(Json(status))
    .execute(pool)
    .await?;
    Ok(())
}

/// A region's edges that reported within `seconds`.
pub async fn live(
    connection: &mut PgConnection,
    region: RegionId,
    seconds: f64,
) -> Result<Vec<EdgeStatus>, sqlx::Error> {
    sqlx::query(
        "SELECT body FROM status.edges
         WHERE region = $1 AND reported_at > clock_timestamp() - make_interval(secs => $2) ORDER BY edge",
    )
    .bind(region.0)
    .bind(seconds)
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| row.try_get("body").map(|Json(status)| status))
    .collect()
}

/// Edges of any region that reported within `seconds` and say that they closed sockets at a drain deadline.
pub async fn closing(connection: &mut PgConnection, seconds: f64) -> Result<Vec<EdgeStatus>, sqlx::Error> {
    let said = sqlx::query_scalar(
        "SELECT body FROM status.edges
         WHERE body->'closed'->0 IS NOT NULL AND reported_at > clock_timestamp() - make_interval(secs => $1)
         ORDER BY edge",
    );
    let said: Vec<Json<EdgeStatus>> = said.bind(seconds).fetch_all(connection).await?;
    Ok(said.into_iter().map(|Json(status)| status).collect())
}

/// What is [`live`] in each of these regions, with the region, as any user may see it: without what it says of tenants.
pub async fn shown(
    connection: &mut PgConnection,
    regions: &[RegionId],
    seconds: f64,
) -> Result<Vec<(RegionId, EdgeStatus)>, sqlx::Error> {
    let rows: Vec<(Uuid, Json<EdgeStatus>)> = sqlx::query_as(
        "SELECT asked.id, live.body FROM unnest($1::uuid[]) AS asked (id)
         CROSS JOIN LATERAL status.live_edges(asked.id, $2) AS live (body)",
    )
    .bind(regions.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(seconds)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(region, Json(status))| (RegionId(region), status)).collect())
}

/// How many edges of a region reported within `seconds`, though not within `live` seconds.
pub async fn silent(
    connection: &mut PgConnection,
    region: RegionId,
    (live, seconds): (f64, f64),
) -> Result<usize, sqlx::Error> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM status.edges
         WHERE region = $1 AND reported_at <= clock_timestamp() - make_interval(secs => $2)
           AND reported_at > clock_timestamp() - make_interval(secs => $3)",
    )
    .bind(region.0)
    .bind(live)
    .bind(seconds)
    .fetch_one(connection)
    .await?;
    usize::try_from(count).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
