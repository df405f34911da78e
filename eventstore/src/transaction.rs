//! A transaction on a connection of a pool, begun by one function for every role. The trap avoided: `Pool::begin` that is given up
//! midway, as when a client hangs up. sqlx 0.9 hands such a connection back with its `BEGIN` sent and forgotten; the next statement
//! on it, an append perhaps, runs in a transaction that nobody commits: acknowledged, and lost (ADR 0028).

use sqlx::{Error, PgPool, PgTransaction};
use std::panic;

/// Begins a transaction. Whoever gives up waiting for it leaves none behind: a task of its own sees it begin, and rolls it back.
pub async fn begin(pool: &PgPool) -> Result<PgTransaction<'static>, Error> {
    let connection = pool.acquire().await?;
    match tokio::spawn(PgTransaction::begin(connection, None)).await {
        Ok(begun) => begun,
        Err(ended) if ended.is_panic() => panic::resume_unwind(ended.into_panic()),
        Err(_) => Err(Error::WorkerCrashed),
    }
}
