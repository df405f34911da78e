//! PostgreSQL's part of a backup: `pg_dump` of one snapshot, which is counted in the same breath, and `pg_restore` into a
//! database that is empty. The trap avoided: a password among the arguments of a process; it goes by the environment, which
//! only its owner reads.

use super::facts::{self, LogFacts};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use rhone_domain::{digest::Digest, ids::EnvironmentId, numbers::Epoch};
use rhone_providers::servers::postgres_client;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use tokio::process::Command;

/// What a dump holds.
pub(super) struct Snapshot {
    pub(super) migration: i64,
    pub(super) administrator: String,
    pub(super) log: LogFacts,
    pub(super) epochs: BTreeMap<EnvironmentId, Epoch>,
    /// Every artifact that was ever registered.
    pub(super) registered: BTreeSet<Digest>,
}

/// Dumps the database into a file that only its owner reads, and says what is in it.
pub(super) async fn dump(admin_url: &str, path: &Path) -> Result<Snapshot> {
    let mut admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    // The dump takes as long as it takes; a reader holds nobody back.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";
    sqlx::raw_sql(begin).execute(&mut admin).await.context("opening a snapshot")?;
    let name: String = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut admin).await?;
    let doing = || format!("writing {}", path.display());
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).with_context(doing)?;
    let mut program = client("pg_dump", admin_url)?;
    program.args(["--format=custom", "--compress=6"]).arg(format!("--snapshot={name}"));
    program.stdout(file.try_clone().with_context(doing)?);
    run("pg_dump", program).await?;
    file.sync_all().with_context(doing)?;
    let snapshot = read(&mut admin).await?;
    admin.close().await?;
    Ok(snapshot)
}

async fn read(admin: &mut PgConnection) -> Result<Snapshot> {
    let migration = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let migration: Option<i64> = sqlx::query_scalar(migration).fetch_one(&mut *admin).await?;
    let administrator: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut *admin).await?;
    let registered = "SELECT DISTINCT payload->>'digest' FROM log.events WHERE event_type = 'artifact.registered'";
    let registered: Vec<String> = sqlx::query_scalar(registered).fetch_all(&mut *admin).await?;
    Ok(Snapshot {
        migration: migration.context("the database was never migrated")?,
        administrator,
        log: facts::read(&mut *admin).await?,
        epochs: epochs(admin).await?,
        registered: registered.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
    })
}

/// The epoch of every route.
pub(super) async fn epochs(admin: &mut PgConnection) -> Result<BTreeMap<EnvironmentId, Epoch>> {
    let rows = sqlx::query("SELECT environment, epoch FROM authority.route_owners").fetch_all(admin).await?;
    let read = |row: &sqlx::postgres::PgRow| {
        let epoch = u64::try_from(row.try_get::<i64, _>("epoch")?)?;
        Ok((EnvironmentId(row.try_get("environment")?), Epoch(epoch)))
    };
    rows.iter().map(read).collect()
}

/// Restores a dump into a database in which nothing is.
pub(super) async fn restore(dump: &Path, admin_url: &str, administrator: &str) -> Result<()> {
    let mut admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    refuse_unless_empty(&mut admin).await?;
    sqlx::raw_sql(rhone_migrations::ROLES).execute(&mut admin).await.context("making the programs' roles")?;
    let mut program = client("pg_restore", admin_url)?;
    let database = connected(admin_url)?.path().trim_start_matches('/').to_owned();
    program.args(["--exit-on-error", "--single-transaction"]).arg(format!("--dbname={database}")).arg(dump);
    let guest = Guest::admit(&mut admin, administrator).await?;
    let restored = run("pg_restore", program).await;
    // After a failure, too: the next try would take the guest for somebody who was always there, and leave it what it owns.
    let left = guest.leave(&mut admin).await;
    restored.and(left)?;
    Ok(admin.close().await?)
}

async fn refuse_unless_empty(admin: &mut PgConnection) -> Result<()> {
    let count = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";
    let there: i64 = sqlx::query_scalar(count).fetch_one(&mut *admin).await.context("looking into the database")?;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(admin).await?;
    ensure!(there == 0, "the database {name} is not empty: it has {there} tables and indexes; name an empty one");
    Ok(())
}

/// The administrator that a dump names, where another one restores it: a role without rights that is gone afterwards.
struct Guest(Option<String>);

impl Guest {
    async fn admit(admin: &mut PgConnection, name: &str) -> Result<Self> {
        let known = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
        if sqlx::query_scalar(known).bind(name).fetch_one(&mut *admin).await? {
            return Ok(Self(None));
        }
        let quoted: String = sqlx::query_scalar("SELECT quote_ident($1)").bind(name).fetch_one(&mut *admin).await?;
        let make = format!("CREATE ROLE {quoted} NOLOGIN");
        sqlx::raw_sql(AssertSqlSafe(make)).execute(admin).await.context("admitting the former administrator")?;
        Ok(Self(Some(quoted)))
    }

    async fn leave(self, admin: &mut PgConnection) -> Result<()> {
        let Some(name) = self.0 else { return Ok(()) };
        let leave = format!("REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}");
        sqlx::raw_sql(AssertSqlSafe(leave))
            .execute(admin)
            .await
            .context("taking over from the former administrator")?;
        Ok(())
    }
}

/// The parser's error might quote the URL.
fn connected(admin_url: &str) -> Result<Url> {
    Url::parse(admin_url).map_err(|_| anyhow!("the database URL is `postgres://user:password@host:port/database`"))
}

/// A client program that reaches the database, without a secret among its arguments.
fn client(name: &str, admin_url: &str) -> Result<Command> {
    let url = connected(admin_url)?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut program = Command::new(postgres_client(name)?);
    program.env("PGHOST", url.host_str().unwrap_or("127.0.0.1"));
    program.env("PGPORT", url.port().unwrap_or(5432).to_string());
    program.env("PGUSER", decoded(url.username())).env("PGDATABASE", decoded(url.path().trim_start_matches('/')));
    if let Some(password) = url.password() {
        program.env("PGPASSWORD", decoded(password));
    }
    for (key, value) in url.query_pairs().filter(|(key, _)| key.starts_with("ssl")) {
        program.env(format!("PG{}", key.to_uppercase()), value.as_ref());
    }
    program.kill_on_drop(true);
    Ok(program)
}

async fn run(name: &str, mut program: Command) -> Result<()> {
    program.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let output = program.spawn().with_context(|| format!("starting {name}"))?.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let told = said.lines().rev().find(|line| line.contains("error:")).or(said.lines().last()).unwrap_or("nothing");
    bail!("{name} failed: {told}")
}

#[cfg(test)]
mod tests {
    //! What a client program is told.
    use super::*;

    #[test]
    fn a_password_is_in_no_argument() {
        if postgres_client("pg_dump").is_err() {
            eprintln!("SKIPPED: there is no pg_dump");
            return;
        }
        let program =
            client("pg_dump", "postgres://us%65r:s%40cret@db.test:5433/rhone?sslmode=require").expect("a URL");
        let program = program.as_std();
        let told: BTreeMap<String, String> = program
            .get_envs()
            .filter_map(|(key, value)| Some((key.to_str()?.to_owned(), value?.to_str()?.to_owned())))
            .collect();
        let expected = [
            ("PGHOST", "db.test"),
            ("PGPORT", "5433"),
            ("PGUSER", "user"),
            ("PGPASSWORD", "s@cret"),
            ("PGDATABASE", "rhone"),
            ("PGSSLMODE", "require"),
        ];
        for (key, value) in expected {
            assert_eq!(told.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert_eq!(program.get_args().count(), 0);
    }

    #[test]
    fn an_unusable_url_is_not_quoted() {
        assert!(!connected("s3cret").expect_err("it is none").to_string().contains("s3cret"));
    }
}
