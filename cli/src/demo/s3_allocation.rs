//! Step 3: the runner's part: what it was ordered to run, what it verified, and the states that the process went through.

use super::story::{Lanes, Release, Story};
use crate::client::timeline;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes, release: &Release) -> Result<()> {
    story.teller.step(3, "the runner verified the bytes and started a process");
    let environment = story.environment(&lanes.preview).await?;
    let allocations = environment["allocations"].as_array().context("a list")?;
    let one = allocations.iter().find(|one| one["state"] == "READY").context("no allocation is ready")?;
    let id = one["id"].as_str().context("an id")?;
    story.teller.fact(format_args!(
        "allocation {id} on {} in {} / {}",
        word(&one["hostId"]),
        word(&one["regionId"]),
        word(&one["cellId"])
    ));
    let verified = one["verifiedDigest"] == json!(release.digest) && one["artifactDigest"] == json!(release.digest);
    story.teller.holds(verified, format_args!("ordered, verified and executed: {}", release.digest))?;
    let entries = timeline(&story.connection, &lanes.app, Some(&lanes.preview.environment), None).await?;
    let of_it = |entry: &&Value| {
        let stream = entry["stream"].as_str().unwrap_or_default();
        stream.strip_prefix("allocation:").is_some_and(|uuid| id.ends_with(&uuid.replace('-', "")))
    };
    let steps: Vec<&Value> = entries.iter().filter(of_it).collect();
    for step in &steps {
        story.teller.fact(format_args!(
            "{} {:<22} {}",
            word(&step["occurredAt"]),
            word(&step["type"]),
            word(&step["summary"])
        ));
    }
    let types: Vec<&str> = steps.iter().filter_map(|step| step["type"].as_str()).collect();
    let order = ["allocation.planned", "allocation.pulling", "allocation.starting", "allocation.ready"];
    let kept = [order[0], order[2], order[3]];
    // A host that ran the same bytes before need not fetch them; it verifies them all the same.
    if types.starts_with(&kept) {
        return story.teller.holds(true, "planned, starting, ready; the host had kept the bytes of an earlier run");
    }
    story.teller.holds(types.starts_with(&order), "planned, pulling, starting, ready")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
