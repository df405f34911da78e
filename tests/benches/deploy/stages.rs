//! How long each stage takes, by the log's own times.

use super::{ask, deploys, ends};
use chrono::{DateTime, Utc};
use rhone_tests::{
    figure::Printer,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

const STAGES: [&str; 5] = ["queued", "cloning", "building", "validating", "preview_ready"];

/// One commit for the first time, then one changed commit after the other.
pub(crate) async fn measure(print: &Printer, tenant: &Tenant, repository: &Repository) {
    repository.commit_version("cold");
    let cold = stages(tenant, &deployed(tenant, repository).await).await;
    for (from, took) in spans(&cold) {
        print.figure(&format!("cold, the first deploy: {from}"), took.as_secs_f64() * 1_000.0, "ms", 1, None);
    }
    let mut warm: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for number in 0..deploys() {
        repository.commit_version(&format!("warm {number}"));
        for (from, took) in spans(&stages(tenant, &deployed(tenant, repository).await).await) {
            warm.entry(from).or_default().push(took);
        }
    }
    for (from, took) in warm {
        print.distribution(&format!("warm, one deploy after the other: {from}"), took, None);
    }
}

async fn deployed(tenant: &Tenant, repository: &Repository) -> String {
    let id = ask(tenant, &tenant.preview.id, repository, "main").await;
    let ended = ends(tenant, &id).await;
    assert_eq!(ended["stage"], "PREVIEW_READY", "{ended:#}");
    tenant.succeeds(&text(&ended["deploy"]["promotion"]["id"])).await;
    id
}

/// When each stage was entered.
async fn stages(tenant: &Tenant, id: &str) -> Vec<(String, DateTime<Utc>)> {
    let stream = id.strip_prefix("op_").expect("an operation's id").to_owned();
    let entered = |entry: &Value| {
        let own = text(&entry["stream"]).replace('-', "").ends_with(&stream);
        let stage = match entry["type"].as_str()? {
            "operation.requested" => "queued".to_owned(),
            "operation.stage_entered" => entry["payload"]["stage"].as_str()?.to_owned(),
            _ => return None,
        };
        own.then(|| Some((stage, text(&entry["occurredAt"]).parse().ok()?))).flatten()
    };
    let look = async || {
        let found: Vec<_> = tenant.timeline(None).await.iter().filter_map(entered).collect();
        (found.len() == STAGES.len()).then_some(found)
    };
    until("every stage is in the timeline", PATIENCE, look).await
}

/// How long it stood at each, and in all.
fn spans(stages: &[(String, DateTime<Utc>)]) -> Vec<(String, Duration)> {
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).to_std().unwrap_or_default();
    let mut spans: Vec<_> = stages.windows(2).map(|pair| (pair[0].0.clone(), between(pair[0].1, pair[1].1))).collect();
    if let (Some((_, first)), Some((_, last))) = (stages.first(), stages.last()) {
        spans.push(("accepted to preview_ready".to_owned(), between(*first, *last)));
    }
    spans
}
