//! What is handed out: the archive of `./dev dist` is the same twice, unpacks to a program that runs, and its sums are right; the
//! systemd units are ones that systemd understands. The trap avoided: an archive that was never unpacked.

use rhone_tests::program::{self, path, root, text};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Packs the program that the tests run.
fn packed(to: &Path) -> PathBuf {
    let output = Command::new(root().join("dev"))
        .args(["dist"])
        .arg(to)
        .envs([("RHONE_PROFILE", "debug"), ("SOURCE_DATE_EPOCH", "1764201600")])
        .env("RHONE_BINARY", path("rhone"))
        .output()
        .expect("./dev runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    PathBuf::from(text(&output.stdout).trim())
}

fn run(program: impl AsRef<Path>, words: &[&str], folder: &Path) -> String {
    let output = Command::new(program.as_ref()).args(words).current_dir(folder).output().expect("it runs");
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_archive_is_the_same_twice_and_what_is_in_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (packed(&folder.path().join("a")), packed(&folder.path().join("b")));
    assert_eq!(first.file_name(), second.file_name());
    assert!(fs::read(&first).expect("it is there") == fs::read(&second).expect("it is there"), "not reproducible");
    let out = first.parent().expect("a folder");
    run("sha256sum", &["--check", "--quiet", "SHA256SUMS"], out);
    run("tar", &["-xzf", first.to_str().expect("text")], out);
    let name = first.file_name().expect("a name").to_str().expect("text").trim_end_matches(".tar.gz");
    let unpacked = out.join(name);
    run("sha256sum", &["--check", "--quiet", "--strict", "SHA256SUMS"], &unpacked);

    let rhone = unpacked.join("bin/rhone");
    let version = run(&rhone, &["--version"], &unpacked);
    assert_eq!(name, format!("rhone-{}-linux-{}", version.trim().trim_start_matches("rhone "), std::env::consts::ARCH));
    let reference = run(&rhone, &["config", "reference"], &unpacked);
    assert_eq!(reference, fs::read_to_string(unpacked.join("docs/configuration.md")).expect("it is packed"));
    for file in [
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "docs/install.md",
        "man/man1/rhone.1",
        "completions/rhone.bash",
        "completions/_rhone",
        "completions/rhone.fish",
        "packaging/compose.yaml",
        "packaging/Dockerfile",
        "systemd/rhone-api.service",
        "systemd/rhone-worker.service",
        "systemd/rhone-edge.service",
        "systemd/rhone-runner.service",
        "systemd/rhone.sysusers.conf",
    ] {
        assert!(unpacked.join(file).is_file(), "{file} is missing");
    }
    // What is packed is of this program: each shell completes a command of it, and each command has its page.
    let told = ["completions/rhone.bash", "completions/_rhone", "completions/rhone.fish", "man/man1/rhone-rollback.1"];
    for file in told {
        let said = fs::read_to_string(unpacked.join(file)).expect("it is packed");
        assert!(said.contains("rollback") && said.contains("acknowledge"), "{file} knows `rhone rollback`");
    }
    run("bash", &["-n", "completions/rhone.bash"], &unpacked);
    let sums = fs::read_to_string(unpacked.join("SHA256SUMS")).expect("it is packed");
    let packed_files = run("find", &[".", "-type", "f"], &unpacked).lines().count();
    assert_eq!(sums.lines().count() + 1, packed_files, "every file has a sum");
    what_pages_link_to_is_packed(&unpacked);
}

fn what_pages_link_to_is_packed(unpacked: &Path) {
    let pages = run("find", &[".", "-name", "*.md"], unpacked);
    let found = || pages.lines().flat_map(|page| dangling(unpacked, page)).collect::<Vec<_>>();
    assert_eq!(found(), Vec::<String>::new());
    // The sin: a page that README links to is not packed.
    fs::remove_file(unpacked.join("domain/events.md")).expect("it is packed");
    assert_eq!(found(), ["./README.md: domain/events.md"]);
}

/// The relative links of a page below a folder that lead to nothing in it.
fn dangling(folder: &Path, page: &str) -> Vec<String> {
    let said = fs::read_to_string(folder.join(page)).unwrap_or_default();
    let beside = folder.join(page).parent().expect("a file is in a folder").to_owned();
    let links = said.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let nowhere = |link: &&str| {
        let file = link.split('#').next().unwrap_or_default();
        !link.contains("://") && !beside.join(file).exists()
    };
    links.filter(nowhere).map(|link| format!("{page}: {link}")).collect()
}

const UNITS: [&str; 4] = ["rhone-api", "rhone-worker", "rhone-edge", "rhone-runner"];

fn unit(name: &str) -> String {
    fs::read_to_string(root().join(format!("packaging/systemd/{name}.service"))).expect("there is such a unit")
}

/// Where nothing is built and no app runs.
const CLOSED: [&str; 2] = ["rhone-api", "rhone-edge"];
/// Where builds and apps inherit what the unit says.
const OPEN: [&str; 2] = ["rhone-worker", "rhone-runner"];
const BUT_RUNNER: [&str; 3] = ["rhone-api", "rhone-worker", "rhone-edge"];
const BUT_EDGE: [&str; 3] = ["rhone-api", "rhone-worker", "rhone-runner"];

/// All that shuts a part in and keeps it going, and whose units say it; the head of the others says why they do not.
const HARDENED: [(&str, &[&str]); 34] = [
    ("Restart=always", &UNITS),
    ("RestartSec=1", &UNITS),
    ("UMask=0077", &BUT_RUNNER),
    ("UMask=0027", &["rhone-runner"]),
    ("StateDirectoryMode=0700", &BUT_RUNNER),
    ("StateDirectoryMode=0711", &["rhone-runner"]),
    ("CapabilityBoundingSet=", &BUT_EDGE),
    ("CapabilityBoundingSet=CAP_NET_BIND_SERVICE", &["rhone-edge"]),
    ("AmbientCapabilities=CAP_NET_BIND_SERVICE", &["rhone-edge"]),
    ("DynamicUser=yes", &["rhone-edge"]),
    ("NoNewPrivileges=yes", &UNITS),
    ("ProtectSystem=strict", &UNITS),
    ("ReadWritePaths=/tmp /var/tmp", &["rhone-runner"]),
    ("ProtectHome=yes", &UNITS),
    ("PrivateTmp=yes", &BUT_RUNNER),
    ("PrivateDevices=yes", &UNITS),
    ("ProtectClock=yes", &UNITS),
    ("ProtectControlGroups=yes", &BUT_RUNNER),
    ("ProtectHostname=yes", &UNITS),
    ("ProtectKernelLogs=yes", &UNITS),
    ("ProtectKernelModules=yes", &UNITS),
    ("ProtectKernelTunables=yes", &UNITS),
    ("ProtectProc=invisible", &BUT_RUNNER),
    ("LockPersonality=yes", &UNITS),
    ("MemoryDenyWriteExecute=yes", &CLOSED),
    ("RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", &CLOSED),
    ("RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK", &OPEN),
    ("RestrictNamespaces=yes", &CLOSED),
    ("RestrictRealtime=yes", &UNITS),
    ("RestrictSUIDSGID=yes", &UNITS),
    ("SystemCallArchitectures=native", &UNITS),
    ("SystemCallFilter=@system-service", &CLOSED),
    ("SystemCallFilter=~@privileged @resources", &CLOSED),
    ("SystemCallErrorNumber=EPERM", &CLOSED),
];

/// What a unit says of its own work.
const OWN: [&str; 11] = [
    "Type=",
    "ExecStart=",
    "LoadCredential=",
    "KillMode=",
    "SendSIGKILL=",
    "TimeoutStopSec=",
    "User=",
    "Group=",
    "StateDirectory=",
    "Limit",
    "TasksMax=",
];

/// What a unit lacks of the list, and what it says that is not on it.
fn unlike(name: &str, text: &str) -> Vec<String> {
    let (head, rest) = text.split_once("\n[Service]\n").expect("a unit of a service");
    let said: Vec<&str> = rest.split("\n[Install]\n").next().unwrap_or_default().lines().collect();
    let wanted: Vec<&str> = HARDENED.iter().filter(|(_, units)| units.contains(&name)).map(|(line, _)| *line).collect();
    let lacks = wanted.iter().filter(|line| !said.contains(line)).map(|line| format!("{name} lacks {line}"));
    let of_its_own = |line: &str| line.is_empty() || OWN.iter().any(|own| line.starts_with(own));
    let more = said.iter().filter(|line| !wanted.contains(line) && !of_its_own(line));
    let more = more.map(|line| format!("{name} says {line}"));
    let limit = (!head.contains("\nStartLimitIntervalSec=0\n")).then(|| format!("{name} gives up"));
    lacks.chain(more).chain(limit).collect()
}

#[test]
fn every_unit_says_the_whole_list_and_is_started_for_ever() {
    for name in UNITS {
        let text = unit(name);
        assert_eq!(unlike(name, &text), Vec::<String>::new());
        // The sins: each line left out, one that nobody asked for, and a limit where systemd does not read it.
        for (line, _) in HARDENED.iter().filter(|(_, units)| units.contains(&name)) {
            let without = text.replacen(&format!("\n{line}\n"), "\n", 1);
            assert_eq!(unlike(name, &without), [format!("{name} lacks {line}")]);
        }
        let more = text.replace("\nRestart=always\n", "\nRestart=always\nPrivateUsers=yes\n");
        assert_eq!(unlike(name, &more), [format!("{name} says PrivateUsers=yes")]);
        let elsewhere = text.replace("StartLimitIntervalSec=0\n", "");
        assert_eq!(unlike(name, &elsewhere), [format!("{name} gives up")]);
    }
}

#[test]
fn the_runners_apps_outlive_it_and_the_edge_has_no_user_of_its_own() {
    let runner = unit("rhone-runner");
    assert!(runner.contains("\nKillMode=process\n") && runner.contains("\nSendSIGKILL=no\n"));
    assert!(!runner.contains("\nPrivateTmp="), "apps outlive the folder");
    assert!(unit("rhone-edge").contains("\nDynamicUser=yes\n"));
}

/// A list that is written by nobody is read by nobody: it is made of what the tests print.
#[test]
fn what_tests_did_not_try_is_listed_with_the_test_and_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("test.log");
    let listed = |printed: &str| {
        fs::write(&log, printed).expect("a file");
        let output = Command::new(root().join("dev")).arg("skipped").arg(&log).output().expect("./dev runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let said = "test engine::runs ... ok\ntest soak ... ignored, takes minutes\n\nsuccesses:\n\n---- engine::runs stdout ----\n\
        SKIPPED: `dockerd` is not installed\nnoise\n\ntest result: ok. 1 passed\nSKIPPED: by a thread\n";
    assert_eq!(
        listed(said),
        "SKIPPED:\n  soak: takes minutes\n  engine::runs: `dockerd` is not installed\n  a test: by a thread\n"
    );
    assert_eq!(listed("test engine::runs ... ok\ntest result: ok. 1 passed\n"), "SKIPPED: nothing\n");
}

/// The sins: a set whose own line is missing, whatever its mutants or another test of it came to, one that came to less than all
/// of it, be it far to the right, one that leaked or left something out, and one that tried nothing.
#[test]
fn a_set_without_its_line_or_short_of_the_whole_fails_unless_it_was_said_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("test.log");
    let whole = "S1: 7/7 cells\nS1: 3/3 more\nS1: 9 fields, 0 without a row\nS2: 3/3\nS3: 5/5 questions\n\
        S3: 0 rows leaked, in 0 of 40 tables\nS5: 4/4\nS7: 4/4\nS8: 1/1\nS8 in Chromium: 2/2\nS9: 61/61\nS10: 1/1\nS14: 3/3\n\
        S14 mutants: 4/4 caught\nS15: 7/7\n";
    let told = |printed: &str| {
        fs::write(&log, printed).expect("a file");
        let output = Command::new(root().join("dev")).arg("sets").arg(&log).output().expect("./dev runs");
        (output.status.success(), text(&output.stdout))
    };
    assert!(told(whole).0, "{whole}");
    let skipped = whole.replace("S9: 61/61", "SKIPPED: the audit (S9): node is not there");
    assert!(told(&skipped).0 && told(&skipped).1.contains("S9: skipped"), "{}", told(&skipped).1);
    let far = format!("S7: 4/4 {} 3/4", "x".repeat(200));
    for (was, is, named) in [
        ("S15: 7/7\n", "", "S15: NO LINE"),
        ("S9: 61/61\n", "", "S9: NO LINE"),
        ("S14: 3/3\n", "", "S14: NO LINE"),
        ("S8: 1/1\n", "", "S8: NO LINE"),
        ("S3: 5/5 questions\n", "", "S3: NO LINE"),
        ("S1: 7/7 cells\n", "", "S1: NO LINE"),
        ("S1: 3/3 more", "S1: 2/3 more", "S1: NOT ALL OF IT"),
        ("0 without a row", "30 without a row", "S1: NOT ALL OF IT"),
        ("0 rows leaked", "7 rows leaked", "S3: NOT ALL OF IT"),
        ("S7: 4/4", far.as_str(), "S7: NOT ALL OF IT"),
        ("S14 mutants: 4/4", "S14 mutants: 3/4", "S14: NOT ALL OF IT"),
        ("S8: 1/1", "S8: 0/0", "S8: NOT ALL OF IT"),
    ] {
        let (sound, said) = told(&whole.replace(was, is));
        assert!(!sound && said.contains(named), "{was} as {is}: {said}");
        assert_eq!(said.matches("NO LINE").count() + said.matches("NOT ALL").count(), 1, "{named} alone: {said}");
    }
}

#[test]
fn systemd_understands_every_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = path("rhone");
    for name in UNITS {
        let text = unit(name).replace("/usr/bin/rhone", program.to_str().expect("text"));
        let file = folder.path().join(format!("{name}.service"));
        fs::write(&file, text).expect("ours");
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output().expect("it runs");
        let told = program::text(&output.stderr);
        let about_us: Vec<&str> = told.lines().filter(|line| line.contains("rhone-")).collect();
        assert!(output.status.success() && about_us.is_empty(), "{name}: {told}");
    }
    // The trap: a check that lets everything through.
    let file = folder.path().join("rhone-wrong.service");
    fs::write(&file, "[Service]\nExecStart=/bin/true\nProtectSystem=perhaps\nDynamicUsr=yes\n").expect("ours");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output().expect("it runs");
    assert!(text(&output.stderr).contains("DynamicUsr"), "{}", text(&output.stderr));
}
