//! The endpoints of edges, runners, uploads, exports and followers of events: plain JSON over HTTP, a bearer token each. Adapters only: what is asked comes
//! from the projections, what is reported goes through the dispatcher. The trap avoided: an answer that grows old while it
//! is held; a long-poll reads again at every ring of the bell and at least ten times a second.

mod artifacts;
mod caller;
mod cloud_event;
mod edge;
mod events;
mod fetching;
mod log_stream;
mod logs;
mod refusal;
mod runner;
mod streamed;
mod timeline;
mod variables;
mod waiting;
mod wake;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    http::StatusCode,
    middleware,
    response::IntoResponse,
    routing::{get, post},
};
use ed25519_dalek::SigningKey;
use rhone_eventstore::{Bell, Clock, Dispatcher, LogIncarnation, PgLog, Position, Wake, vault::Vault};
use rhone_projections::inline::AuthorityRows;
use rhone_providers::artifact_store::ArtifactStore;
use sqlx::PgPool;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{identity::Tokens, load::Load, rate::Rates, readiness::Readiness};

pub use edge::Seen;
pub use fetching::Fetching;
pub use streamed::Live;

/// What these endpoints work with.
pub struct Infrastructure {
    /// As role `rhone_worker`.
    pub pool: PgPool,
    /// As role `rhone_api`, for what users read under row-level security.
    pub api: PgPool,
    /// Which life of the log positions belong to.
    pub incarnation: LogIncarnation,
    /// Who calls.
    pub tokens: Tokens,
    /// Time and ids.
    pub clock: Clock,
    /// Rung when something was appended; wakes those who wait for an answer.
    pub bell: Bell,
    /// Tells the other processes that something was appended or seen.
    pub wake: Arc<dyn Wake>,
    /// Signs the feed.
    pub feed_key: Arc<SigningKey>,
    /// Where artifacts are kept.
    pub artifacts: ArtifactStore,
    /// Values of variables, for the allocations that run with them.
    pub vault: Vault,
    /// Whether this process is about to end: then nobody is kept waiting.
    pub readiness: Arc<Readiness>,
    /// How much users may ask, and how many bad tokens they may show.
    pub rates: Arc<Rates>,
    /// How much is carried out at a time: the same places as GraphQL's.
    pub load: Arc<Load>,
    /// What each edge said last, so that only news wakes the workers.
    pub seen: Seen,
    /// For users who fetch bytes.
    pub fetching: Fetching,
    /// For those who follow events.
    pub live: Live,
}

impl fmt::Debug for Infrastructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Infrastructure").finish_non_exhaustive()
    }
}

impl Infrastructure {
    /// The door for what runners report.
    fn door(&self) -> Dispatcher<PgLog, AuthorityRows> {
        Dispatcher::new(PgLog::new(self.pool.clone()), self.clock.clone(), AuthorityRows)
            .waking(Arc::new(self.bell.clone()))
            .waking(self.wake.clone())
    }

    /// Something was seen that is no event: whoever waits for it looks again.
    fn nudge(&self) {
        self.bell.ring();
        self.wake.appended(Position::START, &[]);
    }
}

/// `/edge/v1`, `/runner/v1`, `/v1/artifacts`, `/v1/events`, `/v1/logs` and `/v1/timeline`.
pub fn router(infrastructure: Arc<Infrastructure>) -> Router {
    let bounded = middleware::from_fn_with_state(infrastructure.rates.clone(), caller::bounded);
    Router::new()
        .route("/edge/v1/snapshot", get(edge::snapshot))
        .route("/edge/v1/events", get(edge::events))
        .route("/edge/v1/status", post(edge::status))
        .route("/edge/v1/wake", post(wake::ask))
        .route("/runner/v1/desired", get(runner::desired))
        .route("/runner/v1/artifacts/{digest}", get(artifacts::fetch))
        .route("/runner/v1/variables/{allocation}", get(variables::fetch))
        .route("/runner/v1/reports", post(runner::reports))
        .route("/runner/v1/logs", post(logs::take))
        .route("/v1/artifacts/{digest}", get(artifacts::download).put(artifacts::put).route_layer(bounded.clone()))
        .route("/v1/events", get(events::follow).route_layer(bounded.clone()))
        .route("/v1/logs", get(log_stream::follow).route_layer(bounded.clone()))
        .route("/v1/timeline", get(timeline::export).route_layer(bounded))
        .with_state(infrastructure)
        .layer(CatchPanicLayer::custom(|_panic| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
}
