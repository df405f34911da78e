//! Reading on somebody's behalf: one transaction in which the database knows who asks, so that row-level security holds even
//! where a check of ours were missing. The trap: a setting that outlives its transaction in a pooled connection; `local` it is.

use rhone_domain::ids::{ActorId, WorkspaceId};
use rhone_eventstore::{PgLog, Transaction};
use sqlx::PgPool;

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

    /// The only workspace that is seen, if the token is narrowed to one.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.workspace
    }

    /// The log, with these eyes: streams are read without a transaction around them.
    pub fn log(&self) -> PgLog {
        let log = PgLog::acting(self.pool.clone(), self.actor);
        match self.workspace {
            Some(workspace) => log.within(workspace),
            None => log,
        }
    }

    /// The pool behind it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A transaction in which only what this actor may see exists.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Transaction::begin_as(&self.pool, self.actor.0, self.workspace.map(|id| id.0)).await
    }
}
