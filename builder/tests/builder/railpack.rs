//! `railpack` asked for a plan. Railpack itself cannot be fetched here, so a script of its name stands for it: called as its
//! documentation says (`railpack prepare DIR --plan-out FILE --info-out FILE`), it writes a plan that the real one wrote.

use crate::{
    build::sources,
    machines::machine,
    repository::{log, said},
};
use rhone_builder::{
    build::{BuildLimits, build},
    plan::{Kind, PlanError, Programs, settle},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

const ASKS: &str = "health = \"/up\"\n[build]\ndetect = \"railpack\"\n";

fn real(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/railpack/{name}.plan.json"))
}

/// A folder with the script in it, for a PATH. It judges its arguments, sees the sources, and may try what it must not.
fn stand_in(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plan = fs::read_to_string(real("shell-bash-arrays")).unwrap();
    let script = format!(
        "#!/bin/sh\nset -eu\n[ \"$1 $3 $5\" = 'prepare --plan-out --info-out' ]\ntest -f \"$2/start.sh\"\n{more}\n\
         cat >\"$4\" <<'PLAN'\n{plan}\nPLAN\necho '{{}}' >\"$6\"\necho made a plan\n"
    );
    fs::write(folder.path().join("railpack"), script).unwrap();
    fs::set_permissions(folder.path().join("railpack"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

async fn planned(files: &[(&str, &str)], more: &str) -> (Result<rhone_builder::plan::Plan, PlanError>, String) {
    let (folder, script) = (sources(files), stand_in(more));
    let (log, lines) = log();
    let (input, limits) = (folder.path().join("in"), BuildLimits::default());
    let plan = settle(&input, folder.path(), &Programs::on(script.path()), &machine(&limits).await, &log).await;
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["in"], "what railpack needed is gone");
    (plan, said(lines))
}

#[tokio::test]
async fn railpack_is_asked_where_the_repository_says_so_and_its_plan_is_carried_out() {
    let files = [("rhone.toml", ASKS), ("start.sh", "#!/bin/bash\necho hi\n"), ("app.py", "")];
    let (plan, said) = planned(&files, "").await;
    let plan = plan.unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!((plan.kind, plan.health.as_str()), (Kind::Railpack, "/up"));
    assert!(said.contains("made a plan"), "what it prints is in the log: {said}");
    let folder = sources(&files);
    let output = folder.path().join("out");
    build(&folder.path().join("in"), &plan, &output, &machine(&BuildLimits::default()).await, &log().0)
        .await
        .expect("built");
    assert_ne!(fs::metadata(output.join("start.sh")).unwrap().permissions().mode() & 0o111, 0, "its step was run");
    assert!(!output.join("railpack-plan.json").exists());
}

/// As Railpack prepares the dependencies of Rust: beside the sources, which it would overwrite and remove.
const ALONE: &str = r#"{"steps": [
    {"name": "install", "commands": [{"src": "list*", "dest": "."}, {"src": "none*", "dest": "."}, "rm -rf src", "mv list.txt $HOME/stored"]},
    {"name": "build", "inputs": [{"step": "install", "exclude": ["/app/"]}, {"local": true, "include": ["."]}],
     "commands": [{"src": "src/ma*", "dest": "made"}, "mkdir -p target/x", "cat list.txt $HOME/stored src/main >both"]}],
    "deploy": {"startCommand": "x", "inputs": [{"step": "build", "include": ["."], "exclude": ["target"]}]}}"#;

#[tokio::test]
async fn a_step_of_which_nobody_takes_the_sources_changes_none_and_what_is_excluded_is_not_deployed() {
    let files = [("railpack-plan.json", ALONE), ("list.txt", "a "), ("src/main", "b")];
    let folder = sources(&files);
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let (log, lines) = log();
    let plan = rhone_builder::plan::detect(&input, &Programs::on("/nowhere")).expect("a plan");
    let done = build(&input, &plan, &output, &machine(&BuildLimits::default()).await, &log).await;
    done.unwrap_or_else(|error| panic!("{error}: {}", said(lines)));
    assert_eq!(fs::read_to_string(output.join("both")).unwrap(), "a a b");
    assert_eq!(fs::read_to_string(output.join("made")).unwrap(), "b");
    assert!(output.join("src/main").exists() && !output.join("target").exists() && !output.join("stored").exists());
}

#[tokio::test]
async fn railpack_is_not_asked_unless_it_is_declared_nor_where_there_is_a_plan() {
    let (plan, said) = planned(&[("app.py", ""), ("start.sh", "")], "exit 9").await;
    assert_eq!(plan.expect("found").kind, Kind::Python);
    assert!(!said.contains("railpack"), "{said}");
    let own = fs::read_to_string(real("go-mod")).unwrap();
    let (plan, _) = planned(&[("rhone.toml", ASKS), ("railpack-plan.json", &own), ("start.sh", "")], "exit 9").await;
    assert!(plan.expect("its own").start[2].ends_with("; ./out"));
}

#[tokio::test]
async fn a_railpack_that_is_missing_or_fails_is_named() {
    let folder = sources(&[("rhone.toml", ASKS), ("app.py", "")]);
    let (input, limits) = (folder.path().join("in"), BuildLimits::default());
    let missing = settle(&input, folder.path(), &Programs::on("/nowhere"), &machine(&limits).await, &log().0).await;
    let missing = missing.expect_err("it is not there");
    assert!(missing.code() == "RAILPACK_MISSING" && missing.to_string().contains("railpack prepare"), "{missing}");
    let files = [("rhone.toml", ASKS), ("start.sh", "")];
    let (failed, said) = planned(&files, "echo no provider; exit 3").await;
    assert_eq!(failed.expect_err("it fails").code(), "BUILD_FAILED");
    assert!(said.contains("no provider"), "{said}");
    let (none, _) = planned(&files, "exit 0").await;
    assert_eq!(none.expect_err("it writes none").code(), "PLAN_FILE_INVALID");
    let (link, _) = planned(&files, "ln -s /etc/passwd \"$4\"; exit 0").await;
    assert_eq!(link.expect_err("a link").code(), "PLAN_FILE_INVALID");
}

#[tokio::test]
async fn railpack_reads_what_a_stranger_wrote_inside_the_sandbox() {
    let files = [("rhone.toml", ASKS), ("start.sh", "")];
    let inside = "[ \"$(pwd)\" = /build/src ] || { echo OUTSIDE; exit 4; }\ntest ! -e /root/. || exit 5\ntest -z \"${CARGO_MANIFEST_DIR:-}\"";
    let (plan, said) = planned(&files, inside).await;
    if said.contains("WARNING: this build runs without a sandbox") {
        eprintln!("SKIPPED: this machine makes no sandbox");
        return;
    }
    plan.unwrap_or_else(|error| panic!("{error}: {said}"));
}
