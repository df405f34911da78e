//! Step 6: rollback with a reason. The earlier digest serves, the epoch rises, the environment is pinned, the digest it left is
//! quarantined; promotion is refused until the pin is released and the quarantine lifted.

use super::story::{Lane, Lanes, Release, Story};
use crate::client::{
    Payload,
    mutation::{PIN_RELEASE, QUARANTINE_LIFT, ROLL_BACK},
};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Tells it, and says where the log stands after it.
pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes, blue: &Release, green: &Release) -> Result<String> {
    story.teller.step(6, "rollback with a reason");
    let lane = &lanes.production;
    let epoch = story.epoch(lane).await?;
    let sent = Instant::now();
    let payload = roll_back(story, blue, lane, epoch, "the green one miscounts").await?;
    let done = story.carried(&payload, sent).await?;
    let serves = story.visitor(lane)?.version().await;
    let took = sent.elapsed().as_millis();
    let back = serves.as_deref() == Some("blue") && done.operation["healthyDigest"] == json!(blue.digest);
    story
        .teller
        .holds(back, format_args!("blue serves again with exactly {}, {took} ms after the request", blue.digest))?;
    let owner = story.environment(lane).await?["routeOwner"].take();
    let risen = owner["epoch"] == json!(epoch + 1);
    story.teller.holds(risen, format_args!("the epoch rose from {epoch} to {}, it never falls", owner["epoch"]))?;
    let pinned = owner["pin"]["deploymentId"] == json!(blue.deployment);
    story.teller.holds(pinned, format_args!("pinned: {}", owner["pin"]["reason"]))?;
    story.teller.holds(quarantined(&owner, green), format_args!("quarantined: {}", green.digest))?;
    refused(story, green, lane, "PINNED").await?;
    let reason = json!({ "environmentId": lane.environment, "reason": "the cause is understood" });
    story.change(&PIN_RELEASE, reason.clone()).await?;
    story.teller.fact("the pin is released");
    refused(story, green, lane, "QUARANTINED").await?;
    let mut lift = reason;
    lift["digest"] = json!(green.digest);
    let lifted = story.change(&QUARANTINE_LIFT, lift).await?;
    let free = lifted.object()["pin"].is_null() && !quarantined(lifted.object(), green);
    story.teller.holds(free, "pin released and quarantine lifted, each with a reason")?;
    Ok(lifted.position().context("a change has a position")?.to_owned())
}

/// Asks for a rollback, which is to be accepted.
pub(super) async fn roll_back(
    story: &Story<'_>,
    release: &Release,
    lane: &Lane,
    expected: u64,
    reason: &str,
) -> Result<Payload> {
    let input = json!({
        "environmentId": lane.environment, "deploymentId": release.deployment,
        "expectedRouteEpoch": expected, "reason": reason,
    });
    story.change(&ROLL_BACK, input).await
}

/// Lets go of everything that a rollback holds.
pub(super) async fn let_go(story: &Story<'_>, left: &Release, lane: &Lane) -> Result<()> {
    let reason = json!({ "environmentId": lane.environment, "reason": "the story goes on" });
    story.change(&PIN_RELEASE, reason.clone()).await?;
    let mut with_digest = reason;
    with_digest["digest"] = json!(left.digest);
    story.change(&QUARANTINE_LIFT, with_digest).await?;
    Ok(())
}

fn quarantined(owner: &Value, release: &Release) -> bool {
    owner["quarantined"].as_array().is_some_and(|all| all.iter().any(|one| one["digest"] == json!(release.digest)))
}

async fn refused(story: &mut Story<'_>, release: &Release, lane: &Lane, code: &str) -> Result<()> {
    let epoch = story.epoch(lane).await?;
    let payload = story.promote(release, lane, epoch, None).await?;
    let refusal = payload.refusal().with_context(|| format!("a promotion was accepted that is {code}"))?;
    story.teller.holds(refusal.code == code, format_args!("the next promotion is refused: {refusal}"))
}
