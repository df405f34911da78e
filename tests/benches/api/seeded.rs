//! The platform under load: its own PostgreSQL, its API, the read models, which this process tails. Worker
//! and runner are stopped, so that what is measured is the API.

use crate::{served::Served, stalls::processor_of};
use rhone_eventstore::{Bell, Clock, postgres::connect};
use rhone_projections::{catalogue::Catalogue, deployments::Deployments, runner, timeline::Timeline};
use rhone_tests::{
    database::administrator,
    figure::{Goal, Printer},
    platform::{Platform, Unsupervised},
    seeding::{Scale, sow},
    wait::until,
};
use sqlx::{PgConnection, PgPool};
use std::{
    fs,
    time::{Duration, Instant},
};

/// See the module.
pub(crate) struct Seeded {
    pub(crate) platform: Platform,
    /// Where the API process answers that everything but the loss of one is measured on.
    pub(crate) urls: [String; 1],
    /// Two more of them, behind the edge.
    pub(crate) served: Served,
    paused: Option<Unsupervised>,
}

impl Seeded {
    pub(crate) async fn start(share: f64, print: &Printer) -> Self {
        let platform = Platform::start().await;
        let served = Served::start(&platform).await;
        let paused = platform.unsupervised().await;
        // The edge keeps its routes and the apps run on, as they do whatever else is dead.
        for part in ["work", "runner"] {
            platform.kill(part).await;
        }
        let addresses = platform.addresses().database;
        let workers = connect(&addresses.worker_url, "rhone bench", 8).await.expect("the database answers");
        fill(&workers, share, print).await;
        let projector = connect(&addresses.projector_url, "rhone bench", 8).await.expect("the database answers");
        project(&platform, &projector, print).await;
        let urls = [platform.report().urls.api];
        Self { platform, urls, served, paused: Some(paused) }
    }

    /// Worker and runner come back, and find a platform that nobody has looked after since it was seeded.
    pub(crate) fn look_after(&mut self) {
        self.paused = None;
    }

    /// What the API process holds.
    pub(crate) fn memory(&self, print: &Printer, when: &str) {
        let held = held_by(self.platform.pid("serve"));
        print.figure(&format!("memory of the API process {when}"), held, "MiB", 1, None);
    }

    /// The most that it held since it was last asked.
    pub(crate) fn most_memory(&self, print: &Printer, when: &str) {
        let most = peak_of(self.platform.pid("serve"));
        print.figure(&format!("memory of the API process {when}, the most"), most, "MiB", 1, None);
        self.forget_peak();
    }

    /// From now on its peak is counted anew.
    pub(crate) fn forget_peak(&self) {
        forget_peak_of(self.platform.pid("serve"));
    }

    /// Processor time of the first API process so far.
    pub(crate) fn processor(&self) -> Duration {
        processor(self.platform.pid("serve"))
    }
}

/// The processor time of a process.
pub(crate) fn processor(pid: u32) -> Duration {
    let ticks = processor_of(pid).map_or(0, |(_, ticks)| ticks);
    Duration::from_millis(ticks * 10)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn fill(pool: &PgPool, share: f64, print: &Printer) {
    let sown = sow(pool, Scale::of(share), |_| {}).await.expect("the log takes the seed");
    let size = "seeded: ";
    print.figure(&format!("{size}workspaces"), sown.workspaces as f64, "workspaces", 1, None);
    print.figure(&format!("{size}events"), sown.events as f64, "events", 1, None);
    let rate = sown.events as f64 / sown.took.as_secs_f64();
    let goal = Some(Goal::AtLeast(20_000.0));
    print.figure(&format!("{size}appended through the log's own append"), rate, "events/s", sown.workspaces, goal);
}

/// Tails the log until every read model has all of it, and goes on tailing.
async fn project(platform: &Platform, pool: &PgPool, print: &Printer) {
    let (owner, bell) = ("bench".to_owned(), Bell::default());
    let begun = Instant::now();
    let tail = |name: &str| (pool.clone(), format!("{owner}-{name}"), bell.clone(), Clock::system());
    let (a, b, c) = (tail("a"), tail("b"), tail("c"));
    tokio::spawn(runner::run::<Catalogue>(a.0, a.1, a.2, a.3));
    tokio::spawn(runner::run::<Deployments>(b.0, b.1, b.2, b.3));
    tokio::spawn(runner::run::<Timeline>(c.0, c.1, c.2, c.3));
    let there = "SELECT count(*) FROM log.checkpoints c, (SELECT era, tx, pos FROM log.events
                 ORDER BY era DESC, tx DESC, pos DESC LIMIT 1) AS e
                 WHERE c.projection IN ('catalogue', 'deployments', 'timeline') AND (c.era, c.tx, c.pos) >= (e.era, e.tx, e.pos)";
    until("every read model has all of the log", Duration::from_hours(1), async || {
        let done: i64 = sqlx::query_scalar(there).fetch_one(pool).await.expect("checkpoints can be read");
        (done == 3).then_some(())
    })
    .await;
    let mut database = administrator(platform).await;
    let events: i64 =
        sqlx::query_scalar("SELECT count(*) FROM log.events").fetch_one(&mut database).await.expect("a count");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = events as f64 / begun.elapsed().as_secs_f64();
    print.figure("seeded: projected into every read model", rate, "events/s", 1, None);
    for (name, kind) in [("apps", "app"), ("deployments", "deployment")] {
        let many = "SELECT count(*) FROM log.heads WHERE split_part(stream, ':', 1) = $1 AND version > 0";
        let many: i64 = sqlx::query_scalar(many).bind(kind).fetch_one(&mut database).await.expect("a count");
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        print.figure(&format!("seeded: {name}"), many as f64, name, 1, None);
    }
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut database).await.expect("statistics are made");
    rest(&mut database, print).await;
}

/// What the seed left unwritten, by PostgreSQL or by the kernel, would be written while requests are measured, which then wait
/// for the disk.
async fn rest(database: &mut PgConnection, print: &Printer) {
    let begun = Instant::now();
    sqlx::raw_sql("CHECKPOINT").execute(&mut *database).await.expect("all of it is written");
    tokio::task::spawn_blocking(rustix::fs::sync).await.expect("the kernel writes");
    print.figure("seeded: until all of it is on the disk", begun.elapsed().as_secs_f64(), "s", 1, None);
}

/// MiB that a process holds now.
pub(crate) fn held_by(pid: u32) -> f64 {
    status(pid, "VmRSS:")
}

/// The most that it held since [`forget_peak_of`].
pub(crate) fn peak_of(pid: u32) -> f64 {
    status(pid, "VmHWM:")
}

/// From now on a process's peak is counted anew.
pub(crate) fn forget_peak_of(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("its owner may forget a process's peak");
}

/// MiB, as the kernel says them under a name.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn status(pid: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib: u64 = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kib as f64 / 1_024.0
}
