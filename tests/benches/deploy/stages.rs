//! How long each stage takes, by the log's own times.

use super::{ask, deploys, ends};
use chrono::{DateTime, Utc};
use rhone_tests::{
    figure::{Goal, Printer},
    platform::Platform,
    repository::Repository,
    signals,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

const WHOLE: &str = "accepted to preview_ready";
const STAGES: [&str; 5] = ["queued", "cloning", "building", "validating", "preview_ready"];

/// Fewer say nothing of a distribution.
const COLD: usize = 10;

/// Each commit is the first of its repository, app and workspace, and the first that its worker builds: the platform keeps
/// nothing of it and the worker has only begun. What the kernel keeps in memory of the host's programs stays there.
pub(crate) async fn cold(print: &Printer, platform: &Platform) {
    let (count, mut took, mut failed) = (deploys().max(COLD), Spans::new(), 0);
    for number in 0..count {
        let old = platform.report().parts["work"];
        signals::send(old.pid, Signal::TERM);
        platform.runs_again("work", old.pid).await;
        let tenant = Tenant::open(platform, platform.developer()).await;
        // What was just created is answered from the log. It is in the read models once the new worker has taken over.
        let taken_over = async || (!tenant.timeline(None).await.is_empty()).then_some(());
        until("the new worker is at work", PATIENCE, taken_over).await;
        let repository = Repository::of_python();
        repository.commit_version(&format!("cold {number}"));
        note(&mut took, &stages(&tenant, &deployed(&tenant, &repository).await).await);
        failed += platform.report().parts["work"].restarts - old.restarts - 1;
    }
    printed(print, "cold, the first deploy of a repository and of its worker", took);
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let failed = failed as f64;
    // Whoever asks meanwhile waits as long as `rhone up` does before it starts a part again.
    print.figure("cold: workers that ended by themselves", failed, "workers", count, Some(Goal::Below(1.0)));
}

/// One changed commit after the other; the first of them is not counted. How long each took in all.
pub(crate) async fn warm(print: &Printer, tenant: &Tenant, repository: &Repository) -> Vec<Duration> {
    repository.commit_version("first");
    deployed(tenant, repository).await;
    let mut took = Spans::new();
    for number in 0..deploys() {
        repository.commit_version(&format!("warm {number}"));
        note(&mut took, &stages(tenant, &deployed(tenant, repository).await).await);
    }
    let whole = took.get(WHOLE).cloned().unwrap_or_default();
    printed(print, "warm, one deploy after the other", took);
    whole
}

/// How long deploys stood at each stage.
type Spans = BTreeMap<String, Vec<Duration>>;

fn note(took: &mut Spans, entered: &[(String, DateTime<Utc>)]) {
    for (from, span) in spans(entered) {
        took.entry(from).or_default().push(span);
    }
}

fn printed(print: &Printer, which: &str, took: Spans) {
    for (from, spans) in took {
        print.distribution(&format!("{which}: {from}"), spans, None);
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
        spans.push((WHOLE.to_owned(), between(*first, *last)));
    }
    spans
}
