//! A database per test on a private server, migrated, with the tables of every projection. The server's folder is kept, so
//! that the next run starts faster.

use rhone_migrations::{migrate, set_role_password};
use rhone_projections::{catalogue::Catalogue, deployments::Deployments, schema, timeline::Timeline};
use rhone_providers::servers::{Postgres, ServerError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{sync::OnceCell, time::Instant};

static SERVER: OnceCell<Postgres> = OnceCell::const_new();
static NAMES: AtomicU32 = AtomicU32::new(0);
const PASSWORD: &str = "only-for-tests";

/// A database of its own.
pub(crate) struct Database(String);

impl Database {
    pub(crate) async fn new() -> Self {
        let server = SERVER.get_or_init(server).await;
        let name = format!("p{}", NAMES.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&server.url("postgres")).await.expect("the administrator connects");
        for sql in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("a database of this name");
        }
        let database = Self(server.url(&name));
        migrate(&database.0).await.expect("the migrations");
        // Roles belong to the cluster, and two tests at once would change the same row.
        sqlx::raw_sql("SELECT pg_advisory_lock(8)").execute(&mut admin).await.expect("the lock of roles");
        for role in ["rhone_api", "rhone_worker", "rhone_projector"] {
            set_role_password(&mut admin, role, PASSWORD).await.expect("a role with a password");
        }
        admin.close().await.expect("closes");
        let mut admin = database.admin().await;
        schema::install::<Catalogue>(&mut admin).await.expect("the catalogue");
        schema::install::<Deployments>(&mut admin).await.expect("the deployments");
        schema::install::<Timeline>(&mut admin).await.expect("the timeline");
        database
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.0).await.expect("the administrator connects")
    }

    pub(crate) async fn role(&self, role: &str) -> PgPool {
        self.connections(role, 8).await
    }

    /// So many at most, of this role.
    pub(crate) async fn connections(&self, role: &str, most: u32) -> PgPool {
        let (scheme, rest) = self.0.split_once("://").expect("a URL has a scheme");
        let (_, host) = rest.rsplit_once('@').expect("a URL names its user");
        let url = format!("{scheme}://{role}:{PASSWORD}@{host}");
        rhone_eventstore::postgres::connect(&url, "tests", most).await.expect("the role connects")
    }

    /// Runs statements as the administrator.
    pub(crate) async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.admin().await).await.expect("the statement runs");
    }

    /// Asks for one number as the administrator.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.expect("a number")
    }
}

/// The server of this checkout and user; if another run has it at the moment, the next.
async fn server() -> Postgres {
    let user = env::var("USER").unwrap_or_default();
    for nth in 0..8 {
        let mine = rhone_domain::ids::derived(&[env!("CARGO_MANIFEST_DIR"), &user, &nth.to_string()]);
        let folder = env::temp_dir().join(format!("rhone-projections-{mine}"));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        match Postgres::start_for_test(&folder).await {
            Err(ServerError::Owned { .. }) => {}
            started => return started.expect("a private Postgres"),
        }
    }
    panic!("eight servers of this checkout are in use");
}

/// Waits until it holds; a test that would wait for ever fails instead.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
