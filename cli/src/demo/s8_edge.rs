//! Step 8, second part: kill -9 of the edge. Its sockets are lost, as they must be, and counted; it serves again from its own
//! disk, in under a second.

use super::{
    crowd::{Crowd, SIZE},
    s8_kills::running,
    story::{Lanes, Story},
};
use crate::processes::signal;
use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes, crowd: Crowd) -> Result<()> {
    let visitor = story.visitor(&lanes.production)?;
    let version = visitor.version().await.context("nobody answers in production")?;
    let before = lost(story).await?;
    let part = running(story, "edge-1")?;
    signal(part.process.pid, Signal::KILL);
    let dead = Instant::now();
    story.teller.fact(format_args!("kill -9 {} (the edge)", part.process.pid));
    let until = dead + Duration::from_secs(30);
    while visitor.version().await.as_deref() != Some(&version) {
        if Instant::now() >= until {
            bail!("the edge does not serve {version} after 30 s");
        }
        sleep(Duration::from_millis(2)).await;
    }
    story.teller.within(Duration::from_secs(1), dead.elapsed(), "the edge serves again, from its own disk")?;
    drop(crowd);
    let after = lost(story).await?;
    story.teller.holds(
        after >= before + SIZE as u64,
        format_args!("its lost sockets are counted: {before} before, {after} now"),
    )
}

/// The edge's own count.
async fn lost(story: &Story<'_>) -> Result<u64> {
    let url = story.report.facts.urls.edge_admins.first().context("`rhone up` runs no edge")?;
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        if let Ok(answer) = story.connection.http().get(format!("{url}/table")).send().await
            && let Ok(table) = answer.json::<Value>().await
        {
            return table["lost_sessions"].as_u64().context("the edge counts its lost sockets");
        }
        if Instant::now() >= until {
            bail!("the edge says nothing of itself");
        }
        sleep(Duration::from_millis(20)).await;
    }
}
