//! `./dev bench story`: how long it takes from a promotion or rollback that is sent until every live edge serves it, alone
//! with 200 appends/s and beside an index build and a rebuild; how long `rhone up` takes; what each role holds at rest.
//! It prints figures and judges nothing: exit 0 whether goals are met or not.

mod beside;
mod memory;
mod moves;

use moves::{Lane, Moves};
use rhone_tests::{
    figure::{Goal, Printer},
    platform::Platform,
};
use std::time::Instant;

/// How many promotions each distribution is made of.
fn promotions() -> usize {
    std::env::var("RHONE_BENCH_PROMOTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(story());
}

async fn story() {
    let print = Printer::new("story");
    let begun = Instant::now();
    let platform = Platform::start_with(&["--edges", "2"]).await;
    print.figure("up compiled to ready, first start", begun.elapsed().as_secs_f64(), "s", 1, None);
    memory::at_rest(&platform, &print).await;

    let lane = Lane::open(&platform).await;
    let many = promotions();
    let appends = beside::Appends::start(&platform, 200).await;
    let alone = Moves::promotions(&lane, many).await;
    print.distribution(
        "promote sent to every live edge serving, 200 appends/s beside",
        alone.served,
        Some(Goal::Below(500.0)),
    );
    print.distribution("promote sent to healthy, 200 appends/s beside", alone.ended, None);
    let back = Moves::rollbacks(&lane, many / 5).await;
    print.distribution(
        "rollback sent to every live edge serving, 200 appends/s beside",
        back.served,
        Some(Goal::Below(500.0)),
    );

    let heavy = beside::HeavyWork::start(&platform).await;
    let busy = Moves::promotions(&lane, many).await;
    let busy_back = Moves::rollbacks(&lane, many / 5).await;
    let (indexes, rebuilds) = heavy.stop().await;
    let goal = Some(Goal::Below(1_000.0));
    print.distribution("promote sent to every live edge serving, index build and rebuild beside", busy.served, goal);
    print.distribution(
        "rollback sent to every live edge serving, index build and rebuild beside",
        busy_back.served,
        goal,
    );
    print.figure("index builds of 3,000,000 rows beside", indexes, "builds", 1, None);
    print.figure("timeline rebuilds beside", rebuilds, "rebuilds", 1, None);
    let (rate, behind) = appends.stop().await;
    print.figure("appends beside, as achieved", rate, "appends/s", 1, None);
    print.figure("appends that came late by more than a second", behind, "appends", 1, None);
    drop(platform);
}
