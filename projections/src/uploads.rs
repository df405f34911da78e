//! Who uploaded which bytes: a plain table, not an event. Writer: the API's upload endpoint. The trap: a registration that
//! succeeds for bytes somebody else stored would tell that they are there.

use rhone_domain::{digest::Digest, ids::ActorId};
use sqlx::{PgConnection, PgPool};

/// This actor has just sent these bytes, all of them.
pub async fn record(pool: &PgPool, actor: ActorId, digest: Digest) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO status.uploads (actor, digest) VALUES ($1, $2)
         ON CONFLICT (actor, digest) DO UPDATE SET uploaded_at = clock_timestamp()",
    )
    .bind(actor.0)
    .bind(digest.0)
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether the session's actor has sent these bytes.
pub async fn exists(connection: &mut PgConnection, digest: Digest) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM status.uploads WHERE digest = $1)")
        .bind(digest.0)
        .fetch_one(connection)
        .await
}
