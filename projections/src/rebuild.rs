//! Builds a projection anew beside the live one, compares both at the same position, and swaps them in one transaction.
//! Readers never see a half-built table; the live one goes on until shortly before the swap. The trap: a lease that runs
//! out unnoticed while somebody else already writes the live rows; the swap holds the live checkpoint locked under our own
//! fence from the comparison to the commit, and whoever has a newer fence makes it fail instead of being lost.

use crate::{
    contents::{self, Rows},
    projection::{Projection, key},
    runner::{self, Pause},
    schema::{self, Form},
};
use rhone_domain::numbers::Fence;
use rhone_eventstore::{
    Log as _, PgLog, Position,
    checkpoint::{self, Key},
    lease::Leases,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};
use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

/// What came of a rebuild.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebuilt {
    /// How many events were taken in.
    pub events: u64,
    /// How long it took.
    pub seconds: f64,
    /// Every table with its number of rows.
    pub tables: Vec<(String, i64)>,
    /// Of which form the live rows were; those of another were not compared.
    pub form: Form,
}

/// Why nothing was swapped.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// What was built anew is not what is live.
    #[error("table {table}: {differing} rows differ, of {live} live and {rebuilt} rebuilt; both are kept")]
    Differs {
        /// Which.
        table: String,
        /// In how many rows; one that is changed is one.
        differing: i64,
        /// Rows in the live one.
        live: i64,
        /// Rows in the new one.
        rebuilt: i64,
    },
    /// It is being rebuilt, or its lease was claimed again and again by others.
    #[error("another process rebuilds or keeps this projection")]
    Busy,
    /// Another process took the live projection over before the swap.
    #[error("another process took the projection over before the swap; nothing was swapped")]
    Lost,
    /// It stopped on its way.
    #[error("the rebuild stopped")]
    Stopped(#[from] Pause),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

const LEASE: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(5);
const BATCH: u32 = 2_000;

/// Rebuilds a projection. `admin` may create schemas and end leases; `projector` writes rows; `owner` names this rebuild.
/// Rows of an older or newer [`Projection::VERSION`] than this program's are replaced without being compared.
pub async fn rebuild<P: Projection>(
    admin: &mut PgConnection,
    projector: &PgPool,
    owner: &str,
) -> Result<Rebuilt, RebuildError> {
    let begun = Instant::now();
    let lock = format!("rebuild:{}", P::NAME);
    let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
        .bind(&lock)
        .fetch_one(&mut *admin)
        .await?;
    if !free {
        return Err(RebuildError::Busy);
    }
    let outcome = all::<P>(admin, projector, owner).await;
    sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))").bind(&lock).execute(admin).await?;
    let (events, tables, form) = outcome?;
    Ok(Rebuilt { events, seconds: begun.elapsed().as_secs_f64(), tables, form })
}

async fn all<P: Projection>(
    admin: &mut PgConnection,
    projector: &PgPool,
    owner: &str,
) -> Result<(u64, Vec<(String, i64)>, Form), RebuildError> {
    let mut beside = Beside::<P>::begin(admin, projector).await?;
    let held = beside.take_over(admin, owner).await?;
    let swapped = held.while_held(async {
        beside.catch_up(&held).await?;
        beside.swap(admin, &held).await
    });
    let swapped = swapped.await;
    held.give_back().await;
    let tables = swapped?;
    drop_schema(admin, &format!("{}_old", P::NAME)).await?;
    Ok((beside.events, tables, beside.form))
}

/// A projection that is built beside the live one. Steps in this order: `begin`, `take_over`, `catch_up`, `swap`.
#[derive(Debug)]
pub struct Beside<P> {
    projector: PgPool,
    log: PgLog,
    schema: String,
    /// Whether the live rows mean the same, and can be compared.
    form: Form,
    at: Position,
    events: u64,
    of: PhantomData<P>,
}

impl<P: Projection> Beside<P> {
    /// Builds it from the log's start to where the live one is, or to the log's end if that has another form. Nobody is
    /// kept from anything meanwhile.
    pub async fn begin(admin: &mut PgConnection, projector: &PgPool) -> Result<Self, RebuildError> {
        let schema = format!("{}_next", P::NAME);
        drop_schema(admin, &schema).await?;
        drop_schema(admin, &format!("{}_old", P::NAME)).await?;
        sqlx::query("DELETE FROM log.checkpoints WHERE projection = $1").bind(&schema).execute(&mut *admin).await?;
        schema::create::<P>(admin, &schema).await?;
        let form = schema::form::<P>(admin).await?;
        let log = PgLog::new(projector.clone());
        let (at, of) = (Position::START, PhantomData);
        let mut beside = Self { projector: projector.clone(), log, schema, form, at, events: 0, of };
        checkpoint::take(&mut *projector.acquire().await?, beside.key(), Fence(1)).await.map_err(Pause::from)?;
        let live = checkpoint::load(&mut *projector.acquire().await?, key::<P>()).await.map_err(Pause::from)?;
        beside.follow(live.map_or(Position::START, |live| live.position)).await?;
        Ok(beside)
    }

    /// Ends the lease of whoever runs the live projection, and takes it and the checkpoint: from here on the live rows
    /// stand still, unless a newer holder comes.
    pub async fn take_over(&self, admin: &mut PgConnection, owner: &str) -> Result<Held, RebuildError> {
        let (leases, name) = (Leases::new(self.projector.clone()), runner::lease_name(P::NAME));
        let fence = seize(admin, &leases, &name, owner).await?;
        let taken = checkpoint::take(&mut *self.projector.acquire().await?, key::<P>(), fence).await;
        let live = taken.map_err(Pause::from)?.position;
        Ok(Held { leases, name, owner: owner.to_owned(), fence, live })
    }

    /// Takes in what the live one has meanwhile taken in.
    pub async fn catch_up(&mut self, held: &Held) -> Result<(), RebuildError> {
        self.follow(held.live).await
    }

    /// Compares and swaps, in one transaction in which the live checkpoint cannot move; every table with its rows. What was
    /// live is left in the schema `…_old`, for a writer that came too late to find out.
    pub async fn swap(&self, admin: &mut PgConnection, held: &Held) -> Result<Vec<(String, i64)>, RebuildError> {
        let mut transaction = admin.begin().await?;
        let (name, next) = (P::NAME, &self.schema);
        stand_still(&mut transaction, key::<P>(), held).await?;
        let rebuilt = contents::of(&mut transaction, next).await?;
        match self.form {
            Form::Same => compare(&mut transaction, name, next, &rebuilt).await?,
            Form::Other { live } => {
                tracing::info!(projection = name, live, now = P::VERSION, "another form: not compared");
            }
        }
        let rename = format!("ALTER SCHEMA {name} RENAME TO {name}_old; ALTER SCHEMA {next} RENAME TO {name};");
        transaction.execute(sqlx::raw_sql(AssertSqlSafe(rename))).await?;
        if self.at > held.live {
            checkpoint::advance(&mut transaction, key::<P>(), held.fence, self.at).await.map_err(Pause::from)?;
        }
        sqlx::query("DELETE FROM log.checkpoints WHERE projection = $1").bind(next).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rebuilt.into_iter().map(|table| (table.table, table.rows)).collect())
    }

    fn key(&self) -> Key<'_> {
        Key { projection: &self.schema, version: P::VERSION }
    }

    /// Takes in what is there: as far as the live one is, or all of it when they are not compared.
    async fn follow(&mut self, live: Position) -> Result<(), RebuildError> {
        loop {
            let mut batch = self.log.read_all(self.at, BATCH).await.map_err(Pause::from)?;
            if self.form == Form::Same {
                batch.retain(|event| event.position <= live);
            }
            let Some(last) = batch.last().map(|last| last.position) else { return Ok(()) };
            runner::write::<P>(&self.projector, &self.schema, self.key(), Fence(1), &batch).await?;
            self.events += batch.len() as u64;
            self.at = last;
        }
    }
}

/// The live projection, held by a rebuild.
#[derive(Debug)]
pub struct Held {
    leases: Leases,
    name: String,
    owner: String,
    fence: Fence,
    live: Position,
}

impl Held {
    /// Does something while the lease is renewed. A lease that is lost stops nothing: the swap finds out.
    async fn while_held<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            match tokio::time::timeout(RENEW, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.renew().await,
            }
        }
    }

    async fn renew(&self) {
        match self.leases.renew(&self.name, &self.owner, self.fence, LEASE).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(lease = self.name, "the lease was lost during a rebuild"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "no renewal during a rebuild"),
        }
    }

    /// Lets others go on; if that fails, they do when it runs out.
    async fn give_back(&self) {
        if let Err(error) = self.leases.release(&self.name, &self.owner, self.fence).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the lease was not given back");
        }
    }
}

/// Ends a lease that another holds, and claims it. Its holder writes nothing more: its fence is the lower one.
async fn seize(admin: &mut PgConnection, leases: &Leases, name: &str, owner: &str) -> Result<Fence, RebuildError> {
    let begun = Instant::now();
    while begun.elapsed() < LEASE {
        sqlx::query("UPDATE log.leases SET until = '-infinity' WHERE name = $1 AND owner <> $2")
            .bind(name)
            .bind(owner)
            .execute(&mut *admin)
            .await?;
        if let Some(fence) = leases.claim(name, owner, LEASE).await? {
            return Ok(fence);
        }
    }
    Err(RebuildError::Busy)
}

/// Locks the live checkpoint until the transaction ends. It is ours and where it was: nobody has written, and whoever
/// comes now waits for it before its first row.
async fn stand_still(transaction: &mut PgConnection, key: Key<'_>, held: &Held) -> Result<(), RebuildError> {
    sqlx::query("SELECT FROM log.checkpoints WHERE projection = $1 AND version = $2 FOR UPDATE")
        .bind(key.projection)
        .bind(key.version)
        .execute(&mut *transaction)
        .await?;
    let now = checkpoint::load(transaction, key).await.map_err(Pause::from)?;
    let ours = now.is_some_and(|now| (now.fence, now.position) == (held.fence, held.live));
    if ours { Ok(()) } else { Err(RebuildError::Lost) }
}

async fn compare(connection: &mut PgConnection, name: &str, next: &str, rebuilt: &[Rows]) -> Result<(), RebuildError> {
    for live in contents::of(&mut *connection, name).await? {
        let anew = rebuilt.iter().find(|anew| anew.table == live.table);
        if anew == Some(&live) {
            continue;
        }
        let differing = match anew {
            Some(_) => contents::differing(connection, [name, next], &live.table).await?,
            None => live.rows,
        };
        let rebuilt = anew.map_or(0, |anew| anew.rows);
        return Err(RebuildError::Differs { table: live.table, differing, live: live.rows, rebuilt });
    }
    Ok(())
}

/// Outside of any transaction: it waits for readers, who must not wait for us.
async fn drop_schema(admin: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
    admin.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.map(|_| ())
}
