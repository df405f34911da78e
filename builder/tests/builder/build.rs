//! From a commit to bytes: the same commit gives the same digest, wherever and whenever it is built, and nothing of the host
//! comes into it.

use crate::{
    machines::machine,
    repository::{Repository, fetched, log, said, source},
};
use rhone_builder::{
    build::{BuildError, BuildLimits, Built, Machine, Sandbox, build},
    log::Log,
    plan::{Programs, settle},
    source::Reference,
};
use rhone_domain::{digest::Digest, hidden::Hidden, logs::Mask};
use rhone_providers::{artifact_facts::read_facts, artifact_pack::pack_directory};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

pub(crate) async fn built(folder: &Path, output: &Path, limits: &BuildLimits, log: &Log) -> Result<Built, BuildError> {
    built_on(&machine(limits).await, folder, output, log).await
}

pub(crate) async fn built_on(machine: &Machine, folder: &Path, output: &Path, log: &Log) -> Result<Built, BuildError> {
    let beside = output.parent().unwrap();
    let plan = settle(folder, beside, &Programs::of_this_machine(), machine, log).await;
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    build(folder, &plan, output, machine, log).await
}

pub(crate) fn has_sandbox(built: &Built) -> bool {
    match &built.sandbox {
        Sandbox::Bubblewrap => true,
        Sandbox::Plain(why) => {
            eprintln!("SKIPPED: this machine makes no sandbox: {why}");
            false
        }
    }
}

/// A folder of sources.
pub(crate) fn sources(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    // A build without a sandbox has a user of its own.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    for (name, text) in files {
        let path = folder.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// Commits the folder, then fetches, builds and packs the commit in a folder of its own, `times` times.
async fn digests(name: &str, times: usize) -> Vec<Digest> {
    let repository = Repository::new();
    let copied =
        std::process::Command::new("cp").arg("-R").arg(example(name).join(".")).arg(repository.path()).status();
    assert!(copied.unwrap().success());
    let commit = repository.commit("An example");
    let mut digests = Vec::new();
    for turn in 0..times {
        let room = tempfile::Builder::new().prefix(&"x".repeat(turn * 7 + 1)).tempdir().unwrap();
        let folder = room.path().join("source");
        fetched(&source(&repository.url(), Reference::Commit(commit.clone())), &folder).await.expect("fetched");
        let (log, lines) = log();
        let output = room.path().join("output");
        let done = built(&folder, &output, &BuildLimits::default(), &log).await;
        done.unwrap_or_else(|error| panic!("{name}: {error}: {}", said(lines)));
        let mut tar = Vec::new();
        digests.push(pack_directory(&output, &mut tar).expect("packed").digest);
        let facts = read_facts(tar.as_slice()).expect("facts");
        assert_eq!(facts.source.expect("a source").commit, commit);
        assert!(!facts.command.is_empty());
        assert!(output.join("public/index.html").exists(), "the build's own work is in it");
    }
    digests
}

#[tokio::test]
async fn the_same_commit_of_the_python_example_gives_the_same_digest() {
    let digests = digests("python-counter", 3).await;
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[tokio::test]
async fn the_same_commit_of_the_node_example_gives_the_same_digest() {
    if !Path::new("/usr/bin/node").exists() && !Path::new("/usr/local/bin/node").exists() {
        eprintln!("SKIPPED: node is not installed");
        return;
    }
    let digests = digests("node-counter", 2).await;
    assert_eq!(digests[0], digests[1]);
}

/// Writes down everything by which two builds could differ, besides the time and chance themselves.
const NOSY: &str = "
import os, sys, glob, py_compile
with open('told.txt', 'w') as told:
    told.write(os.getcwd() + os.environ['HOME'] + os.environ.get('TMPDIR', '') + repr(sorted(os.environ.items())))
    for path in sorted(glob.glob('**', recursive=True)):
        found = os.stat(path)
        if path != 'told.txt' and os.path.isfile(path):
            told.write(f'{path} {found.st_mtime} {found.st_mode}\\n')
    told.write(os.uname().nodename + open('/etc/passwd').read().replace(str(os.getuid()), 'UID'))
py_compile.compile('app.py')
";

#[tokio::test]
async fn a_build_that_writes_down_all_it_can_see_gives_the_same_digest() {
    let mut digests = Vec::new();
    for turn in 0..2 {
        let folder = sources(&[
            ("app.py", "print('x')\n"),
            ("nosy.py", NOSY),
            ("rhone.toml", "[build]\ncommand = [\"python3\", \"nosy.py\"]\n"),
        ]);
        // Modes and times of the sources are whoever's checked them out.
        let mode = if turn == 0 { 0o600 } else { 0o664 };
        fs::set_permissions(folder.path().join("in/app.py"), fs::Permissions::from_mode(mode)).unwrap();
        let output = folder.path().join(format!("out{turn}"));
        let done = built(&folder.path().join("in"), &output, &BuildLimits::default(), &log().0).await.expect("built");
        if !has_sandbox(&done) {
            return;
        }
        digests.push(pack_directory(&output, std::io::sink()).unwrap().digest);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn no_secret_of_the_host_reaches_a_build() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("canary"), "CANARY-FILE").unwrap();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(home.path(), open).unwrap();
    let look = format!(
        "import os\nseen = repr(dict(os.environ))\n\
         for path in ['{home}/canary', '/proc/1/environ', '/proc/self/environ', '/etc/shadow', '/etc/hostname', '/root', '/home', '/var', '/run', '/sys', '/boot', '/srv', '/opt', '/mnt', '/work']:\n\
         \x20   try: seen += path + repr(open(path, 'rb').read())\n\
         \x20   except IsADirectoryError: seen += path + 'FOLDER' + repr(os.listdir(path))\n\
         \x20   except OSError: pass\n\
         for pid in filter(str.isdigit, os.listdir('/proc')):\n\
         \x20   try: seen += open(f'/proc/{{pid}}/cmdline').read() + open(f'/proc/{{pid}}/environ').read()\n\
         \x20   except OSError: pass\n\
         open('seen.txt', 'w').write(seen)\n\
         status = dict(line.split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)\n\
         caps = [status[name].strip() for name in ('CapEff', 'CapPrm', 'CapBnd', 'CapAmb')]\n\
         open('power.txt', 'w').write(repr((caps, status['NoNewPrivs'].strip(), os.getuid())))\n\
         for path in ['/usr/x', '/x', '/etc/x', '/dev/x', '/build/x', '/bin/x']:\n\
         \x20   try: open(path, 'w'); open('wrote.txt', 'a').write(path)\n\
         \x20   except OSError: pass\n",
        home = home.path().display()
    );
    let folder = sources(&[
        ("app.py", ""),
        ("look.py", &look),
        ("rhone.toml", "[build]\ncommand = [\"python3\", \"look.py\"]\n"),
    ]);
    let output = folder.path().join("out");
    // The test's own environment is the host's: cargo put these there, and whoever runs it has a HOME.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let done = built(&folder.path().join("in"), &output, &BuildLimits::default(), &log().0).await.expect("built");
    let seen = fs::read_to_string(output.join("seen.txt")).unwrap();
    let host_home = std::env::var("HOME").unwrap_or_default();
    assert!(!seen.contains("CARGO") && !seen.contains("RUST"), "{seen}");
    if !has_sandbox(&done) {
        return;
    }
    assert!(host_home.len() < 2 || !seen.contains(&format!("'HOME': '{host_home}'")), "{seen}");
    for canary in ["CANARY", "FOLDER", "/etc/shadowb", "/etc/hostnameb", &home.path().display().to_string()] {
        assert!(!seen.replace(&look, "").contains(canary), "{canary}: {seen}");
    }
    let power = fs::read_to_string(output.join("power.txt")).unwrap();
    assert!(
        power.matches("0000000000000000").count() >= 3 && power.contains("'1'") && !power.ends_with(" 0)"),
        "{power}"
    );
    assert!(!output.join("wrote.txt").exists(), "{:?}", fs::read_to_string(output.join("wrote.txt")));
}

#[tokio::test]
async fn only_the_output_that_is_named_becomes_the_artifact() {
    let folder = sources(&[
        ("secret-notes.txt", "x"),
        (
            "rhone.toml",
            "process = [\"./run\"]\nhealth = \"/h\"\n[build]\ncommand = \"mkdir -p dist/a && echo x >dist/a/f && chmod 700 dist/a/f && ln -s a/f dist/l && mkfifo dist/p && cp rhone.toml dist\"\noutput = \"dist\"\n",
        ),
    ]);
    let output = folder.path().join("out");
    let done = built(&folder.path().join("in"), &output, &BuildLimits::default(), &log().0).await.expect("built");
    let mut names: Vec<_> = fs::read_dir(&output).unwrap().flatten().map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "l", "rhone.toml"]);
    assert!(!fs::read_to_string(output.join("rhone.toml")).unwrap().contains("build"));
    assert_eq!((done.files, fs::metadata(output.join("a/f")).unwrap().permissions().mode() & 0o777), (3, 0o755));
    assert!(!folder.path().join("in/dist").exists(), "the sources are untouched");
    assert!(pack_directory(&output, std::io::sink()).is_ok());
}

#[tokio::test]
async fn an_output_that_is_not_there_or_leads_out_is_refused() {
    for command in ["true", "ln -s /etc dist", "ln -s .. dist", "touch dist"] {
        let declared = format!("process = [\"x\"]\n[build]\ncommand = \"{command}\"\noutput = \"dist\"\n");
        let folder = sources(&[("rhone.toml", &declared)]);
        let refused =
            built(&folder.path().join("in"), &folder.path().join("out"), &BuildLimits::default(), &log().0).await;
        assert_eq!(refused.expect_err(command).code(), "BUILD_OUTPUT_MISSING");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{command} left something");
    }
}

#[tokio::test]
async fn a_failure_says_its_status_and_its_last_lines_without_secrets() {
    let folder = sources(&[(
        "rhone.toml",
        "process = [\"x\"]\n[build]\ncommand = \"seq 100; echo token hunter2 >&2; exit 3\"\n",
    )]);
    let (log, lines) = Log::channel(1000, Mask::of(&[Hidden::new("hunter2".to_owned())]));
    let refused = built(&folder.path().join("in"), &folder.path().join("out"), &BuildLimits::default(), &log).await;
    let Err(BuildError::Failed { status: 3, last, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (last.len(), last.contains(&"100".to_owned()), last.contains(&"token ***".to_owned())),
        (20, true, true)
    );
    let said = said(lines);
    assert!(said.contains("\n1\n2\n3\n") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_tool_that_is_missing_and_a_network_that_is_not_given_are_named_before_anything_runs() {
    let tool = sources(&[("rhone.toml", "process = [\"x\"]\n[build]\ncommand = [\"no-such-compiler\"]\n")]);
    let refused = built(&tool.path().join("in"), &tool.path().join("out"), &BuildLimits::default(), &log().0).await;
    assert_eq!(refused.expect_err("missing").code(), "BUILD_TOOL_MISSING");
    let network = sources(&[("rhone.toml", "process = [\"x\"]\n[build]\ncommand = \"true\"\nnetwork = true\n")]);
    let limits = BuildLimits { network: false, ..BuildLimits::default() };
    let refused = built(&network.path().join("in"), &network.path().join("out"), &limits, &log().0).await;
    assert_eq!(refused.expect_err("closed").code(), "NETWORK_NOT_ALLOWED");
}

#[tokio::test]
async fn a_plan_of_railpack_is_carried_out() {
    let plan =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/railpack/shell-bash-arrays.plan.json")).unwrap();
    let folder = sources(&[("railpack-plan.json", &plan), ("start.sh", "#!/bin/bash\necho hi\n")]);
    let output = folder.path().join("out");
    built(&folder.path().join("in"), &output, &BuildLimits::default(), &log().0).await.expect("built");
    assert_ne!(fs::metadata(output.join("start.sh")).unwrap().permissions().mode() & 0o111, 0, "its one step was run");
    let steps = r#"{"steps":[{"name":"s","assets":{"note":"it's\n"},"variables":{"GOPATH":"/go"},"commands":[
        {"path":"/go/bin"},{"path":"sub/note.txt","name":"note","mode":384},{"src":"sub","dest":"/app/copy"},
        {"cmd":"mkdir -p $GOPATH/bin && printf '#!/bin/sh\necho ran >ran.txt\n' >$GOPATH/bin/mine && chmod +x $GOPATH/bin/mine"},"mine"]}],
        "deploy":{"base":{},"inputs":[{"step":"s","include":["copy","/app/ran.txt"]}],"startCommand":"./x","variables":{"A":"b c"}}}"#;
    let folder = sources(&[("railpack-plan.json", steps)]);
    let output = folder.path().join("out");
    let (log, lines) = log();
    let done = built(&folder.path().join("in"), &output, &BuildLimits::default(), &log).await;
    done.unwrap_or_else(|error| panic!("{error}: {}", said(lines)));
    assert_eq!(fs::read_to_string(output.join("copy/note.txt")).unwrap(), "it's\n");
    assert_eq!(fs::read_to_string(output.join("ran.txt")).unwrap(), "ran\n");
    assert!(fs::read_to_string(output.join("rhone.toml")).unwrap().contains("export A='b c'"));
}

#[tokio::test]
async fn links_of_the_sources_are_copied_as_links() {
    let folder = sources(&[("app.py", "x")]);
    symlink("app.py", folder.path().join("in/main.py")).unwrap();
    let output = folder.path().join("out");
    built(&folder.path().join("in"), &output, &BuildLimits::default(), &log().0).await.expect("built");
    assert_eq!(fs::read_link(output.join("main.py")).unwrap(), Path::new("app.py"));
}
