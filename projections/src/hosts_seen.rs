//! When each host's runner was heard last: a plain table, not an event. Writer: the API's runner endpoint.

use chrono::{DateTime, Utc};
use rhone_domain::ids::HostId;
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

/// When the runner of each of these was heard last; those of which nothing was ever heard are left out.
pub async fn of(connection: &mut PgConnection, hosts: &[HostId]) -> Result<Vec<(HostId, DateTime<Utc>)>, sqlx::Error> {
    let hosts: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let seen: Vec<(Uuid, DateTime<Utc>)> =
        sqlx::query_as("SELECT host, seen_at FROM status.hosts_seen($1)").bind(hosts).fetch_all(connection).await?;
    Ok(seen.into_iter().map(|(host, at)| (HostId(host), at)).collect())
}
