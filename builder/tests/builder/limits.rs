//! Builds that take too much of something, each really run in the sandbox and without one: every one ends with its own code,
//! which names the limit, and with it everything that it started. The same of a Dockerfile is in `dockerfile.rs`.

use crate::{
    build::{built, built_on, has_sandbox, sources},
    machines::{machine, running, until, ways},
    repository::{log, said},
};
use rhone_builder::build::{BuildError, BuildLimits, Built, Machine};
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
async fn run(script: &str, more: &str, machine: &Machine) -> (Result<Built, BuildError>, String) {
    let declared = format!("process = [\"x\"]\n[build]\ncommand = [\"python3\", \"-u\", \"hog.py\"]\n{more}");
    let folder = sources(&[("hog.py", script), ("rhone.toml", &declared)]);
    let (log, lines) = log();
    let done = built_on(machine, &folder.path().join("in"), &folder.path().join("out"), &log).await;
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, if done.is_ok() { 2 } else { 1 }, "something is left");
    (done, said(lines))
}

async fn sandboxed() -> bool {
    has_sandbox(&run("pass", "", &machine(&small()).await).await.0.expect("nothing is too much"))
}

/// With what code it ends in a sandbox.
async fn code(script: &str) -> &'static str {
    let (done, said) = run(script, "", &machine(&small()).await).await;
    done.err().unwrap_or_else(|| panic!("it went well: {said}")).code()
}

/// Ends with the code, in a sandbox and without one, in words that name the limit.
async fn stopped(script: &str, limits: &BuildLimits, code: &str, limit: &str) {
    for machine in ways(limits).await {
        let (done, said) = run(script, "", &machine).await;
        let Err(error) = done else { panic!("{:?}: it went well: {said}", machine.sandbox) };
        assert_eq!(error.code(), code, "{:?}: {error}: {said}", machine.sandbox);
        assert!(error.to_string().contains(limit), "{error}");
    }
}

#[tokio::test]
async fn a_fork_bomb_is_stopped() {
    let bomb = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)\n";
    let stopped = async |script: &str| stopped(script, &small(), "BUILD_TOO_MANY_PROCESSES", "64 processes").await;
    stopped(bomb).await;
    let threads = "import threading, time\nthreading.stack_size(1 << 18)\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(60,)).start()\n    except RuntimeError: time.sleep(60)\n";
    stopped(threads).await;
}

#[tokio::test]
async fn a_memory_hog_is_stopped_alone_and_in_a_crowd() {
    let limit = format!("{} bytes of memory", 192 * MIB);
    let stopped = async |script: &str| stopped(script, &small(), "BUILD_OUT_OF_MEMORY", &limit).await;
    let alone = "import time\nheld = []\nwhile True:\n    held.append(b'x' * 4_000_000)\n    time.sleep(0.005)\n";
    stopped(alone).await;
    // None of these is too large by itself.
    let crowd = "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        held = b'x' * 40_000_000\n        time.sleep(60)\ntime.sleep(60)\n";
    stopped(crowd).await;
    let shared = "import mmap, time\nheld = []\nwhile True:\n    held.append(mmap.mmap(-1, 4_000_000))\n    held[-1].write(b'x' * 4_000_000)\n    time.sleep(0.005)\n";
    stopped(shared).await;
    // In files that no process has mapped.
    let unmapped = "import os, time\nwhile True:\n    file = os.memfd_create('x')\n    os.write(file, b'x' * 4_000_000)\n    time.sleep(0.005)\n";
    stopped(unmapped).await;
    if rustix::process::geteuid().is_root() {
        // Mapped, and given back by the process, but not by the kernel.
        let given_back = "import mmap, time\nheld = []\nwhile True:\n    held.append(mmap.mmap(-1, 4_000_000))\n    held[-1].write(b'x' * 4_000_000)\n    held[-1].madvise(mmap.MADV_DONTNEED)\n    time.sleep(0.005)\n";
        stopped(given_back).await;
    }
}

/// Says how each call ended that would get memory that nobody counts: with what, or with which error.
const HIDING: &str = r"
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == 'x86_64'
clone, unshare, clone3, shmget = (56, 272, 435, 29) if x86 else (220, 97, 435, 194)
def tried(name, number, *words):
    parent = os.getpid()
    done = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, words))
    if os.getpid() != parent: os._exit(0)
    print(name, 'done' if done >= 0 else os.strerror(ctypes.get_errno()), flush=True)
    return done
users, child = 0x10000000, 17
tried('clone', clone, users | child, 0, 0, 0, 0)
tried('clone3', clone3, 0, 0)
tried('segment', shmget, 0, 4097, 0o1600)
page = tried('page', shmget, 0, 4096, 0o1600)
libc.shmctl(page, 0, None)
tried('process', clone, child, 0, 0, 0, 0)
tried('unshare', unshare, users)
";

#[tokio::test]
async fn a_step_gets_neither_users_of_its_own_nor_large_segments_that_nobody_holds() {
    for machine in ways(&small()).await {
        let (done, said) = run(HIDING, "", &machine).await;
        assert!(done.is_ok(), "{done:?}: {said}");
        for call in ["clone", "clone3", "segment", "unshare"] {
            let refused = format!("{call} Function not implemented");
            assert!(said.contains(&refused), "{:?}: {call}: {said}", machine.sandbox);
        }
        assert!(said.contains("page done") && said.contains("process done"), "{:?}: {said}", machine.sandbox);
    }
}

#[tokio::test]
async fn memory_that_processes_share_is_counted_once() {
    let anonymous = "held = b'x' * 60_000_000";
    let file = "file = os.memfd_create('x')\nos.truncate(file, 60_000_000)\nheld = mmap.mmap(file, 60_000_000)";
    let shared = "import mmap, os, sys, time\nHELD\npids = []\nfor _ in range(6):\n    pid = os.fork()\n    if pid == 0:\n        WRITE\n        time.sleep(1.5)\n        os._exit(0)\n    pids.append(pid)\nfor pid in pids: os.waitpid(pid, 0)\n";
    for machine in ways(&small()).await {
        for (held, write) in [(anonymous, "pass"), (file, "for at in range(0, 60_000_000, 4096): held[at] = 1")] {
            let shared = shared.replace("HELD", held).replace("WRITE", write);
            let (done, said) = run(&shared, "", &machine).await;
            let done = done.unwrap_or_else(|error| panic!("{error}: {said}"));
            assert!((50 * MIB..192 * MIB).contains(&done.peak_memory_bytes), "{done:?}");
        }
    }
}

#[tokio::test]
async fn a_disk_filler_is_stopped_in_the_sources_in_tmp_in_one_file_and_in_files_without_a_name() {
    let many = |folder: &str| {
        let folder = format!("import os\nfolder = {folder}\nn = 0\nwhile True:\n    n += 1\n");
        folder + "    with open(f'{folder}/{n}', 'wb') as file: file.write(b'x' * 1_000_000)\n"
    };
    let limit = |limits: &BuildLimits| format!("more than {} bytes", limits.disk_bytes);
    let stopped = async |script: &str, limits| stopped(script, &limits, "BUILD_TOO_LARGE", &limit(&limits)).await;
    stopped(&many("'.'"), small()).await;
    stopped(&many("os.environ['TMPDIR']"), small()).await;
    let one = "file = open('one', 'wb')\nwhile True: file.write(b'x' * 100_000)\n";
    let limits = BuildLimits { disk_bytes: 32 * MIB, ..small() };
    stopped(one, limits).await;
    // Nothing of this is in any folder.
    let nameless = "import os\nheld = []\nwhile True:\n    held.append(open('x', 'wb', 0))\n    os.unlink('x')\n    held[-1].write(b'x' * 1_000_000)\n";
    stopped(nameless, limits).await;
    // Holes weigh nothing until they are copied.
    let holes = "for n in range(4): open(f'hole{n}', 'wb').truncate(30 << 20)\n";
    stopped(holes, limits).await;
}

#[tokio::test]
async fn a_sleeper_is_stopped_with_everything_it_started() {
    let limits = BuildLimits { seconds: 2, ..small() };
    let sleeper = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.execvp('sleep', ['sleep', '7531.5'])\n    os._exit(0)\ntime.sleep(7532)\n";
    stopped(sleeper, &limits, "BUILD_TIMEOUT", "2 s").await;
    until(|| running(&["sleep", "7531.5"]) == 0, "it runs on").await;
}

#[tokio::test]
async fn a_build_that_reaches_for_the_network_is_told_so() {
    if !sandboxed().await {
        return;
    }
    let name = "import socket\nsocket.create_connection(('example.org', 80), 5)\n";
    assert_eq!(code(name).await, "BUILD_NETWORK_REFUSED");
    let address = "import socket\nsocket.create_connection(('1.1.1.1', 80), 5)\n";
    assert_eq!(code(address).await, "BUILD_NETWORK_REFUSED");
    let v6 = "import socket\nsocket.create_connection(('2606:4700::1111', 80), 5)\n";
    assert_eq!(code(v6).await, "BUILD_NETWORK_REFUSED");
    // One that fails for a reason of its own is not: its own loopback is there.
    let loopback = "import socket\nserver = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(server.getsockname())\nraise SystemExit(4)\n";
    assert_eq!(code(loopback).await, "BUILD_FAILED");
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
    assert!(matches!(code(&ask).await, "BUILD_FAILED" | "BUILD_NETWORK_REFUSED"));
    let (done, said) = run(&ask, "network = true\n", &machine(&small()).await).await;
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
    tokio::time::timeout(Duration::from_mins(1), begun).await.expect("it begins");
    let sleepers = || running(&["sleep", "86399.25"]);
    until(|| sleepers() == 2, "both run").await;
    building.abort();
    until(|| sleepers() == 0, "none runs").await;
    until(|| fs::read_dir(folder.path()).unwrap().count() == 1, "its folder is gone").await;
    assert!(!Path::new(&folder.path().join("out")).exists());
}

#[tokio::test]
async fn orphans_that_have_ended_do_not_count_among_the_processes() {
    // Each is gone before the next begins; only who takes it up is missing.
    let orphans = "import os\nfor _ in range(600):\n    r, w = os.pipe()\n    if os.fork() == 0:\n        os.fork()\n        os._exit(0)\n    os.close(w)\n    os.wait()\n    os.read(r, 1)\n    os.close(r)\n";
    for machine in ways(&BuildLimits { processes: 100, ..small() }).await {
        let (done, said) = run(orphans, "", &machine).await;
        assert!(done.is_ok(), "{:?}: {done:?}: {said}", machine.sandbox);
    }
}

#[tokio::test]
async fn the_builds_own_variables_reach_nothing_that_stands_outside_of_its_limits() {
    for machine in ways(&small()).await {
        let (done, said) = run("pass", "env = { LD_PRELOAD = \"./nothing.so\" }\n", &machine).await;
        assert!(done.is_ok(), "{done:?}: {said}");
        // Every program that is started with it says that the library is missing: the shell and Python are.
        assert_eq!(said.matches("cannot be preloaded").count(), 2, "{:?}: {said}", machine.sandbox);
    }
}

#[tokio::test]
async fn what_a_step_leaves_for_the_worker_to_read_neither_holds_it_up_nor_leads_it_away() {
    if !sandboxed().await {
        return;
    }
    for left in ["os.mkfifo(said)", "os.symlink('/dev/zero', said)"] {
        // Without its shell, which would write there itself.
        let leave =
            format!("import os\nsaid = '/build/said/net'\n{left}\nos.kill(os.getppid(), 9)\nraise SystemExit(3)\n");
        assert_eq!(code(&leave).await, "BUILD_FAILED", "{left}");
    }
}
