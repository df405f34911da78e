//! Builds where no sandbox can be made: the same bytes, nothing of them that lives on, and a warning that is true. What ends
//! them is the guard, a process of its own; what a group alone would leave is tried beside it.

use crate::{
    build::{built_on, example, has_sandbox, sources},
    machines::{guard, machine, pids, plain, running, until, ways},
    repository::{log, said},
};
use rhone_builder::build::{BuildLimits, Sandbox};
use rhone_providers::artifact_pack::pack_directory;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const DECLARED: &str = "process = [\"x\"]\n[build]\ncommand = [\"python3\", \"-u\", \"run.py\"]\n";

/// Starts a program that left its session and its parents and kept nothing of their environment, and says so when it runs.
fn daemon(seconds: &str, then: &str) -> String {
    format!(
        "import os, sys, time\nr, w = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() > 0: os._exit(0)\n    os.setsid()\n\
         \x20   for n in (0, 1, 2, r): os.close(n)\n    os.set_inheritable(w, False)\n    os.execve('/usr/bin/sleep', ['sleep', '{seconds}'], {{}})\n\
         os.close(w)\nos.read(r, 1)\nprint('begun', flush=True)\n{then}\n"
    )
}

#[tokio::test]
async fn a_plain_process_gives_the_bytes_that_the_sandbox_gives_and_says_what_is_open() {
    let folder = sources(&[]);
    let mut copied = Command::new("cp");
    copied.arg("-R").arg(example("python-counter").join(".")).arg(folder.path().join("in"));
    assert!(copied.status().unwrap().success());
    let limits = BuildLimits::default();
    let mut digests = Vec::new();
    for (name, machine) in [("sandbox", machine(&limits).await), ("plain", plain(&limits))] {
        let (log, lines) = log();
        let output = folder.path().join(name);
        let done = built_on(&machine, &folder.path().join("in"), &output, &log).await;
        let said = said(lines);
        let done = done.unwrap_or_else(|error| panic!("{name}: {error}: {said}"));
        if name == "sandbox" && !has_sandbox(&done) {
            continue;
        }
        digests.push(pack_directory(&output, std::io::sink()).expect("packed").digest);
        assert_eq!(matches!(done.sandbox, Sandbox::Plain(_)), name == "plain");
        assert_eq!(said.contains("WARNING: this build runs without a sandbox: the test wants none"), name == "plain");
        assert_eq!(said.contains("Not protected from it: "), name == "plain", "{said}");
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[tokio::test]
async fn what_left_its_session_is_gone_when_the_build_has_ended() {
    for (seconds, then) in [("80011.5", ""), ("80012.5", "sys.exit(3)"), ("80013.5", "os.kill(os.getpid(), 9)")] {
        let folder = sources(&[("run.py", &daemon(seconds, then)), ("rhone.toml", DECLARED)]);
        let (log, lines) = log();
        let machine = plain(&BuildLimits::default());
        let done = built_on(&machine, &folder.path().join("in"), &folder.path().join("out"), &log).await;
        // It is not waited for: the build has not ended before it has.
        assert_eq!(running(&["sleep", seconds]), 0, "{then}");
        let said = said(lines);
        assert!(said.contains("begun") && done.is_ok() == then.is_empty(), "{done:?}: {said}");
        assert_eq!(done.err().map(|error| error.code()), (!then.is_empty()).then_some("BUILD_FAILED"));
    }
}

#[tokio::test]
async fn what_left_its_session_is_gone_after_the_limit_of_time() {
    let folder = sources(&[("run.py", &daemon("80021.5", "time.sleep(80022)")), ("rhone.toml", DECLARED)]);
    let (log, lines) = log();
    let machine = plain(&BuildLimits { seconds: 10, ..BuildLimits::default() });
    let done = built_on(&machine, &folder.path().join("in"), &folder.path().join("out"), &log).await;
    assert_eq!(done.expect_err("it takes for ever").code(), "BUILD_TIMEOUT");
    assert_eq!(running(&["sleep", "80021.5"]), 0);
    assert!(said(lines).contains("begun"));
}

#[tokio::test]
async fn what_left_its_session_is_gone_when_nobody_waits_for_the_build_any_more() {
    let folder = sources(&[("run.py", &daemon("80031.5", "time.sleep(80032)")), ("rhone.toml", DECLARED)]);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let (log, mut lines) = log();
    let machine = plain(&BuildLimits::default());
    let building = tokio::spawn(async move { built_on(&machine, &input, &output, &log).await });
    let begun = async { while lines.recv().await.is_some_and(|line| line.text != "begun") {} };
    tokio::time::timeout(Duration::from_mins(1), begun).await.expect("it begins");
    // Its pipe closes a moment before it is known by its words.
    until(|| running(&["sleep", "80031.5"]) == 1, "it does not run").await;
    building.abort();
    until(|| running(&["sleep", "80031.5"]) == 0, "it runs on").await;
    until(|| fs::read_dir(folder.path()).unwrap().count() == 1, "its folder is gone").await;
}

#[tokio::test]
async fn a_build_has_a_session_of_its_own_and_no_terminal() {
    // Its parent is the shell, which leads the session.
    let look = "import os\nprint('session', os.getsid(0) == os.getppid())\n\
        try: os.open('/dev/tty', os.O_RDWR)\nexcept OSError: print('no terminal')\n";
    let folder = sources(&[("run.py", look), ("rhone.toml", DECLARED)]);
    let (log, lines) = log();
    let machine = plain(&BuildLimits::default());
    let done = built_on(&machine, &folder.path().join("in"), &folder.path().join("out"), &log).await;
    let said = said(lines);
    assert!(done.is_ok() && said.contains("session True\nno terminal\n"), "{done:?}: {said}");
}

/// The kernel lets no single argument be longer than 128 KiB; an order was one, and held all that a plan says.
#[tokio::test]
async fn a_plan_of_a_megabyte_is_carried_out_with_a_sandbox_and_without() {
    // A command may have a thousand words.
    let count = 990;
    let words: Vec<String> = (0..count).map(|number| format!("{number}-{}", "x".repeat(1_100))).collect();
    let command: Vec<&str> = ["python3", "-u", "run.py"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let plan = format!("process = [\"x\"]\n[build]\ncommand = {}\n", json!(command));
    let run = "import sys\nprint('words', len(sys.argv) - 1, sum(map(len, sys.argv[1:])), flush=True)\n";
    let told = format!("words {count} {}\n", words.iter().map(String::len).sum::<usize>());
    for machine in ways(&BuildLimits::default()).await {
        let folder = sources(&[("run.py", run), ("rhone.toml", &plan)]);
        let (log, lines) = log();
        let done = built_on(&machine, &folder.path().join("in"), &folder.path().join("out"), &log).await;
        let said = said(lines);
        done.unwrap_or_else(|error| panic!("{:?}: {error}", machine.sandbox));
        assert!(said.contains(&told), "{:?}: {}", machine.sandbox, said.chars().take(4_000).collect::<String>());
    }
}

/// A worker that is killed closes what it holds and does nothing else.
#[tokio::test]
async fn what_left_its_session_is_gone_when_the_worker_is_dead_and_a_group_alone_would_leave_it() {
    let folder = sources(&[("run.py", &daemon("80041.5", "time.sleep(80042)"))]);
    let script = folder.path().join("in/run.py");
    let within = json!({ "writable": [folder.path()], "brought": null, "network": "Closed" });
    let order = json!({ "within": within, "words": ["/usr/bin/python3", script] });
    let mut guarded = Command::new(guard());
    guarded.arg("build-guard").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut guarded = guarded.spawn().unwrap();
    writeln!(guarded.stdin.as_mut().unwrap(), "{order}").unwrap();
    let mut begun = [0; 6];
    guarded.stdout.take().unwrap().read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"begun\n");
    until(|| running(&["sleep", "80041.5"]) == 1, "it does not run").await;
    drop(guarded.stdin.take());
    until(|| running(&["sleep", "80041.5"]) == 0, "it runs on").await;
    guarded.wait().unwrap();

    let mut group = Command::new("/usr/bin/python3");
    group.arg("-c").arg(daemon("80043.5", "time.sleep(80044)")).process_group(0).stdout(Stdio::piped());
    // What it leaves holds open what it prints to, and whoever reads what tests print would wait for it.
    group.stderr(Stdio::null());
    let mut group = group.spawn().unwrap();
    group.stdout.take().unwrap().read_exact(&mut begun).unwrap();
    kill_process_group(Pid::from_child(&group), Signal::KILL).unwrap();
    group.wait().unwrap();
    until(|| running(&["sleep", "80043.5"]) == 1, "a guard would be of no use").await;
    for pid in pids(&["sleep", "80043.5"]) {
        kill_process(pid, Signal::KILL).unwrap();
    }
}

/// Tries, as the worker's own user, what only that user may.
const NOSY: &str = "
import os, signal, socket, sys
secret, port = sys.argv[1], int(sys.argv[2])
def tried(name, what):
    try: what(); print(name, 'DONE')
    except OSError as error: print(name, 'refused')
tried('secret', lambda: open(secret).read())
tried('write', lambda: open(secret, 'a').write('x'))
tried('environ', lambda: open(f'/proc/{os.getppid()}/environ').read())
tried('kill', lambda: os.kill(os.getppid(), signal.SIGKILL))
tried('tcp', lambda: socket.create_connection(('127.0.0.1', port), 5))
tried('own', lambda: open('own', 'w').write('x'))
tried('null', lambda: open('/dev/null', 'w').write('x'))
";

/// Runs it as a user who is not root, as a worker that is not root would: behind the guard, or without one.
fn nosy(guard: Option<&Path>, folder: &Path, port: u16) -> String {
    let (secret, script) = (folder.join("rhone.json"), folder.join("nosy.py"));
    let words = json!(["/usr/bin/python3", script, secret, port.to_string()]);
    let within = json!({ "writable": [folder.join("room")], "brought": script, "network": "Closed" });
    let order = json!({ "within": within, "words": words });
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).current_dir(folder.join("room"));
    match guard {
        Some(guard) => command.arg(guard).arg("build-guard"),
        None => command.args(words.as_array().unwrap().iter().map(|word| word.as_str().unwrap())),
    };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    if guard.is_some() {
        writeln!(child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    child.wait().unwrap();
    told
}

#[tokio::test]
async fn what_only_the_workers_user_may_read_is_closed_to_a_build_that_is_the_same_user() {
    let by_root = rustix::process::geteuid().is_root();
    let folder = sources(&[("app.py", ""), ("rhone.toml", "[build]\ncommand = \"true\"\n")]);
    let (log, lines) = log();
    let machine = plain(&BuildLimits::default());
    built_on(&machine, &folder.path().join("in"), &folder.path().join("out"), &log).await.expect("built");
    let warning = said(lines);
    if !by_root || warning.contains("every file of") || !warning.contains("by other ways than TCP") {
        eprintln!(
            "SKIPPED: what a build may open without a sandbox was not tried: root does not run this test, or the kernel has no Landlock"
        );
        return;
    }
    for (name, text) in [("rhone.json", "CANARY"), ("nosy.py", NOSY)] {
        fs::write(folder.path().join(name), text).unwrap();
        std::os::unix::fs::chown(folder.path().join(name), Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(folder.path().join("rhone.json"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(folder.path().join("room")).unwrap();
    std::os::unix::fs::chown(folder.path().join("room"), Some(65534), Some(65534)).unwrap();
    let program = folder.path().join("guard");
    fs::copy(guard(), &program).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let told = nosy(Some(&program), folder.path(), port);
    for closed in ["secret", "write", "environ", "tcp"] {
        assert!(told.contains(&format!("{closed} refused\n")), "{closed}: {told}");
    }
    for open in ["own", "null"] {
        assert!(told.contains(&format!("{open} DONE\n")), "{open}: {told}");
    }
    // Since 6.12 signals are held as well; where they are not, the warning of a worker that is not root says so.
    assert!(told.contains("kill refused") || told.contains("kill DONE"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("rhone.json")).unwrap(), "CANARY");
    let told = nosy(None, folder.path(), port);
    for open in ["secret", "write", "tcp"] {
        assert!(told.contains(&format!("{open} DONE\n")), "nothing was to be closed, {open}: {told}");
    }
}
