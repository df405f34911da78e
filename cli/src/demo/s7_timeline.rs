//! Step 7: the app's timeline, every event in order; and an aggregate at two of its versions, with the difference.

use super::story::{Lanes, Story};
use crate::{
    args::ReplayArgs,
    client::{timeline, told},
    replay,
};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes, position: &str) -> Result<()> {
    story.teller.step(7, "the timeline: who, what, why, and from what");
    let entries = timeline(&story.connection, &lanes.app, None, Some(position)).await?;
    for entry in &entries {
        story.teller.fact(told(entry));
    }
    whole(story, &entries)?;
    let versions = versions(&entries);
    let stream = versions.keys().find(|stream| is_route_of(stream, &lanes.production.environment));
    let stream = stream.context("the timeline has no event of the production route")?.clone();
    let last = versions[&stream].last().copied().unwrap_or_default();
    story.teller.fact(format_args!("rhone replay {stream} --at {last}"));
    let asked =
        |at: Option<String>, diff| ReplayArgs { stream: Some(stream.clone()), from: None, at, diff, json: false };
    replay::run(story.data, &asked(Some(last.to_string()), None)).await?;
    story.teller.fact(format_args!("rhone replay {stream} --diff 2 {last}"));
    replay::run(story.data, &asked(None, Some(vec!["2".into(), last.to_string()]))).await?;
    story.teller.holds(last > 2, format_args!("{stream} was replayed at version {last}, and compared with version 2"))
}

fn is_route_of(stream: &str, environment: &str) -> bool {
    stream.strip_prefix("route_owner:").is_some_and(|uuid| environment.ends_with(&uuid.replace('-', "")))
}

/// That no event is missing or told twice: the versions of every stream are 1, 2, 3...
pub(super) fn whole(story: &mut Story<'_>, entries: &[Value]) -> Result<()> {
    let versions = versions(entries);
    for (stream, versions) in &versions {
        let dense = versions.iter().copied().eq(1..=versions.len() as u64);
        if !dense {
            return story.teller.holds(false, format_args!("{stream} has every version once, in order: {versions:?}"));
        }
    }
    let (events, streams) = (entries.len(), versions.len());
    story
        .teller
        .holds(events > 0, format_args!("{events} events of {streams} streams: none is missing, none is there twice"))
}

/// How many events of each stream there are.
pub(super) fn versions(entries: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut versions = BTreeMap::<String, Vec<u64>>::new();
    for entry in entries {
        let stream = entry["stream"].as_str().unwrap_or_default().to_owned();
        versions.entry(stream).or_default().push(entry["version"].as_u64().unwrap_or_default());
    }
    versions
}
