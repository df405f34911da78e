//! Serves the API: GraphQL behind its guard, and the endpoints of edges and runners. Wired up by the command line.

use crate::{
    Documents, IdSource, Origins, Readiness, ReadinessCheck, Settings, Shell,
    graphql::{self, Platform, request_context},
    identity::Tokens,
    infrastructure::{self, Infrastructure},
    live::Pulse,
    load::{Load, LoadLimits},
    rate::{RateLimits, Rates},
    router,
    settings::Exposure,
    sign_in::{self, BadSettings, Callers, Sessions, SignIn},
};
use ed25519_dalek::SigningKey;
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use rhone_eventstore::{
    Bell, Clock, Log as _, PgLog, ReadError, Wake,
    boot::{self, BootError},
    subjects::Subjects,
    vault::Vault,
};
use rhone_providers::artifact_store::ArtifactStore;
use sqlx::PgPool;
use std::{
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture as _},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};

/// What the API is given.
pub struct Config {
    /// As role `rhone_api`.
    pub api_pool: PgPool,
    /// As role `rhone_worker`, for the endpoints of edges and runners.
    pub worker_pool: PgPool,
    /// Time and ids.
    pub clock: Clock,
    /// Rung when something was appended.
    pub bell: Bell,
    /// Told after every append of this process.
    pub wake: Arc<dyn Wake>,
    /// Signs the feed.
    pub feed_key: Arc<SigningKey>,
    /// Artifacts.
    pub artifacts: ArtifactStore,
    /// Personal fields.
    pub subjects: Subjects,
    /// Values of variables.
    pub vault: Vault,
    /// Whom the server is shown to.
    pub exposure: Exposure,
    /// The pages that may call from a browser.
    pub origins: Vec<String>,
    /// Which documents may run.
    pub documents: Documents,
    /// How people sign in.
    pub sign_in: sign_in::Settings,
    /// How much everybody may ask.
    pub rates: RateLimits,
    /// How much is carried out at a time.
    pub load: LoadLimits,
    /// Where it listens.
    pub listener: TcpListener,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("exposure", &self.exposure).finish_non_exhaustive()
    }
}

/// Why the API does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log is not fit to be written.
    #[error("the log is not fit to be written")]
    Boot(#[from] BootError),
    /// The log does not say which life it is in.
    #[error("the log does not say which life it is in")]
    Log(#[from] ReadError),
    /// Nobody could sign in safely.
    #[error("reading how people sign in")]
    SignIn(#[from] BadSettings),
    /// The socket failed.
    #[error("serving failed")]
    Socket(#[from] std::io::Error),
}

/// How long the server's end waits for those who are connected to hear of it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until `shutdown`, then lets open requests end, and tells whoever is connected.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
    config.sign_in.check_address(config.listener.local_addr()?.ip())?;
    boot::check(&config.worker_pool).await?;
    let incarnation = PgLog::new(config.worker_pool.clone()).incarnation().await?;
    let readiness = Arc::new(Readiness::new(checks(&config)));
    let pulse = Pulse::default();
    let origins = Origins::new(&config.origins);
    let settings = Settings {
        documents: config.documents.clone(),
        rates: config.rates.clone(),
        load: config.load,
        ..Settings::new(config.exposure, origins.clone())
    };
    let (pool, clock) = (config.api_pool.clone(), config.clock.clone());
    let callers = Callers { tokens: Tokens::new(pool.clone()), sessions: Sessions::new(pool.clone(), clock.clone()) };
    let sign_in = SignIn::new(pool, clock, origins, config.sign_in.clone(), config.exposure)?;
    let sign_in = Arc::new(sign_in.waking(Arc::new(config.bell.clone())).waking(config.wake.clone()));
    let clock = config.clock.clone();
    let rates = Arc::new(Rates::new(&config.rates, move || clock.now()));
    let platform = Arc::new(Platform {
        pool: config.api_pool.clone(),
        clock: config.clock.clone(),
        bell: config.bell.clone(),
        wake: config.wake.clone(),
        artifacts: config.artifacts.clone(),
        subjects: config.subjects.clone(),
        vault: config.vault.clone(),
        tokens: callers.tokens.clone(),
        sessions: callers.sessions.clone(),
        incarnation,
        pulse: pulse.clone(),
    });
    let load = Arc::new(Load::new(&settings.load));
    let infrastructure = Arc::new(Infrastructure {
        pool: config.worker_pool.clone(),
        api: config.api_pool.clone(),
        incarnation,
        tokens: Tokens::new(config.worker_pool.clone()),
        clock: config.clock.clone(),
        bell: config.bell.clone(),
        wake: config.wake.clone(),
        feed_key: config.feed_key.clone(),
        artifacts: config.artifacts.clone(),
        vault: config.vault.clone(),
        readiness: readiness.clone(),
        rates: rates.clone(),
        load: load.clone(),
        seen: infrastructure::Seen::default(),
        fetching: infrastructure::Fetching::default(),
        live: infrastructure::Live::new(platform.clone(), &settings),
    });
    let clock = config.clock.clone();
    let ids = IdSource::new(move || clock.new_id());
    let shell = Arc::new(Shell {
        load,
        executor: graphql::builder(config.exposure).finish(),
        authenticator: callers,
        settings,
        rates: rates.clone(),
        context: Box::new(move |principal, info, data| request_context(&platform, principal, info, data)),
        ids: ids.clone(),
        readiness: readiness.clone(),
        metrics: config.metrics,
    });
    let app =
        router(shell).merge(infrastructure::router(infrastructure)).merge(sign_in::router(sign_in, ids, rates.clone()));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let ending = readiness.clone();
    let drained = async move {
        shutdown.await;
        ending.drain();
    };
    // Aborted when it is dropped.
    let mut beating = JoinSet::new();
    beating.spawn(pulse.run(config.worker_pool, config.bell));
    tokio::select! {
        served = axum::serve(config.listener, app).with_graceful_shutdown(drained).into_future() => served?,
        never = forget(&rates) => match never {},
    }
    // Whoever does not listen is left.
    let _deserted = tokio::time::timeout(LAST_WORDS, readiness.deserted()).await;
    Ok(())
}

/// Keeps what the budgets remember bounded by who called lately.
async fn forget(rates: &Rates) -> Infallible {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    loop {
        ticks.tick().await;
        rates.forget();
    }
}

fn checks(config: &Config) -> Vec<Box<dyn ReadinessCheck>> {
    vec![Box::new(Database(config.api_pool.clone()))]
}

/// The database answers.
struct Database(PgPool);

impl ReadinessCheck for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let asked = sqlx::query("SELECT 1").execute(&self.0).await;
            asked.map(drop).map_err(|_| "the database does not answer".to_owned())
        })
    }
}
