//! Reading on somebody's behalf: one transaction in which the database knows who asks, so that row-level security holds even
//! where a check of ours were missing. The trap: a setting that outlives its transaction in a pooled connection; `local` it is.

use rhone_domain::ids::{ActorId, WorkspaceId};
use rhone_eventstore::transaction;
use sqlx::{PgPool, PgTransaction};

/// Whose eyes are lent to the queries of one request.
#[derive(Clone, Debug)]
pub struct Session {
    pool: PgPool,
    actor: ActorId,
    workspace: Option<WorkspaceId>,
}

impl Session {
    /// Reads as this actor; narrowed to one workspace if the token is.
    pub fn new(pool: PgPool, actor: ActorId, workspace: Option<WorkspaceId>) -> Self {
        Self { pool, actor, workspace }
    }

    /// Whose eyes.
    pub fn actor(&self) -> ActorId {
        self.actor
    }

    /// The pool behind it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A transaction in which only what this actor may see exists.
    pub async fn begin(&self) -> Result<PgTransaction<'static>, sqlx::Error> {
        let mut transaction = transaction::begin(&self.pool).await?;
        sqlx::query("SELECT set_config('rhone.actor', $1, true), set_config('rhone.workspace', $2, true)")
            .bind(self.actor.to_string())
            .bind(self.workspace.map(|id| id.to_string()).unwrap_or_default())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}
