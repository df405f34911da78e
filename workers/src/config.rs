//! What a worker is given; wired up by the command line.

use ed25519_dalek::SigningKey;
use rhone_builder::{
    build::BuildLimits,
    source::{self, SourcePolicy},
};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    authorization::Authority,
    ids::{ActorId, CorrelationId, EventId, WorkspaceId},
};
use rhone_eventstore::{Bell, Clock, Context, Dispatcher, PgLog, Wake, vault::Vault};
use rhone_projections::inline::AuthorityRows;
use rhone_providers::{artifact_store::ArtifactStore, probe::Ground};
use sqlx::PgPool;
use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// The one door for writes, as workers use it.
pub(crate) type Door = Dispatcher<PgLog, AuthorityRows>;

/// How long logs are kept: until they are too old, and of one allocation or build until it has printed too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRetention {
    /// The oldest.
    pub age: Duration,
    /// The most of one allocation or build, as it lies in the store.
    pub bytes: i64,
}

impl Default for LogRetention {
    fn default() -> Self {
        Self { age: Duration::from_hours(14 * 24), bytes: 64 << 20 }
    }
}

/// What a worker is given.
#[derive(Clone)]
pub struct Config {
    /// As role `rhone_worker`.
    pub pool: PgPool,
    /// As role `rhone_projector`.
    pub projector: PgPool,
    /// Time and ids.
    pub clock: Clock,
    /// Rung when something was appended.
    pub bell: Bell,
    /// Told after every append of this worker.
    pub wake: Arc<dyn Wake>,
    /// Signs the feed.
    pub feed_key: Arc<SigningKey>,
    /// The bus; without one, edges converge by the repair path.
    pub nats: Option<async_nats::Client>,
    /// Credentials of bindings.
    pub vault: Vault,
    /// Where artifacts and logs are kept.
    pub artifacts: ArtifactStore,
    /// How long logs are kept.
    pub log_retention: LogRetention,
    /// What probes work with.
    pub ground: Ground,
    /// What this worker builds with; none where nothing is built.
    pub builds: Option<Arc<Builds>>,
    /// When this worker began to look: of a silence before that it knows nothing.
    pub begun: Instant,
    /// This life of this worker.
    pub actor: ActorId,
}

/// With what, and within which bounds, deploys are fetched and built.
#[derive(Clone, Debug)]
pub struct Builds {
    /// How many this worker has in hand at once.
    pub at_once: usize,
    /// How many of one workspace are in hand at once, over all workers.
    pub per_workspace: u16,
    /// Where sources and artifacts are while they are made, in a folder for each installation; nothing there outlives a build.
    pub scratch: PathBuf,
    /// No artifact is larger, in bytes.
    pub artifact_limit: u64,
    /// What may be fetched from where.
    pub sources: SourcePolicy,
    /// How much of a source is fetched.
    pub source_limits: source::Limits,
    /// What a build may use.
    pub limits: BuildLimits,
    /// No more is kept of what an attempt at a build prints, in bytes.
    pub log_bytes: u64,
    /// The program that ends git, and a build where no sandbox can be made, with this worker (`rhone_builder::guard`).
    pub guard: PathBuf,
    /// Certificates by which git knows its hosts, in place of the machine's.
    pub authorities: Option<PathBuf>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl Config {
    /// The door.
    pub(crate) fn door(&self) -> Door {
        Dispatcher::new(PgLog::new(self.pool.clone()), self.clock.clone(), AuthorityRows)
            .waking(Arc::new(self.bell.clone()))
            .waking(self.wake.clone())
    }

    /// Under which name this worker holds leases.
    pub(crate) fn owner(&self) -> String {
        self.actor.to_string()
    }

    /// What the events of one append have in common.
    pub(crate) fn context(
        &self,
        writer: Writer,
        workspace: WorkspaceId,
        correlation: CorrelationId,
        causation: Option<EventId>,
    ) -> Context {
        Context {
            actor: Actor { id: self.actor, kind: ActorKind::Worker, on_behalf_of: None },
            writer,
            authority: Authority::itself(),
            workspace,
            correlation,
            causation,
            idempotency_key: None,
            traceparent: None,
            region: None,
            cell: None,
        }
    }
}
