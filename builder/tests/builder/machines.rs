//! With what the tests build: the best that this machine has, and the plain process that it would fall back to.

use rhone_builder::{
    build::{BuildLimits, Machine, Sandbox},
    source::Tools,
};
use rustix::process::Pid;
use std::{fs, path::PathBuf, process::Command, sync::OnceLock, time::Duration};

/// The guard as a program of its own. What is run is built first: a test of some targets alone would run it as it was.
pub(crate) fn guard() -> PathBuf {
    static GUARD: OnceLock<PathBuf> = OnceLock::new();
    let made = GUARD.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap().to_owned();
        if folder.ends_with("debug") {
            let words = ["build", "--quiet", "--workspace", "--example", "build_guard"];
            assert!(cargo().args(words).status().unwrap().success(), "the guard was not built");
        }
        folder.join("examples/build_guard")
    });
    assert!(made.exists(), "{} is missing: build it first", made.display());
    made.clone()
}

/// Cargo as whoever runs the tests starts it, and with the features of the whole workspace. What it tells a test of its package
/// would be news to the build of `ring`: that, and all that rests on it, would be compiled anew, here and by whoever comes next.
fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    let told = ["CARGO_MANIFEST_", "CARGO_PKG_"];
    for (name, _) in std::env::vars_os() {
        if told.iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// With what sources are fetched.
pub(crate) fn tools() -> Tools {
    Tools { guard: guard(), authorities: None }
}

pub(crate) async fn machine(limits: &BuildLimits) -> Machine {
    Machine::here(*limits, guard()).await
}

pub(crate) fn plain(limits: &BuildLimits) -> Machine {
    Machine { limits: *limits, sandbox: Sandbox::Plain("the test wants none".to_owned()), guard: guard() }
}

/// Every way to build that there is here.
pub(crate) async fn ways(limits: &BuildLimits) -> Vec<Machine> {
    let best = machine(limits).await;
    match &best.sandbox {
        Sandbox::Bubblewrap => vec![best, plain(limits)],
        Sandbox::Plain(why) => {
            eprintln!("SKIPPED: nothing was built in a sandbox, which this machine does not make: {why}");
            vec![best]
        }
    }
}

/// The processes that run with exactly these words.
pub(crate) fn pids(words: &[&str]) -> Vec<Pid> {
    let wanted = [&words.join("\0"), "\0"].concat();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes()));
    all.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

pub(crate) fn running(words: &[&str]) -> usize {
    pids(words).len()
}

pub(crate) async fn until(holds: impl Fn() -> bool, what: &str) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap_or_else(|_| panic!("{what}"));
}
