//! When each host's runner was heard last: a plain table, not an event. Writer: the API's runner endpoint.

use rhone_domain::ids::HostId;
use sqlx::PgPool;

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
