//! A worker with servers of its own.

use async_nats::{Client, ConnectOptions, ServerAddr};
use ed25519_dalek::SigningKey;
use rhone_eventstore::{
    Bell, Clock,
    postgres::connect,
    vault::{KeyFile, KeyRing, Vault},
};
use rhone_migrations::{migrate, set_role_password};
use rhone_projections::{catalogue::Catalogue, deployments::Deployments, schema, timeline::Timeline};
use rhone_providers::{
    artifact_store::ArtifactStore,
    probe::{Ground, Reach},
    servers::{Nats, Postgres},
};
use rhone_workers::{Config, LogRetention};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};

const PASSWORD: &str = "only-for-tests";

/// A worker's surroundings; they end with it.
pub(crate) struct World {
    pub(crate) config: Config,
    url: String,
    postgres: Postgres,
    nats: Nats,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (postgres_folder, nats_folder) = (folder.path().join("postgres"), folder.path().join("nats"));
        for folder in [&postgres_folder, &nats_folder] {
            std::fs::create_dir_all(folder).expect("a folder for a server");
        }
        let postgres = Postgres::start_for_test(&postgres_folder).await.expect("a private Postgres");
        let nats = Nats::start_for_test(&nats_folder).await.expect("a private NATS");
        let url = postgres.url("postgres");
        migrate(&url).await.expect("the migrations");
        let mut admin = PgConnection::connect(&url).await.expect("the administrator connects");
        for role in ["rhone_worker", "rhone_projector"] {
            set_role_password(&mut admin, role, PASSWORD).await.expect("a role with a password");
        }
        schema::install::<Catalogue>(&mut admin).await.expect("the catalogue");
        schema::install::<Deployments>(&mut admin).await.expect("the deployments");
        schema::install::<Timeline>(&mut admin).await.expect("the timeline");
        let (bell, clock) = (Bell::default(), Clock::system());
        let config = Config {
            pool: role(&url, "rhone_worker").await,
            projector: role(&url, "rhone_projector").await,
            wake: Arc::new(bell.clone()),
            bell,
            feed_key: Arc::new(SigningKey::from_bytes(&[7; 32])),
            nats: Some(bus(&nats).await),
            vault: Vault::new(KeyRing::open(|| Ok(KeyFile::first("tests", [7; 32]))).expect("a key")),
            artifacts: ArtifactStore::local(&folder.path().join("artifacts")).expect("a store"),
            builds: None,
            log_retention: LogRetention { age: Duration::from_hours(24), bytes: 4_000 },
            ground: Ground { reach: Reach::Local, ..Ground::default() },
            begun: std::time::Instant::now(),
            actor: clock.new_id(),
            clock,
        };
        Self { config, url, postgres, nats, folder }
    }

    /// Starts a worker.
    pub(crate) fn work(&self) -> JoinHandle<()> {
        let config = self.config.clone();
        tokio::spawn(async move { rhone_workers::run(config, std::future::pending()).await.expect("works") })
    }

    /// Runs statements as the administrator.
    pub(crate) async fn run(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.admin().await).await.expect("the statement runs");
    }

    /// The same, as a list.
    pub(crate) async fn numbers(&self, sql: &'static str) -> Vec<i64> {
        sqlx::query_scalar(sql).fetch_all(&mut self.admin().await).await.expect("numbers")
    }

    /// Asks for one number as the administrator.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.expect("a number")
    }

    /// Where everything lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the administrator connects")
    }

    /// Ends the servers in order.
    pub(crate) async fn end(self) {
        self.nats.stop().await;
        self.postgres.stop().await;
    }
}

async fn bus(nats: &Nats) -> Client {
    let address: ServerAddr = nats.url().parse().expect("a URL");
    let (Some(user), Some(password)) = (address.username(), address.password()) else { panic!("it names its user") };
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    options.connect(address).await.expect("the bus takes connections")
}

async fn role(url: &str, role: &str) -> PgPool {
    let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
    let (_, host) = rest.rsplit_once('@').expect("a URL names its user");
    connect(&format!("{scheme}://{role}:{PASSWORD}@{host}"), "tests", 12).await.expect("the role connects")
}

/// Waits until it holds; a test that would wait for ever fails instead.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
