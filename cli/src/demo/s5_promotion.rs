//! Step 5: promotion to production by compare-and-swap. Repeated under its key it is the same answer; with a stale epoch it is
//! refused, and the refusal is in the timeline. Then the second version follows.

use super::{
    s2_deployment,
    story::{Lane, Lanes, Release, Story},
};
use crate::client::timeline;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes, blue: &Release) -> Result<Release> {
    story.teller.step(5, "promotion to production, with the epoch it was decided on");
    let lane = &lanes.production;
    let epoch = story.epoch(lane).await?;
    let key: Uuid = story.connection.clock().new_id();
    let key = key.to_string();
    promoted(story, blue, lane, epoch, Some(&key)).await?;
    again(story, blue, lane, epoch, &key).await?;
    let green = s2_deployment::deployed(story, "green", &lanes.preview).await?;
    stale(story, lanes, &green, epoch).await?;
    promoted(story, &green, lane, epoch + 1, None).await?;
    Ok(green)
}

/// Promotes, follows, and looks who answers.
pub(super) async fn promoted(
    story: &mut Story<'_>,
    release: &Release,
    lane: &Lane,
    epoch: u64,
    key: Option<&str>,
) -> Result<()> {
    let sent = Instant::now();
    let payload = story.promote(release, lane, epoch, key).await?.accepted()?;
    story.teller.fact(format_args!(
        "promotion {} of {} at epoch {epoch}",
        payload.operation().unwrap_or("-"),
        release.version
    ));
    let done = story.carried(&payload, sent).await?;
    for answer in done.operation["edges"].as_array().into_iter().flatten() {
        story.teller.fact(format_args!(
            "edge {} at feed position {} answered with {}",
            answer["edge"], answer["appliedSeq"], answer["digest"]
        ));
    }
    let proven = done.operation["healthyDigest"] == json!(release.digest)
        && done.operation["edges"].as_array().is_some_and(|edges| !edges.is_empty());
    let took = sent.elapsed().as_millis();
    story.teller.holds(
        proven,
        format_args!(
            "healthy: every live edge answered with the bytes that the runner verified, {took} ms after the request"
        ),
    )?;
    let risen = story.epoch(lane).await? == epoch + 1;
    story.teller.holds(risen, format_args!("the epoch went from {epoch} to {}", epoch + 1))?;
    let serves = story.visitor(lane)?.version().await;
    story.teller.holds(
        serves.as_deref() == Some(release.version),
        format_args!("{} is answered by {}", lane.host, release.version),
    )
}

async fn again(story: &mut Story<'_>, release: &Release, lane: &Lane, epoch: u64, key: &str) -> Result<()> {
    let first = story.promote(release, lane, epoch, Some(key)).await?.accepted()?;
    let second = story.promote(release, lane, epoch, Some(key)).await?.accepted()?;
    let same = first.is_replayed()
        && second.is_replayed()
        && first.operation().is_some()
        && first.operation() == second.operation();
    let operation = first.operation().unwrap_or("-");
    story.teller.holds(same, format_args!("the same idempotency key gives the same answer: {operation}, replayed"))
}

async fn stale(story: &mut Story<'_>, lanes: &Lanes, release: &Release, expected: u64) -> Result<()> {
    let payload = story.promote(release, &lanes.production, expected, None).await?;
    let refusal = payload.refusal().context("a promotion with a stale epoch was accepted")?;
    let told = refusal.code == "STALE_EPOCH" && refusal.expected != refusal.actual && refusal.actual.is_some();
    story.teller.holds(told, format_args!("with the stale epoch it is refused: {refusal}"))?;
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let entries = timeline(&story.connection, &lanes.app, Some(&lanes.production.environment), None).await?;
        let recorded = |entry: &&Value| {
            entry["type"] == "refusal.recorded" && entry["payload"].to_string().contains("STALE_EPOCH")
        };
        if let Some(entry) = entries.iter().find(recorded) {
            let sentence = entry["summary"].as_str().unwrap_or_default();
            return story.teller.holds(true, format_args!("the refusal is in the timeline: {sentence}"));
        }
        if Instant::now() >= until {
            return story.teller.holds(false, "the refusal is in the timeline");
        }
        sleep(Duration::from_millis(50)).await;
    }
}
