//! The log on Postgres. The log's functions do the work (migrations/..._log.sql); here is only how they are called. The
//! trap avoided: rights in the program; the role may call `log.append` and nothing else, so a mistake here forges nothing.

use crate::{
    log::{Append, AppendError, Appended, Log, ReadError, Recorded},
    position::{LogIncarnation, Position},
    unit::Loaded,
};
use rhone_domain::{
    claim::Claim,
    digest::Digest,
    envelope::StreamId,
    ids::{ActorId, WorkspaceId},
    numbers::Version,
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use uuid::Uuid;

mod append;
mod claims;
mod read;
mod renewal;

pub use read::{EVENT_COLUMNS, event_from_row};

/// The log, through a pool of one of the roles. Clones share the pool.
#[derive(Clone, Debug)]
pub struct PgLog {
    pool: PgPool,
    acting: Acting,
}

/// For whom streams are read.
#[derive(Clone, Copy, Debug, Default)]
struct Acting {
    actor: Option<ActorId>,
    scope: Option<WorkspaceId>,
    secret: Option<Digest>,
}

impl PgLog {
    /// For the control plane's own roles, which see every tenant.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, acting: Acting::default() }
    }

    /// For the API's role: streams are read as this actor may see them. The log as a whole (`read_all`) is for the other
    /// roles; an actor sees nothing in it but its tenants' and what is everybody's.
    pub fn acting(pool: PgPool, actor: ActorId) -> Self {
        Self { pool, acting: Acting { actor: Some(actor), ..Acting::default() } }
    }

    /// Narrowed to one workspace: for a token that was made for it.
    #[must_use]
    pub fn within(mut self, workspace: WorkspaceId) -> Self {
        self.acting.scope = Some(workspace);
        self
    }

    /// For who shows a secret and belongs to nothing yet: only the stream that the secret of this SHA-256 opens is read, and
    /// an append is judged with it (`authority.opened`).
    #[must_use]
    pub fn showing(mut self, secret: Digest) -> Self {
        self.acting.secret = Some(secret);
        self
    }

    /// A claim, for the API's role: whose a name is that another tenant has is not said (ADR 0022).
    pub async fn claim(&self, id: Uuid) -> Result<Loaded<Claim>, ReadError> {
        claims::claim(&self.pool, self.acting, id).await
    }

    /// Many streams at once, in one statement, for the API's role: those of them that this actor sees any event of. What a secret
    /// opens is not among them.
    pub async fn read_streams(&self, streams: &[StreamId]) -> Result<HashMap<StreamId, Vec<Recorded>>, ReadError> {
        read::streams(&self.pool, self.acting, streams).await
    }

    /// The pool.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// A pool for one of the roles. A connection is not tried before each use: that would be a second round trip per append. Old ones
/// are ended after a use, one by one, and not by an age that many of them have at once. No plan is compiled (`jit`): one that
/// PostgreSQL thinks dear, because it misjudges it or may go through no table, would be at each use, for tenths of a second.
pub async fn connect(url: &str, program: &str, most: u32) -> Result<PgPool, sqlx::Error> {
    let options = url.parse::<PgConnectOptions>()?.application_name(program).options([("jit", "off")]);
    let renewal = renewal::Renewal::default();
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .max_lifetime(None::<Duration>)
        .after_release(move |_, used| {
            let keeps = renewal.keeps(used.age, Instant::now());
            Box::pin(async move { Ok::<_, sqlx::Error>(keeps) })
        })
        .connect_with(options)
        .await
}

impl Log for PgLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let begun = Instant::now();
        let appended = append::append(&self.pool, self.acting.secret, &append).await;
        metrics::histogram!("rhone_append_seconds").record(begun.elapsed().as_secs_f64());
        if matches!(appended, Err(AppendError::Conflict { .. })) {
            metrics::counter!("rhone_append_conflicts_total").increment(1);
        }
        appended
    }

    async fn read_stream(&self, stream: &StreamId, after: Version) -> Result<Vec<Recorded>, ReadError> {
        read::stream(&self.pool, self.acting, stream, after).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        read::all(&self.pool, after, limit).await
    }

    async fn incarnation(&self) -> Result<LogIncarnation, ReadError> {
        read::incarnation(&self.pool).await
    }
}
