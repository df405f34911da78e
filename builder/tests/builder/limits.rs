//! Builds that take too much of something, each really run in the sandbox: every one ends with its own code, and with it
//! everything that it started.

use crate::{
    build::{built, has_sandbox, sources},
    repository::{log, said},
};
use rhone_builder::build::{BuildError, BuildLimits, Built};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    time::Duration,
};

const MIB: u64 = 1024 * 1024;

fn small() -> BuildLimits {
    BuildLimits { memory_bytes: 192 * MIB, seconds: 60, processes: 64, disk_bytes: 64 * MIB, network: true }
}

/// Runs a script of Python as the build.
async fn run(script: &str, more: &str, limits: &BuildLimits) -> (Result<Built, BuildError>, String) {
    let declared = format!("process = [\"x\"]\n[build]\ncommand = [\"python3\", \"-u\", \"hog.py\"]\n{more}");
    let folder = sources(&[("hog.py", script), ("rhone.toml", &declared)]);
    let (log, lines) = log();
    let done = built(&folder.path().join("in"), &folder.path().join("out"), limits, &log).await;
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, if done.is_ok() { 2 } else { 1 }, "something is left");
    (done, said(lines))
}

async fn sandboxed() -> bool {
    has_sandbox(&run("pass", "", &small()).await.0.expect("nothing is too much"))
}

async fn code(script: &str, limits: &BuildLimits) -> &'static str {
    let (done, said) = run(script, "", limits).await;
    match done {
        Ok(done) => panic!("it went well: {done:?}: {said}"),
        Err(error) => {
            eprintln!("{error}");
            error.code()
        }
    }
}

#[tokio::test]
async fn a_fork_bomb_is_stopped() {
    if !sandboxed().await {
        return;
    }
    let bomb = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)\n";
    assert_eq!(code(bomb, &small()).await, "BUILD_TOO_MANY_PROCESSES");
    let threads = "import threading, time\nthreading.stack_size(1 << 18)\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(60,)).start()\n    except RuntimeError: time.sleep(60)\n";
    assert_eq!(code(threads, &small()).await, "BUILD_TOO_MANY_PROCESSES");
}

#[tokio::test]
async fn a_memory_hog_is_stopped_alone_and_in_a_crowd() {
    let alone = "import time\nheld = []\nwhile True:\n    held.append(b'x' * 4_000_000)\n    time.sleep(0.005)\n";
    assert_eq!(code(alone, &small()).await, "BUILD_OUT_OF_MEMORY");
    // None of these is too large by itself.
    let crowd = "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        held = b'x' * 40_000_000\n        time.sleep(60)\ntime.sleep(60)\n";
    assert_eq!(code(crowd, &small()).await, "BUILD_OUT_OF_MEMORY");
    let shared = "import mmap, time\nheld = []\nwhile True:\n    held.append(mmap.mmap(-1, 4_000_000))\n    held[-1].write(b'x' * 4_000_000)\n    time.sleep(0.005)\n";
    assert_eq!(code(shared, &small()).await, "BUILD_OUT_OF_MEMORY");
}

#[tokio::test]
async fn memory_that_processes_share_is_counted_once() {
    let shared = "import os, sys, time\nheld = b'x' * 60_000_000\npids = []\nfor _ in range(6):\n    pid = os.fork()\n    if pid == 0:\n        time.sleep(0.3)\n        os._exit(0)\n    pids.append(pid)\nfor pid in pids: os.waitpid(pid, 0)\n";
    let (done, said) = run(shared, "", &small()).await;
    let done = done.unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!((50 * MIB..192 * MIB).contains(&done.peak_memory_bytes), "{done:?}");
}

#[tokio::test]
async fn a_disk_filler_is_stopped_in_the_sources_in_tmp_and_in_one_file() {
    let many = |folder: &str| {
        let folder = format!("import os\nfolder = {folder}\nn = 0\nwhile True:\n    n += 1\n");
        folder + "    with open(f'{folder}/{n}', 'wb') as file: file.write(b'x' * 1_000_000)\n"
    };
    assert_eq!(code(&many("'.'"), &small()).await, "BUILD_TOO_LARGE");
    assert_eq!(code(&many("os.environ['TMPDIR']"), &small()).await, "BUILD_TOO_LARGE");
    let one = "file = open('one', 'wb')\nwhile True: file.write(b'x' * 100_000)\n";
    let limits = BuildLimits { disk_bytes: 32 * MIB, ..small() };
    assert_eq!(code(one, &limits).await, "BUILD_TOO_LARGE");
    // Holes weigh nothing until they are copied.
    let holes = "for n in range(4): open(f'hole{n}', 'wb').truncate(30 << 20)\n";
    assert_eq!(code(holes, &limits).await, "BUILD_TOO_LARGE");
}

#[tokio::test]
async fn a_sleeper_is_stopped_with_everything_it_started() {
    let limits = BuildLimits { seconds: 2, ..small() };
    let sleeper = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(7531)\n    os._exit(0)\ntime.sleep(7532)\n";
    assert_eq!(code(sleeper, &limits).await, "BUILD_TIMEOUT");
}

#[tokio::test]
async fn a_build_that_reaches_for_the_network_is_told_so() {
    if !sandboxed().await {
        return;
    }
    let name = "import socket\nsocket.create_connection(('example.org', 80), 5)\n";
    assert_eq!(code(name, &small()).await, "BUILD_NETWORK_REFUSED");
    let address = "import socket\nsocket.create_connection(('1.1.1.1', 80), 5)\n";
    assert_eq!(code(address, &small()).await, "BUILD_NETWORK_REFUSED");
    let v6 = "import socket\nsocket.create_connection(('2606:4700::1111', 80), 5)\n";
    assert_eq!(code(v6, &small()).await, "BUILD_NETWORK_REFUSED");
    // One that fails for a reason of its own is not: its own loopback is there.
    let loopback = "import socket\nserver = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(server.getsockname())\nraise SystemExit(4)\n";
    assert_eq!(code(loopback, &small()).await, "BUILD_FAILED");
}

#[tokio::test]
async fn the_hosts_own_services_are_out_of_reach_until_the_network_is_declared() {
    if !sandboxed().await {
        return;
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 16]).and_then(|_| stream.write(b"hello"));
        }
    });
    let ask = format!(
        "import socket\ns = socket.create_connection(('127.0.0.1', {port}), 5)\ns.send(b'x')\nprint(s.recv(9))\n"
    );
    assert!(matches!(code(&ask, &small()).await, "BUILD_FAILED" | "BUILD_NETWORK_REFUSED"));
    let (done, said) = run(&ask, "network = true\n", &small()).await;
    assert!(done.is_ok() && said.contains("b'hello'"), "{done:?}: {said}");
}

#[tokio::test]
async fn a_build_that_nobody_waits_for_any_more_ends_with_everything_it_started() {
    if !sandboxed().await {
        return;
    }
    let script = "import os, time\nif os.fork() == 0:\n    os.setsid()\nprint('begun', flush=True)\nos.execvp('sleep', ['sleep', '86399.25'])\n";
    let declared = "process = [\"x\"]\n[build]\ncommand = [\"python3\", \"hog.py\"]\n";
    let folder = sources(&[("hog.py", script), ("rhone.toml", declared)]);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let (log, mut lines) = log();
    let building = tokio::spawn(async move { built(&input, &output, &small(), &log).await });
    let begun = async {
        while let Some(line) = lines.recv().await {
            if line.text == "begun" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), begun).await.expect("it begins");
    let sleepers = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"sleep\086399.25\0"))
            .count()
    };
    until(|| sleepers() == 2, "both run").await;
    building.abort();
    until(|| sleepers() == 0, "none runs").await;
    until(|| fs::read_dir(folder.path()).unwrap().count() == 1, "its folder is gone").await;
    assert!(!Path::new(&folder.path().join("out")).exists());
}

async fn until(holds: impl Fn() -> bool, what: &str) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{what}"));
}
