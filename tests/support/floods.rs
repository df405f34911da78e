//! Apps that print more than anybody reads, and a follower who counts: how many lines a second come from their pipes to its end.
//! `./dev bench logs` and `./dev bench deploy` print it. The trap avoided: a figure of lines that were dropped; the follower counts
//! what it was told, and the drops.

use crate::{
    artifacts::Version,
    figure::{Goal, Printer},
    graphql::http,
    live::Events,
    platform::Platform,
    story::{Environment, Tenant},
    wait::{PATIENCE, until},
};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::{task::JoinSet, time::sleep_until};

/// Lines that each app prints, and in how many requests a second.
const EACH: usize = 40_000;
const TOGETHER: usize = 1_000;
const REQUESTS_PER_SECOND: u32 = 8;

/// A tenant both of whose environments are served by the counter app.
pub async fn served(platform: &Platform) -> Tenant {
    let tenant = Tenant::open(platform, platform.developer()).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    tenant
}

/// Two apps of each tenant print, each below the limit of its runner, and one follower of each workspace counts. They are
/// [`served`].
pub async fn measure(print: &Printer, tenants: &[Tenant; 2]) {
    let begun = Instant::now();
    let mut apps = JoinSet::new();
    let mut followers = JoinSet::new();
    for tenant in tenants {
        followers.spawn(count(tenant.clone(), 2 * EACH));
        for environment in [&tenant.preview, &tenant.production] {
            apps.spawn(flood(tenant.clone(), environment.clone()));
        }
    }
    apps.join_all().await;
    let told: usize = followers.join_all().await.into_iter().sum();
    let number = |lines: usize| f64::from(u32::try_from(lines).expect("a count"));
    let rate = number(told) / begun.elapsed().as_secs_f64();
    let most = number(4 * TOGETHER) * f64::from(REQUESTS_PER_SECOND);
    print.figure("lines told of four apps, end to end", rate, "lines/s", told, None);
    print.figure("lines that four apps print at most", most, "lines/s", told, None);
    print.figure("lines told over lines printed at most", rate / most, "x", told, None);
    let dropped = number(4 * EACH - told.min(4 * EACH));
    print.figure("lines dropped meanwhile", dropped, "lines", told, Some(Goal::Below(1.0)));
}

/// Has the counter app of an environment print this.
pub async fn say(tenant: &Tenant, environment: &Environment, words: String) {
    let request = http().post(format!("{}/print", tenant.edge)).header("host", &environment.host).body(words);
    let answer = request.send().await.expect("the edge answers");
    assert_eq!(answer.status(), 204);
}

/// The lines of a tenant's workspace, from now on.
pub async fn followed(tenant: &Tenant) -> Events {
    let query = [("workspaceId", tenant.workspace.as_str())];
    let open = async || Events::open_at(&tenant.client, "/v1/logs", &query, None).await.ok();
    let mut events = until("the API takes followers", PATIENCE, open).await;
    // From here on it misses nothing.
    while events.said().await.event != "caught_up" {}
    events
}

/// The texts of what was told.
pub fn texts(words: &Value) -> impl Iterator<Item = &str> {
    words["lines"].as_array().into_iter().flatten().filter_map(|line| line["text"].as_str())
}

/// Prints in an even pace.
async fn flood(tenant: Tenant, environment: Environment) {
    let every = Duration::from_secs(1) / REQUESTS_PER_SECOND;
    let mut next = tokio::time::Instant::now();
    for round in 0..EACH / TOGETHER {
        let lines: Vec<_> = (0..TOGETHER)
            .map(|number| format!("flood {round} {number} of a line as long as most of them are"))
            .collect();
        say(&tenant, &environment, lines.join("\n")).await;
        next += every;
        sleep_until(next).await;
    }
}

/// Until all were told, or nothing more comes: how many.
async fn count(tenant: Tenant, all: usize) -> usize {
    let mut events = followed(&tenant).await;
    let (mut told, mut last) = (0, Instant::now());
    while told < all && last.elapsed() < Duration::from_secs(20) {
        let sent = events.said().await;
        let more = texts(&sent.words()).filter(|text| text.starts_with("flood ")).count();
        if more > 0 {
            (told, last) = (told + more, Instant::now());
        }
    }
    told
}
