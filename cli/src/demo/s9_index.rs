//! Step 9: a promotion and a rollback while an index of three million rows is being built in the same database. Both reach the
//! edge in under a second. The trap avoided: an index that is done before the promotion is; whether it is still being built is
//! asked after the edge has served.

use super::{
    s6_rollback::{let_go, roll_back},
    story::{Done, Lanes, Release, Story},
};
use crate::config::{Database, required, section};
use anyhow::{Context as _, Result, bail};
use rhone_eventstore::postgres::connect;
use sqlx::PgPool;
use std::time::Duration;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

/// What the house promises.
const LIMIT: Duration = Duration::from_secs(1);

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes, releases: [&Release; 2], rows: u32) -> Result<()> {
    story.teller.step(9, "promotion and rollback while an index is being built in the same database");
    let database: Database = section(story.data, "database")?;
    let url = required("database.admin_url", database.admin_url.as_ref())?;
    let pool = connect(url, "rhone demo", 2).await.context("connecting as administrator")?;
    let begun = Instant::now();
    filled(&pool, rows).await.context("filling a table")?;
    story.teller.fact(format_args!("a table of {rows} rows was filled in {} ms", begun.elapsed().as_millis()));
    let told = changed(story, lanes, releases, &pool).await;
    sqlx::query("DROP TABLE IF EXISTS rhone_demo_rows").execute(&pool).await.context("dropping the table")?;
    told
}

async fn changed(story: &mut Story<'_>, lanes: &Lanes, releases: [&Release; 2], pool: &PgPool) -> Result<()> {
    let visitor = story.visitor(&lanes.production)?;
    let now = visitor.version().await.context("nobody answers in production")?;
    let [one, other] = releases;
    let (current, next) = if one.version == now { (one, other) } else { (other, one) };
    let index = building(pool, "CREATE INDEX rhone_demo_first ON rhone_demo_rows (md5(md5(words)))").await?;
    moved(story, lanes, next, Way::Promotion, &index).await?;
    finished(story, index).await?;
    let index = building(pool, "CREATE INDEX rhone_demo_second ON rhone_demo_rows (md5(md5(words)))").await?;
    moved(story, lanes, current, Way::Rollback, &index).await?;
    finished(story, index).await?;
    let_go(story, next, &lanes.production).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Promotion,
    Rollback,
}

async fn moved(story: &mut Story<'_>, lanes: &Lanes, release: &Release, way: Way, index: &Building) -> Result<()> {
    let lane = &lanes.production;
    let epoch = story.epoch(lane).await?;
    let visitor = story.visitor(lane)?;
    let sent = Instant::now();
    let asked = async {
        let payload = match way {
            Way::Promotion => story.promote(release, lane, epoch, None).await?.accepted()?,
            Way::Rollback => roll_back(story, release, lane, epoch, "back, while an index is being built").await?,
        };
        story.carried(&payload, sent).await
    };
    let served = async {
        let at = visitor.wait_for(release.version, Duration::from_mins(1)).await?;
        Ok((at - sent, story.connection.clock().now(), !index.task.is_finished()))
    };
    let (done, (took, at, building)): (Done, _) = tokio::try_join!(asked, served)?;
    story
        .teller
        .holds(building, format_args!("the index was still being built when the edge served {}", release.version))?;
    let committed = done.steps.iter().find(|step| step.stage.as_deref() == Some("ROUTE_CAS"));
    let committed = committed.context("the operation went through route_cas")?.occurred_at;
    let since = (at - committed).to_std().unwrap_or_default();
    let name = if way == Way::Promotion { "promotion" } else { "rollback" };
    story.teller.within(
        LIMIT,
        since,
        format_args!("{name}: from its commit to the edge serving {}", release.version),
    )?;
    story.teller.within(LIMIT, took, format_args!("{name}: from its request to the edge serving {}", release.version))
}

/// An index that is being built.
struct Building {
    begun: Instant,
    task: JoinHandle<Result<Instant, sqlx::Error>>,
}

/// Returns once the server says that it builds.
async fn building(pool: &PgPool, statement: &'static str) -> Result<Building> {
    let begun = Instant::now();
    let on = pool.clone();
    let task = tokio::spawn(async move { sqlx::query(statement).execute(&on).await.map(|_| Instant::now()) });
    loop {
        let (under_way,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()")
                .fetch_one(pool)
                .await
                .context("asking what is being built")?;
        if under_way > 0 {
            return Ok(Building { begun, task });
        }
        if task.is_finished() {
            bail!("the index was built before anybody could look: use more --rows");
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn finished(story: &Story<'_>, index: Building) -> Result<()> {
    let ended = index.task.await.context("building an index")?.context("building an index")?;
    story.teller.fact(format_args!("the index was built in {} ms", (ended - index.begun).as_millis()));
    Ok(())
}

async fn filled(pool: &PgPool, rows: u32) -> Result<(), sqlx::Error> {
    sqlx::query("DROP TABLE IF EXISTS rhone_demo_rows").execute(pool).await?;
    sqlx::query("CREATE TABLE rhone_demo_rows (id bigint NOT NULL, words text NOT NULL)").execute(pool).await?;
    sqlx::query("INSERT INTO rhone_demo_rows SELECT n, md5(n::text) FROM generate_series(1, $1::bigint) AS n")
        .bind(i64::from(rows))
        .execute(pool)
        .await?;
    Ok(())
}
