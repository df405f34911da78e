//! `rhone up` from outside: one at a time on a folder, nothing left behind, and the next one carries on from disk. The trap
//! avoided: looking only at what it reports; the machine's own list of processes is read.

use rhone_tests::{
    artifacts::Version,
    edge,
    platform::Platform,
    program,
    signals::that_mention,
    story::Tenant,
    wait::{PATIENCE, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_leaves_nothing_behind_and_the_next_one_carries_on_from_disk() {
    let mut platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    let (before, token) = (tenant.owner().await, platform.report().token);
    a_second_one_is_refused_in_a_line(&platform).await;

    let data = platform.data();
    assert!(that_mention(&data).len() > 6, "its processes are found: {:?}", that_mention(&data));
    let nobody_starts = Platform::nobody_starts().await;
    platform.end().await;
    // Apps do not name the folder: they are found by their program.
    let nothing = async || (that_mention(&data).is_empty() && platform.apps().is_empty()).then_some(());
    until("nothing of it is left", PATIENCE, nothing).await;

    platform.start_again().await;
    drop(nobody_starts);
    assert_eq!(platform.report().token, token, "the same token");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    assert_eq!(tenant.owner().await, before, "the same owner at the same address");
    let green = tenant.deploy(Version::Green).await;
    tenant.succeeds(&tenant.promote(&green).await).await;
}

async fn a_second_one_is_refused_in_a_line(platform: &Platform) {
    let second = platform.rhone(&["up"]).await;
    assert!(!second.status.success());
    let said = program::text(&second.stderr);
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(edge::table(platform).await["mode"].is_string(), "the first one is not disturbed");
}
