//! Hosts as they stand, written inline: where allocations may be placed. The trap: a host that was cordoned a moment ago; who
//! places asserts the host's version in the append.

use rhone_domain::{
    host::Host,
    ids::{CellId, HostId, RegionId},
    numbers::Version,
};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

/// The row.
pub fn rows(host: &Host, version: Version) -> Vec<Value> {
    let (Some(created), Some(state)) = (&host.created, host.state) else { return Vec::new() };
    vec![json!({
        "table": "host",
        "host": created.id,
        "region": created.region,
        "cell": created.cell,
        "state": state,
        "capacity": host.capacity(),
        "version": version,
        "body": host,
    })]
}

/// The cells that have hosts, and their regions.
pub async fn cells(connection: &mut PgConnection) -> Result<Vec<(RegionId, CellId)>, sqlx::Error> {
    let cells: Vec<(Uuid, Uuid)> =
        sqlx::query_as("SELECT DISTINCT region, cell FROM authority.hosts ORDER BY region, cell")
            .fetch_all(connection)
            .await?;
    Ok(cells.into_iter().map(|(region, cell)| (RegionId(region), CellId(cell))).collect())
}

/// A cell's hosts that take allocations, have room, and whose runner was heard within `seconds`; the least busy first.
pub async fn hosts_of_cell(
    connection: &mut PgConnection,
    cell: CellId,
    seconds: f64,
) -> Result<Vec<HostId>, sqlx::Error> {
    let hosts: Vec<Uuid> = sqlx::query_scalar(
        "SELECT h.host FROM authority.hosts h JOIN status.hosts s ON s.host = h.host,
             LATERAL (SELECT count(*) AS held FROM authority.allocations a WHERE a.host = h.host AND NOT a.ended) a
         WHERE h.cell = $1 AND s.seen_at > clock_timestamp() - make_interval(secs => $2)
           AND h.state = 'active' AND a.held < h.capacity
         ORDER BY a.held, h.host",
    )
    .bind(cell.0)
    .bind(seconds)
    .fetch_all(connection)
    .await?;
    Ok(hosts.into_iter().map(HostId).collect())
}

/// A cell's hosts whose runner was not heard for `seconds`, while another one's was.
pub async fn lost_hosts(connection: &mut PgConnection, cell: CellId, seconds: f64) -> Result<Vec<HostId>, sqlx::Error> {
    let hosts: Vec<Uuid> = sqlx::query_scalar(
        "SELECT h.host FROM authority.hosts h JOIN status.hosts s ON s.host = h.host
         WHERE h.cell = $1 AND s.seen_at < (SELECT max(seen_at) FROM status.hosts) - make_interval(secs => $2)
         ORDER BY h.host",
    )
    .bind(cell.0)
    .bind(seconds)
    .fetch_all(connection)
    .await?;
    Ok(hosts.into_iter().map(HostId).collect())
}

/// Hosts of any cell whose runner was not heard for `seconds`, while another one's was.
pub async fn lost_anywhere(connection: &mut PgConnection, seconds: f64) -> Result<Vec<HostId>, sqlx::Error> {
    let lost = "SELECT s.host FROM authority.hosts h JOIN status.hosts s ON s.host = h.host
                WHERE s.seen_at < (SELECT max(seen_at) FROM status.hosts) - make_interval(secs => $1)";
    let hosts: Vec<Uuid> = sqlx::query_scalar(lost).bind(seconds).fetch_all(connection).await?;
    Ok(hosts.into_iter().map(HostId).collect())
}

/// Whether a host was retired: nothing runs on it any more.
pub async fn is_retired(connection: &mut PgConnection, host: HostId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM authority.hosts WHERE host = $1 AND state = 'retired')")
        .bind(host.0)
        .fetch_one(connection)
        .await
}

/// A host of a cell, with what runs on it and whether it is heard.
#[derive(Clone, Debug)]
pub struct Standing {
    /// As it stands.
    pub host: Host,
    /// The version of its stream.
    pub version: Version,
    /// How many allocations that have not ended it holds.
    pub held: u32,
    /// Whether its runner was heard lately.
    pub heard: bool,
    /// When its runner was heard last, if ever.
    pub seen_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Every host of a cell; heard means within `seconds`.
pub async fn of_cell(connection: &mut PgConnection, cell: CellId, seconds: f64) -> Result<Vec<Standing>, sqlx::Error> {
    sqlx::query(
        "SELECT h.body, h.version, s.seen_at,
                coalesce(s.seen_at > clock_timestamp() - make_interval(secs => $2), false) AS heard,
                (SELECT count(*) FROM authority.allocations a WHERE a.host = h.host AND NOT a.ended) AS held
         FROM authority.hosts h LEFT JOIN status.hosts s ON s.host = h.host
         WHERE h.cell = $1 ORDER BY h.host",
    )
    .bind(cell.0)
    .bind(seconds)
    .fetch_all(connection)
    .await?
    .iter()
    .map(read)
    .collect()
}

fn read(row: &PgRow) -> Result<Standing, sqlx::Error> {
    let (Json(host), held): (Json<Host>, i64) = (row.try_get("body")?, row.try_get("held")?);
    let held = u32::try_from(held).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let version = super::version(row)?;
    Ok(Standing { host, version, held, heard: row.try_get("heard")?, seen_at: row.try_get("seen_at")? })
}
