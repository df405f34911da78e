//! Step 2: a folder becomes an immutable artifact, and the artifact a deployment that is shown in the preview. The same bytes
//! give the same digest.

use super::story::{Lane, Lanes, Release, Story};
use crate::client::{mutation::DEPLOYMENT_CREATE, push};
use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::Instant;

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes) -> Result<Release> {
    story.teller.step(2, "a folder is packed, stored under its digest and deployed to preview");
    let release = deployed(story, lanes, "blue", &lanes.preview).await?;
    let folder = story.examples.join("counter-blue");
    let again = push(&story.connection, &lanes.workspace, &folder, None).await?;
    story.teller.holds(again.digest == release.digest, "packed again, the same bytes give the same digest")?;
    Ok(release)
}

/// Packs, pushes, deploys and shows a version of the example.
pub(super) async fn deployed(
    story: &mut Story<'_>,
    lanes: &Lanes,
    version: &'static str,
    lane: &Lane,
) -> Result<Release> {
    let folder = story.examples.join(format!("counter-{version}"));
    let begun = Instant::now();
    let pushed = push(&story.connection, &lanes.workspace, &folder, None)
        .await
        .with_context(|| format!("pushing {} (`./dev build` lays it out)", folder.display()))?;
    let artifact = pushed.payload.accepted()?;
    let took = begun.elapsed().as_millis();
    story.teller.fact(format_args!(
        "artifact   {} {} of {} bytes [{took} ms]",
        artifact.id()?,
        pushed.digest,
        pushed.size
    ));
    story.teller.fact(format_args!("manifest   {}", artifact.object()["facts"]));
    let sent = Instant::now();
    let input = json!({ "appId": lanes.app, "artifactDigest": pushed.digest, "environmentId": lane.environment });
    let payload = story.change(&DEPLOYMENT_CREATE, input).await?;
    let deployment = payload.id()?;
    story.teller.fact(format_args!("deployment {deployment}: {}", payload.object()["checks"]));
    let done = story.carried(&payload, sent).await?;
    let healthy = done.operation["healthyDigest"] == json!(pushed.digest);
    let took = sent.elapsed().as_millis();
    story.teller.holds(
        healthy,
        format_args!("{version} is healthy in preview with exactly {}, {took} ms after the request", pushed.digest),
    )?;
    Ok(Release { deployment, digest: pushed.digest, version })
}
