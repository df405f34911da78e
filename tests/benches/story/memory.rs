//! What each role holds at rest: the proportional set size of its process and of all that it started.

use rhone_tests::{
    figure::Printer,
    platform::Platform,
    wait::{PATIENCE, within},
};
use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

/// Prints one figure for each role, once nothing grows any more.
pub(crate) async fn at_rest(platform: &Platform, print: &Printer) {
    let before = AtomicU64::new(0);
    let settled = async || {
        let now: u64 = sizes(platform).values().sum();
        let growth = now.abs_diff(before.swap(now, Ordering::SeqCst));
        (growth * 100 < now).then_some(())
    };
    within(PATIENCE, settled).await;
    for (part, kib) in sizes(platform) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        print.figure(&format!("memory of {part} at rest"), kib as f64 / 1_024.0, "MiB", 1, None);
    }
}

fn sizes(platform: &Platform) -> BTreeMap<String, u64> {
    let children = children();
    let parts = platform.report().parts;
    parts.into_iter().map(|(part, process)| (part, tree(process.pid, &children))).collect()
}

fn tree(pid: u32, children: &BTreeMap<u32, Vec<u32>>) -> u64 {
    let own = pss(pid);
    own + children.get(&pid).into_iter().flatten().map(|child| tree(*child, children)).sum::<u64>()
}

fn pss(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn children() -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if let Some(parent) = after_name.split_whitespace().nth(1).and_then(|text| text.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}
