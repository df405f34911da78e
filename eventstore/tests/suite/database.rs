//! A database per test: a copy of one that was migrated once. The server is `DATABASE_URL`'s (a superuser's, for trials by
//! hand) or a private one, kept in a folder of its own and used again by the next run.

use rhone_eventstore::{PgLog, postgres};
use rhone_migrations::{close_database, migrate, set_role_password};
use rhone_providers::servers::{Postgres, ServerError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use std::{
    env,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{sync::OnceCell, time::Instant};

static SERVER: OnceCell<Server> = OnceCell::const_new();
static NAMES: AtomicU32 = AtomicU32::new(0);

pub(crate) const API: &str = "rhone_api";
pub(crate) const WORKER: &str = "rhone_worker";
pub(crate) const PROJECTOR: &str = "rhone_projector";
const PASSWORD: &str = "only-for-tests";

struct Server {
    /// A superuser's URL without the database.
    base: String,
    template: String,
    /// Ends with this process.
    _kept: Option<Postgres>,
}

/// A database of its own.
pub(crate) struct Database {
    base: String,
    name: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = SERVER.get_or_init(Server::start).await;
        let name = format!("{}_{}", server.template, NAMES.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} TEMPLATE {}", server.template);
        // Copies of one template exclude each other for a moment.
        let mut admin = connection(&format!("{}/postgres", server.base)).await;
        sqlx::raw_sql("SELECT pg_advisory_lock(7)").execute(&mut admin).await.expect("the lock of copies");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("a copy of the template");
        admin.close().await.expect("closes");
        let database = Self { base: server.base.clone(), name };
        database.close().await;
        database
    }

    /// An empty database beside it.
    pub(crate) async fn sibling(&self, suffix: &str) -> Self {
        let name = format!("{}_{suffix}", self.name);
        self.run(format!("CREATE DATABASE {name}")).await;
        Self { base: self.base.clone(), name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A database on another server, already made and migrated or restored.
    pub(crate) fn on(server: &Postgres, name: &str) -> Self {
        Self { base: base_of(&server.url("postgres")), name: name.into() }
    }

    /// Takes the rights on the database itself away, which no template and no dump carries.
    pub(crate) async fn close(&self) {
        close_database(&mut self.admin().await).await.expect("the database is closed to the public");
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.base, self.name)
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        connection(&self.url()).await
    }

    pub(crate) async fn admin_pool(&self) -> PgPool {
        postgres::connect(&self.url(), "tests", 4).await.expect("the administrator connects")
    }

    /// A URL to log in as one of the roles.
    pub(crate) fn role_url(&self, role: &str) -> String {
        let (scheme, rest) = self.base.split_once("://").expect("a URL has a scheme");
        let (_, host) = rest.rsplit_once('@').expect("a URL names its user");
        format!("{scheme}://{role}:{PASSWORD}@{host}/{}", self.name)
    }

    pub(crate) async fn role(&self, role: &str, most: u32) -> PgPool {
        postgres::connect(&self.role_url(role), "tests", most).await.expect("the role connects")
    }

    pub(crate) async fn log(&self) -> PgLog {
        PgLog::new(self.role(WORKER, 12).await)
    }

    /// Runs statements as the administrator.
    pub(crate) async fn run(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.admin().await).await.expect("the statement runs");
    }

    /// Asks for one number as the administrator.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.expect("a number")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Before a private server ends with us it would keep some 8 MB for each.
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let url = format!("{}/postgres", self.base);
        let _ = Command::new("psql").args(["-Xqc", &drop, &url]).stderr(Stdio::null()).status();
    }
}

impl Server {
    async fn start() -> Self {
        let (base, kept) = match env::var("DATABASE_URL") {
            Ok(url) => (base_of(&url), None),
            Err(_) => {
                let server = private_server().await;
                (base_of(&server.url("postgres")), Some(server))
            }
        };
        let mut admin = connection(&format!("{base}/postgres")).await;
        if kept.is_some() {
            forget_earlier_runs(&mut admin).await;
        }
        let template = format!("t{}", process::id());
        let sql = format!("CREATE DATABASE {template}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("the template");
        migrate(&format!("{base}/{template}")).await.expect("the migrations");
        allow_roles(&mut admin).await;
        admin.close().await.expect("closes");
        Self { base, template, _kept: kept }
    }
}

/// The server of this checkout and user; if another run has it at the moment, the next.
async fn private_server() -> Postgres {
    let user = env::var("USER").unwrap_or_default();
    for nth in 0..8 {
        let mine = rhone_domain::ids::derived(&[env!("CARGO_MANIFEST_DIR"), &user, &nth.to_string()]);
        let folder = env::temp_dir().join(format!("rhone-eventstore-{mine}"));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        match Postgres::start_for_test(&folder).await {
            Err(ServerError::Owned { .. }) => {}
            started => return started.expect("a private Postgres"),
        }
    }
    panic!("eight servers of this checkout are in use");
}

/// Lets the programs' roles log in.
pub(crate) async fn allow_roles(admin: &mut PgConnection) {
    for role in [API, WORKER, PROJECTOR] {
        set_role_password(admin, role, PASSWORD).await.expect("a role with a password");
    }
}

async fn forget_earlier_runs(admin: &mut PgConnection) {
    let names: Vec<String> = sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname ~ '^t[0-9]+'")
        .fetch_all(&mut *admin)
        .await
        .expect("the databases");
    for name in names {
        let sql = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *admin).await.expect("an earlier run's database goes");
    }
}

async fn connection(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the administrator connects")
}

fn base_of(url: &str) -> String {
    url.rsplit_once('/').expect("a URL names its database").0.to_owned()
}

/// Waits until it holds; a test that would wait for ever fails instead.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
