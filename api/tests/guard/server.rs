//! A real server on 127.0.0.1, port 0, with the guard in front of the test schema. Ends when it is dropped.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::DateTime;
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use rhone_api::{
    Accountable, Accounts, AuthError, Authenticator, Exposure, IdSource, Load, Origins, Rates, Readiness,
    ReadinessCheck, Settings, Shell, router,
};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use crate::schema::{self, Fired, Loader};

pub(crate) const CONSOLE: &str = "https://console.rhone.test";
pub(crate) const TOKEN: &str = "alice-token";
pub(crate) const SESSION: &str = "alice-session";

/// The actor of the token.
#[derive(Clone)]
pub(crate) struct Alice(pub(crate) String);

impl Accountable for Alice {
    fn accounts(&self) -> Accounts {
        Accounts { token: Uuid::from_u128(1), user: Uuid::from_u128(2), workspace: None }
    }
}

/// The token's standing, as the test decides it, and how often it was refused.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    standing: Arc<AtomicU8>,
    refused: Arc<AtomicUsize>,
}

impl Tokens {
    pub(crate) fn revoke(&self) {
        self.standing.store(1, Ordering::SeqCst);
    }

    pub(crate) fn lose_sight(&self) {
        self.standing.store(2, Ordering::SeqCst);
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    fn standing(&self) -> Result<(), AuthError> {
        match self.standing.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                Err(AuthError::Refused)
            }
            _ => Err(AuthError::Unavailable("hunter2: the database is away".into())),
        }
    }
}

impl Authenticator for Tokens {
    type Actor = Alice;

    async fn authenticate(&self, bearer: &str) -> Result<Alice, AuthError> {
        self.standing()?;
        if bearer == TOKEN { Ok(Alice("alice".to_owned())) } else { Err(AuthError::Refused) }
    }

    async fn session(&self, cookie: &str) -> Result<Alice, AuthError> {
        self.standing()?;
        if cookie == SESSION { Ok(Alice("alice by cookie".to_owned())) } else { Err(AuthError::Refused) }
    }

    async fn still_valid(&self, _actor: &Alice) -> Result<(), AuthError> {
        self.standing()
    }
}

/// One readiness check that the test can break.
#[derive(Clone)]
pub(crate) struct Database(pub(crate) Arc<AtomicBool>);

impl ReadinessCheck for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        let verdict = if self.0.load(Ordering::SeqCst) { Ok(()) } else { Err("no connection".to_owned()) };
        Box::pin(std::future::ready(verdict))
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Tokens,
    pub(crate) database: Database,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) fired: Fired,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn start() -> Server {
    start_with(Exposure::Production, |_| {}).await
}

pub(crate) async fn start_with(exposure: Exposure, adjust: impl FnOnce(&mut Settings)) -> Server {
    let (tokens, fired) = (Tokens::default(), Fired::default());
    let database = Database(Arc::new(AtomicBool::new(true)));
    let readiness = Arc::new(Readiness::new(vec![Box::new(database.clone())]));
    let mut settings = Settings::new(exposure, Origins::new([CONSOLE]));
    settings.init_timeout = Duration::from_mins(1);
    adjust(&mut settings);
    let (ids, loaders) = (AtomicU64::new(1), AtomicUsize::new(0));
    let rates = Arc::new(Rates::new(&settings.rates, || DateTime::UNIX_EPOCH));
    let load = Arc::new(Load::new(&settings.load));
    let shell = Shell {
        load,
        executor: schema::build(exposure, fired.clone()),
        authenticator: tokens.clone(),
        settings,
        rates,
        context: Box::new(move |_actor, _request, data| {
            data.insert(Loader(loaders.fetch_add(1, Ordering::SeqCst)));
        }),
        ids: IdSource::new(move || Uuid::from_u128(ids.fetch_add(1, Ordering::SeqCst).into())),
        readiness: Arc::clone(&readiness),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(Arc::new(shell)).into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Server { address, tokens, database, readiness, fired, task }
}
