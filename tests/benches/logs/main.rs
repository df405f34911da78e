//! `./dev bench logs`: how long a line takes from an app's pipe to whoever follows it, and how many lines a second four apps
//! bring to one follower, each below the limit of its runner. It prints figures and judges nothing: exit 0 whether goals are
//! met or not.

use rhone_tests::{
    figure::Printer,
    floods::{self, followed, say, texts},
    platform::Platform,
    story::Tenant,
};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// Single lines, each after a silence.
const LONE: usize = 50;
const APART: Duration = Duration::from_millis(1_250);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(logs());
}

async fn logs() {
    let print = Printer::new("logs");
    let platform = Platform::start().await;
    let tenants = [floods::served(&platform).await, floods::served(&platform).await];
    let lone = lone(&tenants[0]).await;
    print.distribution("a line after a silence: printed to told at /v1/logs", lone, None);
    floods::measure(&print, &tenants).await;
}

async fn lone(tenant: &Tenant) -> Vec<Duration> {
    let mut events = followed(tenant).await;
    let mut samples = Vec::with_capacity(LONE);
    let mut next = tokio::time::Instant::now();
    for number in 0..LONE {
        next += APART;
        sleep_until(next).await;
        let words = format!("lone {number}.");
        let begun = Instant::now();
        say(tenant, &tenant.production, words.clone()).await;
        while !texts(&events.said().await.words()).any(|text| text == words) {}
        samples.push(begun.elapsed());
    }
    samples
}
