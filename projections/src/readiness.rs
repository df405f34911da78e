//! What the sleep of an environment and the drain of a host are judged by before anybody asks for one, as the API is told: by
//! functions that answer for whoever asks. What an edge says of others' sessions stays in the database.

use rhone_domain::{
    allocation::Allocation,
    edge_status::{EdgeStatus, Sessions},
    host,
    host_drain::headroom::Standing,
    ids::{EnvironmentId, HostId},
};
use serde::Deserialize;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// What a region's edges say of the use of one environment.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Those that reported lately, with what they say of it.
    pub edges: Vec<EdgeStatus>,
    /// How many more reported a while ago, and no longer do.
    pub silent: usize,
}

/// The use of each of these environments: by edges that reported within `live` seconds, and how many more did within `silent`.
pub async fn used(
    connection: &mut PgConnection,
    environments: &[EnvironmentId],
    (live, silent): (f64, f64),
) -> Result<Vec<(EnvironmentId, Used)>, sqlx::Error> {
    type Told = (Uuid, Json<Vec<EdgeStatus>>, i64);
    let rows: Vec<Told> = sqlx::query_as("SELECT environment, edges, silent FROM status.used_environments($1, $2, $3)")
        .bind(environments.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(live)
        .bind(silent)
        .fetch_all(connection)
        .await?;
    let used = |(environment, Json(edges), silent): Told| {
        let silent = usize::try_from(silent).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((EnvironmentId(environment), Used { edges, silent }))
    };
    rows.into_iter().map(used).collect()
}

/// A host, and what its drain is judged by.
#[derive(Clone, Debug, Default)]
pub struct Emptied {
    /// Every host of its cell, itself too.
    pub hosts: Vec<Standing>,
    /// Every allocation on it that has not ended.
    pub allocations: Vec<Allocation>,
    /// What the edges say of open sessions there.
    pub sessions: Vec<Sessions>,
}

/// A host of the cell as the database writes it.
#[derive(Debug, Deserialize)]
struct Row {
    host: HostId,
    state: host::State,
    capacity: u32,
    held: u32,
    heard: bool,
}

/// The same of each of these hosts, to who runs the platform; heard, and reported, means within `live` seconds.
pub async fn emptied(
    connection: &mut PgConnection,
    hosts: &[HostId],
    live: f64,
) -> Result<Vec<(HostId, Emptied)>, sqlx::Error> {
    type Told = (Uuid, Json<Vec<Row>>, Json<Vec<Allocation>>, Json<Vec<Sessions>>);
    let rows: Vec<Told> = sqlx::query_as("SELECT host, hosts, allocations, sessions FROM status.emptied_hosts($1, $2)")
        .bind(hosts.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(live)
        .fetch_all(connection)
        .await?;
    let standing = |row: Row| {
        let Row { host, state, capacity, held, heard } = row;
        Standing { host, state, capacity, held, heard }
    };
    let told = |(host, Json(hosts), Json(allocations), Json(sessions)): Told| {
        let hosts = hosts.into_iter().map(standing).collect();
        (HostId(host), Emptied { hosts, allocations, sessions })
    };
    Ok(rows.into_iter().map(told).collect())
}
