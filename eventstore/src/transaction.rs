//! A transaction on a connection of a pool, from its beginning to its end, whoever gives up in between. The trap avoided: sqlx's own
//! (0.9.0), given up while it begins, as when a client hangs up. Its connection goes back with a `BEGIN` that was sent and forgotten;
//! the next statement there, an append perhaps, is acknowledged and never committed (ADR 0028).

use sqlx::{AssertSqlSafe, Error, PgConnection, PgPool, Postgres, SqlSafeStr, pool::PoolConnection, raw_sql};
use std::ops::{Deref, DerefMut};
use uuid::Uuid;

/// What is not committed is rolled back, before anybody else has its connection.
#[derive(Debug)]
pub struct Transaction(Option<PoolConnection<Postgres>>);

impl Transaction {
    /// Begins one.
    pub async fn begin(pool: &PgPool) -> Result<Self, Error> {
        Self::begun(pool, "BEGIN").await
    }

    /// Begins one in which the database knows who asks, and within which workspace, if only one: in the same round trip.
    pub async fn begin_as(pool: &PgPool, actor: Uuid, workspace: Option<Uuid>) -> Result<Self, Error> {
        let workspace = workspace.map(|id| id.to_string()).unwrap_or_default();
        // Ids are written as digits and dashes, so nothing in them needs an escape.
        let begin = format!(
            "BEGIN; SELECT set_config('rhone.actor', '{actor}', true), set_config('rhone.workspace', '{workspace}', true)"
        );
        Self::begun(pool, AssertSqlSafe(begin)).await
    }

    /// It is one before it begins, so that it ends however far it came.
    async fn begun(pool: &PgPool, begin: impl SqlSafeStr) -> Result<Self, Error> {
        let mut transaction = Self(Some(pool.acquire().await?));
        raw_sql(begin).execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Keeps what was done in it.
    pub async fn commit(mut self) -> Result<(), Error> {
        raw_sql("COMMIT").execute(&mut *self).await?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(mut connection) = self.0.take() {
            tokio::spawn(async move {
                if raw_sql("ROLLBACK").execute(&mut *connection).await.is_err() {
                    connection.close_on_drop();
                }
            });
        }
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_deref().expect("it has its connection until it ends")
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_deref_mut().expect("it has its connection until it ends")
    }
}
