//! When each host's runner was heard last: a plain table, not an event. Writer: the API's runner endpoint.

use chrono::TimeDelta;
use rhone_domain::{host::Silence, ids::HostId};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Its runner was heard now.
pub async fn record(pool: &PgPool, host: HostId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO status.hosts (host) VALUES ($1)
         ON CONFLICT (host) DO UPDATE SET seen_at = clock_timestamp()",
    )
    .bind(host.0)
    .execute(pool)
    .await?;
    Ok(())
}

/// For how long the runner of each of these was not heard, and those of the others; those of which nothing was ever heard are left
/// out. By the database's clock, which has noted when they were.
pub async fn silences(connection: &mut PgConnection, hosts: &[HostId]) -> Result<Vec<(HostId, Silence)>, sqlx::Error> {
    let hosts: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let found: Vec<(Uuid, i64, Option<i64>)> =
        sqlx::query_as("SELECT host, silence_ms, others_silence_ms FROM status.hosts_seen($1)")
            .bind(hosts)
            .fetch_all(connection)
            .await?;
    let silence = |own, others: Option<i64>| Silence {
        own: Some(TimeDelta::milliseconds(own)),
        others: others.map(TimeDelta::milliseconds),
    };
    Ok(found.into_iter().map(|(host, own, others)| (HostId(host), silence(own, others))).collect())
}
