//! `./dev bench deploy`: how long each stage of a deploy takes from a commit, cold and warm; a hundred deploys at once carried
//! to their end; whether the same commit is the same digest; an image that exists, from the command line to its first answer; and
//! lines a second to who follows them. The build is real and tiny: a Python program in the sandbox. What can be done by hand
//! stands beside it, and what the platform could do at most.
//! It prints figures and judges nothing: exit 0 whether goals are met or not.

mod by_hand;
mod crowd;
mod image;
mod stages;

use rhone_tests::{
    figure::{Goal, Printer, p50},
    floods,
    graphql::unique,
    platform::Platform,
    repository::Repository,
    story::{Tenant, text},
    wait::within,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Whoever takes longer is stuck.
const PATIENT: Duration = Duration::from_mins(10);

/// How many deploys each distribution is made of.
pub(crate) fn deploys() -> usize {
    std::env::var("RHONE_BENCH_DEPLOYS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(deploy());
}

async fn deploy() {
    let print = Printer::new("deploy");
    let platform = Platform::start().await;
    stages::cold(&print, &platform).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    let warm = stages::warm(&print, &tenant, &repository).await;
    by_hand::built(&print, &repository, &warm);
    same_bytes(&print, &tenant, &repository).await;
    image::measure(&print, &platform, &tenant).await;
    crowd::measure(&print, &platform, p50(warm)).await;
    floods::measure(&print, &[floods::served(&platform).await, floods::served(&platform).await]).await;
    drop(platform);
}

/// The same commit, again and again.
async fn same_bytes(print: &Printer, tenant: &Tenant, repository: &Repository) {
    let commit = repository.commit_version("same");
    let mut digests = Vec::new();
    for _ in 0..deploys() {
        let ended = ends(tenant, &ask(tenant, &tenant.production.id, repository, &commit).await).await;
        digests.push(text(&ended["deploy"]["built"]["digest"]));
    }
    let same = digests.iter().filter(|digest| **digest == digests[0]).count();
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let (same, all) = (same as f64, digests.len() as f64);
    let goal = Some(Goal::AtLeast(all));
    print.figure("builds of one commit that gave the first one's digest", same, "builds", digests.len(), goal);
}

/// Asks for a deploy: its operation.
pub(crate) async fn ask(tenant: &Tenant, environment: &str, repository: &Repository, reference: &str) -> String {
    let input = json!({ "environmentId": environment, "repository": repository.address(), "reference": reference,
        "idempotencyKey": unique("build") });
    text(&tenant.client.done("deploymentBuild", "__typename", input).await["operation"]["id"])
}

/// A deploy at its end.
async fn ends(tenant: &Tenant, id: &str) -> Value {
    let ended = ended(tenant, id, PATIENT).await;
    ended.unwrap_or_else(|| panic!("deploy {id} has not ended within {PATIENT:?}"))
}

/// The same; none where it is stuck.
async fn ended(tenant: &Tenant, id: &str, most: Duration) -> Option<Value> {
    const DEPLOY: &str = "query($id: ID!) { operation(id: $id) { id stage ended failure { code message } \
        deploy { built { digest } promotion { id } } } }";
    let look = async || {
        let answer = tenant.client.try_ask(DEPLOY, json!({ "id": id })).await.ok()?;
        Some(answer["data"]["operation"].clone()).filter(|found| found["ended"] == true)
    };
    within(most, look).await
}
