//! A platform full of workspaces that have lived: each with apps, environments, deployments, promotions and a rollback, all
//! decided by the real rules and written through the log's own append, one workspace per append. The same number is the
//! same workspace, so seeding again goes on where it was left. The trap avoided: rows made up for a benchmark, which no
//! rule ever judged and no projection would make.

mod gathered;
mod life;
mod places;
mod promotion;

use futures_util::{StreamExt as _, stream};
use life::Life;
pub use places::Places;
use rhone_eventstore::{AppendError, Log as _, PgLog};
use sqlx::PgPool;
use std::time::{Duration, Instant};

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// How many workspaces.
    pub workspaces: u32,
    /// Apps in each.
    pub apps: u32,
    /// Deployments of each app.
    pub deployments: u32,
}

impl Scale {
    /// A share of the whole: 10,000 workspaces with 5 apps of 10 deployments each.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 100 of 10,000")]
    pub fn of(share: f64) -> Self {
        let workspaces = (10_000.0 * share.clamp(0.0, 100.0)).ceil() as u32;
        Self { workspaces: workspaces.max(1), apps: 5, deployments: 10 }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sown {
    /// Events that were appended.
    pub events: usize,
    /// Workspaces that were appended.
    pub workspaces: usize,
    /// Workspaces that were there before.
    pub present: usize,
    /// How long it took.
    pub took: Duration,
}

/// How many appends are on their way at a time.
const WRITERS: usize = 4;

/// Seeds a platform, as role `rhone_worker`; `said` hears of the progress.
pub async fn sow(pool: &PgPool, scale: Scale, said: impl Fn(&Sown)) -> Result<Sown, AppendError> {
    let log = PgLog::new(pool.clone());
    let places = Places::open(&log).await?;
    let begun = Instant::now();
    let lives = stream::iter(0..scale.workspaces).map(|n| {
        let log = log.clone();
        tokio::spawn(async move { append(&log, places, n, scale).await })
    });
    let mut lives = lives.buffer_unordered(WRITERS);
    let mut sown = Sown::default();
    while let Some(lived) = lives.next().await {
        match lived.expect("a life does not panic")? {
            Some(events) => {
                sown.events += events;
                sown.workspaces += 1;
            }
            None => sown.present += 1,
        }
        sown.took = begun.elapsed();
        said(&sown);
    }
    Ok(sown)
}

/// How many events it took; none when this workspace is there already.
async fn append(log: &PgLog, places: Places, n: u32, scale: Scale) -> Result<Option<usize>, AppendError> {
    let append = Life::begin(places, n).live(scale);
    let events = append.writes.iter().map(|write| write.events.len()).sum();
    match log.append(append).await {
        Ok(_) => Ok(Some(events)),
        Err(AppendError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
