//! Step 8, third part: API, worker, runner, NATS and PostgreSQL are dead all at once and nobody starts them again, for `rhone
//! up` itself is held still. Then the app crashes, and comes back. The trap avoided: an `up` that stays held when the story
//! ends in between; it is let go whatever happens.

use super::{
    running::is_alive,
    s8_kills::{PARTS, returned, running},
    story::{Lane, Lanes, Story},
    visitor::Visitor,
};
use crate::{Process, processes::signal};
use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Holds a process still as long as it lives.
struct Held(u32);

impl Held {
    fn still(pid: u32) -> Self {
        signal(pid, Signal::STOP);
        Self(pid)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        signal(self.0, Signal::CONT);
    }
}

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes) -> Result<()> {
    let visitor = story.visitor(&lanes.production)?;
    let version = visitor.version().await.context("nobody answers in production")?;
    let app = app_of(story, &lanes.production).await?;
    visitor.increment().await?;
    let counted = visitor.increment().await?;
    let report = story.report_now()?;
    let held = Held::still(report.up.pid);
    let mut killed = Vec::new();
    for (part, _) in PARTS {
        if report.parts.contains_key(part) {
            let process = running(story, part)?.process;
            signal(process.pid, Signal::KILL);
            killed.push((part, process));
        }
    }
    gone(&killed).await?;
    let names: Vec<&str> = killed.iter().map(|(part, _)| *part).collect();
    story.teller.fact(format_args!("all at once dead, and held so: {}", names.join(", ")));
    signal(app.pid, Signal::KILL);
    let dead = Instant::now();
    story.teller.fact(format_args!("kill -9 {} (the app, which had counted to {counted})", app.pid));
    let count = started_anew(&visitor, counted).await?;
    let took = dead.elapsed().as_millis();
    let alone =
        killed.iter().all(|(_, process)| !is_alive(*process)) && visitor.version().await.as_deref() == Some(&version);
    story.teller.holds(
        alone,
        format_args!("the app was started again, by its gate alone, and counts from {count}: {took} ms"),
    )?;
    drop(held);
    for (part, process) in killed {
        returned(story, part, process).await?;
    }
    story.teller.holds(
        true,
        format_args!("let go, `rhone up` brought everything back within {} ms", dead.elapsed().as_millis()),
    )
}

/// The process of the app that serves this lane, as the runner knows it.
async fn app_of(story: &Story<'_>, lane: &Lane) -> Result<Process> {
    let environment = story.environment(lane).await?;
    let owner = environment["routeOwner"]["deploymentId"].as_str().context("the lane has an owner")?;
    let url = format!("{}/allocations", story.report.facts.urls.runner_admin);
    let views: Value = story.connection.http().get(url).send().await?.json().await.context("asking the runner")?;
    let is = |view: &&Value, name: &str, id: &str| {
        view["desired"][name].as_str().is_some_and(|uuid| id.ends_with(&uuid.replace('-', "")))
    };
    let all = views.as_array().context("the runner lists its allocations")?;
    let found = all.iter().find(|view| {
        is(view, "environment", &lane.environment)
            && is(view, "deployment", owner)
            && view["desired"]["goal"] == "run"
            && view["gate"]["app"].is_object()
    });
    let app = found.context("the runner does not run the owner")?["gate"]["app"].clone();
    serde_json::from_value(app).context("a process has a pid and a start")
}

async fn gone(killed: &[(&str, Process)]) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(5);
    while let Some((part, _)) = killed.iter().find(|(_, process)| is_alive(*process)) {
        if Instant::now() >= until {
            bail!("{part} survived a kill -9");
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The count of an app that has lost its memory: it is another process.
async fn started_anew(visitor: &Visitor, counted: u64) -> Result<u64> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(count) = visitor.increment().await
            && count <= counted
        {
            return Ok(count);
        }
        if Instant::now() >= until {
            bail!("the app did not come back in 30 s");
        }
        sleep(Duration::from_millis(5)).await;
    }
}
