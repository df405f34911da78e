//! Builds a projection anew beside the live one, compares both at the same position, and swaps them in one transaction.
//! Readers never see a half-built table; the live one goes on until the swap. The trap: tables that come without their
//! policies; [`schema::create`] makes both forms.

use crate::{
    projection::{Projection, key},
    runner::{self, Pause},
    schema,
};
use rhone_domain::numbers::Fence;
use rhone_eventstore::{
    Log, PgLog, Position,
    checkpoint::{self, Key},
    lease::Leases,
};
use sqlx::{Executor as _, PgConnection, PgPool, Row as _};
use std::time::{Duration, Instant};

/// What came of a rebuild.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// How many events were taken in.
    pub events: u64,
    /// How long it took.
    pub seconds: f64,
    /// Every table with its number of rows.
    pub tables: Vec<(String, i64)>,
}

/// Why nothing was swapped.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// What was built anew is not what is live.
    #[error("table {table}: {live} rows live and {rebuilt} rebuilt, or rows that differ; both are kept")]
    Differs {
        /// Which.
        table: String,
        /// Rows in the live one.
        live: i64,
        /// Rows in the new one.
        rebuilt: i64,
    },
    /// Another process kept the projection.
    #[error("the projection's lease could not be had within a minute")]
    Busy,
    /// It stopped on its way.
    #[error("the rebuild stopped")]
    Stopped(#[from] Pause),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

const LEASE: Duration = Duration::from_secs(30);

/// Rebuilds a projection. `admin` may create schemas; `projector` writes rows.
pub async fn rebuild<P: Projection>(
    admin: &mut PgConnection,
    projector: &PgPool,
    owner: &str,
) -> Result<Rebuilt, RebuildError> {
    let begun = Instant::now();
    let next = format!("{}_next", P::NAME);
    let drop_next = format!("DROP SCHEMA IF EXISTS {next} CASCADE");
    admin.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(drop_next))).await?;
    schema::create::<P>(admin, &next).await?;
    let beside = Key { projection: &next, version: P::VERSION };
    sqlx::query("DELETE FROM log.checkpoints WHERE projection = $1").bind(&next).execute(&mut *admin).await?;

    let log = PgLog::new(projector.clone());
    let mut build = Build::<P> {
        projector,
        log: &log,
        schema: &next,
        key: beside,
        events: 0,
        at: Position::START,
        like: std::marker::PhantomData,
    };
    let mut connection = projector.acquire().await?;
    checkpoint::take(&mut connection, beside, Fence(1)).await.map_err(Pause::from)?;
    drop(connection);
    build.follow(None).await?;

    let leases = Leases::new(projector.clone());
    let lease = runner::lease_name(P::NAME);
    let fence = claim(&leases, &lease, owner).await?;
    let mut connection = projector.acquire().await?;
    let live = checkpoint::take(&mut connection, key::<P>(), fence).await.map_err(Pause::from)?.position;
    drop(connection);
    build.follow(Some(live)).await?;
    let events = build.events;
    let outcome = swap::<P>(admin, &next).await;
    leases.release(&lease, owner, fence).await?;
    Ok(Rebuilt { events, seconds: begun.elapsed().as_secs_f64(), tables: outcome? })
}

struct Build<'a, P> {
    projector: &'a PgPool,
    log: &'a PgLog,
    schema: &'a str,
    key: Key<'a>,
    events: u64,
    at: Position,
    like: std::marker::PhantomData<P>,
}

impl<P: Projection> Build<'_, P> {
    /// Takes in what is there; up to and with `until`, if given.
    async fn follow(&mut self, until: Option<Position>) -> Result<(), RebuildError> {
        loop {
            let mut batch = self.log.read_all(self.at, 2_000).await.map_err(Pause::from)?;
            if let Some(until) = until {
                batch.retain(|event| event.position <= until);
            }
            let Some(last) = batch.last().map(|last| last.position) else { return Ok(()) };
            runner::write::<P>(self.projector, self.schema, self.key, Fence(1), &batch).await?;
            self.events += batch.len() as u64;
            self.at = last;
        }
    }
}

async fn claim(leases: &Leases, lease: &str, owner: &str) -> Result<Fence, RebuildError> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(1) {
        if let Some(fence) = leases.claim(lease, owner, LEASE).await? {
            return Ok(fence);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(RebuildError::Busy)
}

async fn swap<P: Projection>(admin: &mut PgConnection, next: &str) -> Result<Vec<(String, i64)>, RebuildError> {
    let live = contents(admin, P::NAME).await?;
    let rebuilt = contents(admin, next).await?;
    for ((table, rows, sum), (_, new_rows, new_sum)) in live.iter().zip(&rebuilt) {
        if (rows, sum) != (new_rows, new_sum) {
            return Err(RebuildError::Differs { table: table.clone(), live: *rows, rebuilt: *new_rows });
        }
    }
    let name = P::NAME;
    let rename = format!(
        "BEGIN; ALTER SCHEMA {name} RENAME TO {name}_old; ALTER SCHEMA {next} RENAME TO {name};
         DROP SCHEMA {name}_old CASCADE; COMMIT;"
    );
    admin.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(rename))).await?;
    Ok(rebuilt.into_iter().map(|(table, rows, _)| (table, rows)).collect())
}

/// Every table of a schema with its rows counted and summed up, whatever their order.
pub async fn contents(
    admin: &mut PgConnection,
    schema: &str,
) -> Result<Vec<(String, i64, Option<String>)>, sqlx::Error> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY tablename")
            .bind(schema)
            .fetch_all(&mut *admin)
            .await?;
    let mut contents = Vec::with_capacity(tables.len());
    for table in tables {
        let sum = format!(
            "SELECT count(*) AS rows, sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint)::text AS sum
             FROM {schema}.{table} t"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sum)).fetch_one(&mut *admin).await?;
        contents.push((table, row.try_get("rows")?, row.try_get("sum")?));
    }
    Ok(contents)
}
