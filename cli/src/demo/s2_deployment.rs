//! Step 2: a commit is fetched, built and judged; what it becomes is shown in the preview. The same commit gives the same
//! digest.

use super::story::{Done, Lane, Lanes, Release, Story};
use crate::client::mutation::DEPLOYMENT_BUILD;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes) -> Result<Release> {
    story.teller.step(2, "a commit is built, stored under its digest and deployed to preview");
    let release = deployed(story, "blue", &lanes.preview).await?;
    // For production, where nothing is promoted by itself.
    let again = built(story, &lanes.production, &release.commit).await?;
    let same = again.operation["deploy"]["built"]["digest"] == json!(release.digest);
    story.teller.holds(same, "built again, the same commit gives the same digest")?;
    Ok(release)
}

/// Commits, builds, deploys and shows a version of the example.
pub(super) async fn deployed(story: &mut Story<'_>, version: &'static str, lane: &Lane) -> Result<Release> {
    let commit = story.source.commit(&story.examples.join(format!("counter-{version}")), version)?;
    story.teller.fact(format_args!("commit     {commit} of {}", story.source.address()));
    let sent = Instant::now();
    let done = built(story, lane, &commit).await?;
    let deploy = &done.operation["deploy"];
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a deploy that is ready says what it made");
    let (deployment, digest) = (text(&deploy["deploymentId"])?, text(&deploy["built"]["digest"])?);
    let exact = deploy["fetched"]["commit"] == json!(commit);
    story.teller.holds(exact, format_args!("exactly commit {commit} was fetched and built: {}", deploy["built"]))?;
    let promotion = text(&deploy["promotion"]["id"])?;
    let shown = story.carried_on(&promotion, sent).await?;
    let healthy = shown.operation["healthyDigest"] == json!(digest);
    let took = sent.elapsed().as_millis();
    let words = format_args!("{version} is healthy in preview with exactly {digest}, {took} ms after the request");
    story.teller.holds(healthy, words)?;
    Ok(Release { deployment, commit, digest, version })
}

/// Builds a commit for an environment, stage by stage.
async fn built(story: &Story<'_>, lane: &Lane, commit: &str) -> Result<Done> {
    let sent = Instant::now();
    let input = json!({ "environmentId": lane.environment, "repository": story.source.address(), "reference": commit });
    let payload = story.change(&DEPLOYMENT_BUILD, input).await?;
    story.carried(&payload, sent).await
}
