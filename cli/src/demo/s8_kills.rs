//! Step 8, first part: kill -9 of API, worker, runner, NATS and PostgreSQL in turn, each with a promotion under way and a
//! hundred sockets open. Nothing of the app notices, and every operation is adopted and ends.

use super::{
    crowd::Crowd,
    s7_timeline,
    story::{Lanes, PATIENCE, Release, Story},
};
use crate::{
    PartReport, Process,
    client::{
        mutation::{FREEZE, UNFREEZE},
        timeline,
    },
    log_commands,
    processes::signal,
};
use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{process::ExitCode, time::Duration};
use tokio::time::{Instant, sleep};

/// In this order, with the names people use.
pub(super) const PARTS: [(&str, &str); 5] = [
    ("serve", "the API"),
    ("work", "the worker"),
    ("runner", "the runner"),
    ("nats", "NATS"),
    ("postgres", "PostgreSQL"),
];

pub(super) async fn tell(
    story: &mut Story<'_>,
    lanes: &Lanes,
    releases: [&Release; 2],
    crowd: &mut Crowd,
) -> Result<()> {
    story.teller.step(8, "kill -9 of everything, in turn, with 100 WebSockets open");
    let open = crowd.answering("before the first kill").await?;
    story.teller.holds(open == super::crowd::SIZE, format_args!("{open} sockets of the app are open and answer"))?;
    let mut ended = Vec::new();
    for (index, (part, called)) in PARTS.into_iter().enumerate() {
        if story.report_now()?.parts.contains_key(part) {
            ended.push(killed(story, lanes, releases[index % 2], (part, called), crowd).await?);
        } else {
            story.teller.fact(format_args!("{called} is not ours to kill: it was given to `rhone up`"));
        }
    }
    let position = marked(story, lanes).await?;
    let entries = timeline(&story.connection, &lanes.app, None, Some(&position)).await?;
    s7_timeline::whole(story, &entries)?;
    let versions = s7_timeline::versions(&entries);
    let told = |operation: &Value| {
        let id = operation["id"].as_str().and_then(|id| id.strip_prefix("op_")).unwrap_or_default();
        let of_it =
            |stream: &&String| stream.strip_prefix("operation:").is_some_and(|uuid| uuid.replace('-', "") == id);
        versions.keys().find(of_it).map(|stream| versions[stream].len() as u64) == operation["version"].as_u64()
    };
    let all = ended.iter().all(told);
    story
        .teller
        .holds(all, format_args!("the timeline has every step of these {} promotions, each once", ended.len()))?;
    let verified = log_commands::verify(story.data, None, false).await?;
    story.teller.holds(verified == ExitCode::SUCCESS, "every hash and version of the whole log is as it should be")
}

async fn killed(
    story: &mut Story<'_>,
    lanes: &Lanes,
    release: &Release,
    (part, called): (&str, &str),
    crowd: &mut Crowd,
) -> Result<Value> {
    let lane = &lanes.production;
    let epoch = story.epoch(lane).await?;
    let before = running(story, part)?;
    let sent = Instant::now();
    let payload = story.promote(release, lane, epoch, None).await?.accepted()?;
    signal(before.process.pid, Signal::KILL);
    let dead = Instant::now();
    story.teller.fact(format_args!(
        "kill -9 {} ({called}), {} ms after a promotion was sent",
        before.process.pid,
        sent.elapsed().as_millis()
    ));
    let back = async {
        let after = returned(story, part, before.process).await?;
        Ok((after.process.pid, dead.elapsed().as_millis()))
    };
    let (done, (pid, took)) = tokio::try_join!(story.carried(&payload, sent), back)?;
    let ended = done.operation["stage"] == "HEALTHY";
    let id = payload.operation().unwrap_or("-");
    let since = sent.elapsed().as_millis();
    story.teller.fact(format_args!("{called} answered again after {took} ms, as process {pid}"));
    story.teller.holds(ended, format_args!("the promotion {id} ended as HEALTHY, {since} ms after it was sent"))?;
    let open = crowd.answering(part).await?;
    story
        .teller
        .holds(open == super::crowd::SIZE, format_args!("{open} sockets are open and answer; none was closed"))?;
    let serves = story.visitor(lane)?.version().await;
    let meets = serves.as_deref() == Some(release.version);
    story.teller.holds(meets, format_args!("new visitors meet {}", release.version))?;
    Ok(done.operation)
}

/// A change of no consequence: where the log stands after it, it has everything that was before.
async fn marked(story: &Story<'_>, lanes: &Lanes) -> Result<String> {
    let input = json!({ "environmentId": lanes.preview.environment, "reason": "a mark in the log" });
    story.change(&FREEZE, input.clone()).await?;
    let payload = story.change(&UNFREEZE, input).await?;
    Ok(payload.position().context("a change has a position")?.to_owned())
}

/// A part as it runs now.
pub(super) fn running(story: &Story<'_>, part: &str) -> Result<PartReport> {
    story.report_now()?.parts.get(part).copied().with_context(|| format!("{part} does not run"))
}

/// The part in its next life, once it answers.
pub(super) async fn returned(story: &Story<'_>, part: &str, before: Process) -> Result<PartReport> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(now) = running(story, part)
            && now.process != before
            && answers(story, part).await
        {
            return Ok(now);
        }
        if Instant::now() >= until {
            bail!("{part} did not come back in {} s", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn answers(story: &Story<'_>, part: &str) -> bool {
    let urls = &story.report.facts.urls;
    let url = match part {
        "work" => &urls.work_admin,
        "runner" => &urls.runner_admin,
        // Without database or NATS the API would not say that it is ready.
        _ => &urls.api,
    };
    let asked = story.connection.http().get(format!("{url}/readyz")).send().await;
    asked.is_ok_and(|answer| answer.status().is_success())
}
