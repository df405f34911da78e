//! What each kind of folder is planned to be, and what is refused with words that help.

use super::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

/// A machine with `buildah` on it.
fn with_buildah() -> (tempfile::TempDir, Programs) {
    let folder = folder(&[("buildah", "#!/bin/sh\n")]);
    fs::set_permissions(folder.path().join("buildah"), fs::Permissions::from_mode(0o755)).unwrap();
    let programs = Programs::on(folder.path());
    (folder, programs)
}

/// Every folder here is read as on a machine that has no program at all.
fn detect(folder: &Path) -> Result<Plan, PlanError> {
    super::detect(folder, &Programs::on("/nowhere"))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn plan(files: &[(&str, &str)]) -> Plan {
    detect(folder(files).path()).unwrap_or_else(|error| panic!("{files:?}: {error}"))
}

fn refused(files: &[(&str, &str)]) -> PlanError {
    detect(folder(files).path()).expect_err("it is refused")
}

fn commands(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.command.join(" ")).collect()
}

#[test]
fn what_is_declared_goes_before_what_is_found() {
    let plan = plan(&[
        (
            "rhone.toml",
            "process = [\"./run\"]\nhealth = \"/up\"\n[build]\ncommand = \"make all\"\noutput = \"dist\"\nnetwork = true\nenv = { A = \"b\" }",
        ),
        ("package.json", r#"{"scripts":{"build":"x","start":"y"}}"#),
        ("Procfile", "web: z"),
    ]);
    assert_eq!((plan.kind, plan.start, plan.health.as_str()), (Kind::Declared, vec!["./run".to_owned()], "/up"));
    assert_eq!(plan.steps[0].command, ["/bin/sh", "-c", "make all"]);
    assert_eq!((plan.network, plan.output, plan.env["A"].as_str()), (true, vec!["dist".to_owned()], "b"));
    assert!(!plan.rhone.contains("build"), "{}", plan.rhone);
}

#[test]
fn the_artifacts_file_keeps_what_was_declared_and_gets_what_was_found() {
    let plan = plan(&[("rhone.toml", "sockets = [\"/ws\"]\n[needs]\ncache = \"any\"\n"), ("app.py", "")]);
    let written: toml::Table = toml::from_str(&plan.rhone).unwrap();
    assert_eq!(written["process"].as_array().unwrap().len(), 2);
    assert_eq!((written["health"].as_str(), written["sockets"][0].as_str()), (Some("/"), Some("/ws")));
    assert_eq!(written["needs"]["cache"].as_str(), Some("any"));
    assert!(plan.reasons.iter().any(|reason| reason.contains("health is asked at `/`")));
}

#[test]
fn node_is_installed_built_and_started_by_its_scripts() {
    let plan = plan(&[
        (
            "package.json",
            r#"{"scripts":{"build":"vite build","start":"next start -p $PORT"},"dependencies":{"next":"1"}}"#,
        ),
        ("package-lock.json", "{}"),
    ]);
    assert_eq!(commands(&plan), ["npm ci --no-audit --no-fund", "npm run build"]);
    assert_eq!(plan.start[2], "export PATH=\"$PWD/node_modules/.bin:$PATH\"; exec next start -p $PORT");
    assert!(!plan.network, "only a declaration opens the network");
}

#[test]
fn node_without_packages_needs_nothing_and_starts_what_is_there() {
    let bare = plan(&[("package.json", "{}"), ("server.js", "")]);
    assert_eq!((commands(&bare), bare.start.as_slice()), (vec![], ["node", "server.js"].map(str::to_owned).as_slice()));
    let start = plan(&[("package.json", r#"{"scripts":{"start":"node a.js"}}"#)]).start;
    assert_eq!(start, ["sh", "-c", "exec node a.js"], "a runner refuses a program with an absolute path");
    let chained = plan(&[("package.json", r#"{"scripts":{"start":"node a && node b"}}"#)]);
    assert_eq!(chained.start[2], "node a && node b");
    let plan = plan(&[("package.json", r#"{"main":"x.js","scripts":{"start":"A=1 node x.js"}}"#)]);
    assert_eq!(plan.start[2], "A=1 node x.js");
}

#[test]
fn go_and_rust_leave_one_program() {
    let go = plan(&[("go.mod", "module a"), ("main.go", "package main\n")]);
    assert_eq!((commands(&go), go.start[0].as_str()), (vec!["go build -o ./rhone-app .".to_owned()], "./rhone-app"));
    let inner = plan(&[("go.mod", "module a"), ("a.go", "package a"), ("cmd/web/main.go", "package main")]);
    assert_eq!(commands(&inner), ["go build -o ./rhone-app ./cmd/web"]);
    let several = [("go.mod", ""), ("cmd/a/m.go", "package main"), ("cmd/b/m.go", "package main")];
    assert!(refused(&several).to_string().contains("./cmd/a, ./cmd/b"));
    let rust = plan(&[("Cargo.toml", "[package]\nname = \"shop\"")]);
    assert!(commands(&rust)[0].contains("--bin shop && cp \"$TMPDIR/target/release/shop\""));
    assert_eq!(refused(&[("Cargo.toml", "[workspace]")]).code(), "NO_START_COMMAND");
}

#[test]
fn python_is_found_by_its_requirements_its_project_or_its_main_file() {
    assert_eq!(commands(&plan(&[("main.py", "")])), Vec::<String>::new());
    let empty = plan(&[("requirements.txt", "# none\n\n"), ("app.py", "")]);
    assert_eq!((commands(&empty), empty.start), (vec![], vec!["python3".to_owned(), "app.py".to_owned()]));
    let flask = plan(&[("requirements.txt", "flask\n"), ("Procfile", "worker: x\nweb: gunicorn app:app -b :$PORT\n")]);
    assert!(commands(&flask)[0].ends_with("--target vendor -r requirements.txt"));
    assert!(flask.start[2].ends_with("; exec gunicorn app:app -b :$PORT"), "{:?}", flask.start);
    let project = plan(&[("pyproject.toml", "[project]\ndependencies = [\"flask\"]"), ("main.py", "")]);
    assert!(commands(&project)[0].ends_with("--target vendor ."));
    assert_eq!(refused(&[("requirements.txt", "flask")]).code(), "NO_START_COMMAND");
}

#[test]
fn a_procfile_alone_builds_nothing_and_its_web_line_starts_the_app() {
    let plan = plan(&[("Procfile", "worker: x\nweb: ./shop serve --now\n"), ("shop", "")]);
    assert_eq!((plan.kind, plan.steps.len(), plan.tools.len()), (Kind::Procfile, 0, 0));
    assert_eq!(plan.start, ["sh", "-c", "exec ./shop serve --now"]);
    assert_eq!(refused(&[("Procfile", "worker: x\n")]).code(), "NO_PLAN");
}

#[test]
fn a_folder_that_says_nothing_is_refused_with_what_to_write() {
    assert_eq!(refused(&[("README.md", "")]).code(), "NO_PLAN");
    assert!(refused(&[]).to_string().contains("write a `rhone.toml`"));
    let declared = plan(&[("Dockerfile", ""), ("rhone.toml", "process = [\"./a\"]\nhealth = \"/h\"\n")]);
    assert_eq!((declared.kind, declared.steps.len()), (Kind::Declared, 0));
}

#[test]
fn a_dockerfile_needs_buildah_and_goes_behind_every_other_plan_unless_it_is_declared() {
    let only = folder(&[("Dockerfile", "FROM scratch")]);
    let refused_here = detect(only.path()).expect_err("no buildah");
    assert_eq!(refused_here.code(), "DOCKERFILE_NEEDS_BUILDAH");
    assert!(refused_here.to_string().contains("install Debian's package `buildah`"), "{refused_here}");
    let (_machine, programs) = with_buildah();
    let plan = super::detect(only.path(), &programs).expect("a plan");
    assert_eq!((plan.kind, plan.network, plan.start.len()), (Kind::Dockerfile, false, 0));
    let beside = [("Dockerfile", ""), ("app.py", "")];
    assert_eq!(super::detect(folder(&beside).path(), &programs).expect("a plan").kind, Kind::Python);
    let settings = "health = \"/up\"\nsockets = [\"/ws\"]\n[build]\ndetect = \"dockerfile\"\nnetwork = true\n";
    let declared = folder(&[("rhone.toml", settings), ("Dockerfile", ""), ("app.py", "")]);
    let plan = super::detect(declared.path(), &programs).expect("a plan");
    assert_eq!((plan.kind, plan.network, plan.health.as_str()), (Kind::Dockerfile, true, "/up"));
    assert!(plan.rhone.contains("/ws") && !plan.rhone.contains("detect"), "{}", plan.rhone);
    assert_eq!(detect(declared.path()).expect_err("no buildah").code(), "DOCKERFILE_NEEDS_BUILDAH");
    let gone = folder(&[("rhone.toml", settings)]);
    assert_eq!(super::detect(gone.path(), &programs).expect_err("no file").code(), "DOCKERFILE_MISSING");
}

#[test]
fn files_without_their_form_are_refused_by_file_and_field() {
    for (file, text, words) in [
        ("rhone.toml", "process = 1", "rhone.toml: process: must be a list"),
        ("rhone.toml", "process = []", "rhone.toml: process: must be a list"),
        ("rhone.toml", "x = ", "rhone.toml: -: "),
        ("rhone.toml", "[build]\ncomand = \"x\"", "rhone.toml: build: unknown field `comand`"),
        ("rhone.toml", "[build]\ndetect = \"magic\"", "rhone.toml: build: unknown variant `magic`"),
        ("rhone.toml", "[build]\ndetect = \"railpack\"\ncommand = \"x\"", "rhone.toml: build.detect: must not stand"),
        ("rhone.toml", "[build]\ndetect = \"dockerfile\"\noutput = \"x\"", "rhone.toml: build.output: must not stand"),
        ("rhone.toml", "[build]\noutput = \"../x\"", "rhone.toml: build.output: must be a path inside"),
        ("rhone.toml", "[build]\noutput = \"/x\"", "rhone.toml: build.output: must be a path inside"),
        ("rhone.toml", "[build]\nenv = { \"A-B\" = \"x\" }", "rhone.toml: build.env: must have names"),
        ("package.json", "{", "package.json: -: "),
        ("Cargo.toml", "[package]\nname = 1", "Cargo.toml: -: "),
        ("pyproject.toml", "[", "pyproject.toml: -: "),
        ("railpack-plan.json", "{}", "railpack-plan.json: -: missing field `deploy`"),
    ] {
        let error = refused(&[(file, text)]);
        assert!(error.code() == "PLAN_FILE_INVALID" && error.to_string().starts_with(words), "{text}: {error}");
    }
}

#[test]
fn no_file_is_read_through_a_link() {
    let outside = folder(&[("secret", "process = [\"x\"]")]);
    let folder = folder(&[]);
    symlink(outside.path().join("secret"), folder.path().join("rhone.toml")).unwrap();
    assert_eq!(detect(folder.path()).expect_err("a link").to_string(), "rhone.toml: -: must be a plain file");
}

#[test]
fn real_plans_of_railpack_are_read_and_what_cannot_be_done_is_refused() {
    let read = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/railpack/");
        let text = fs::read_to_string(format!("{path}{name}.plan.json")).unwrap();
        detect(folder(&[("railpack-plan.json", &text)]).path())
    };
    let go = read("go-mod").expect("a plan");
    assert_eq!(go.kind, Kind::Railpack);
    assert_eq!(
        go.steps.iter().map(|step| step.command[2].as_str()).collect::<Vec<_>>(),
        [
            "export GOBIN=\"$TMPDIR/railpack/go/bin\"; export GOPATH=\"$TMPDIR/railpack/go\"; \
             export PATH=\"$TMPDIR/railpack/go/bin:$PATH\"; go mod download",
            "go build -ldflags=\"-w -s\" -o out",
        ]
    );
    assert!(go.steps[0].env["CGO_ENABLED"] == "0" && go.start[2].ends_with("; ./out"), "{:?}", go.start);
    assert!(go.reasons.iter().any(|reason| reason.contains("`mise install` is left out")));
    let shell = read("shell-bash-arrays").expect("a plan");
    assert_eq!((shell.steps[0].command[2].as_str(), shell.output), ("chmod +x start.sh", vec![".".to_owned()]));
    let secrets = read("secrets").expect("a plan");
    assert_eq!(secrets.steps[0].env["NOT_SECRET"], "not secret");
    let named = "the secrets HELLO_WORLD, MY_OTHER_SECRET, MY_SECRET are left out: a build is given none";
    assert!(secrets.reasons.iter().any(|reason| reason == named), "{:?}", secrets.reasons);
    assert!(read("go-cmd-dirs").expect("a plan").steps[1].command[2].ends_with("-o out ./cmd/server"));
    assert!(read("go-workspaces").expect("a plan").steps[1].command[2].ends_with("-o out ./api"));
    // It deploys a web server that only Railpack's image has.
    let refused = read("node-vite-react").expect_err("refused");
    assert_eq!(refused.code(), "RAILPACK_UNSUPPORTED");
    let rust = read("rust-rocket").expect("a plan");
    let lines: Vec<_> = rust.steps.iter().map(|step| (step.name.as_str(), step.command[2].as_str())).collect();
    // What prepares the dependencies overwrites and removes sources: in a folder of its own.
    let (alone, shared) = lines.split_at(6);
    let folder = "sources=$PWD; mkdir -p \"$TMPDIR/railpack/alone/1\" && cd \"$TMPDIR/railpack/alone/1\" || exit; ";
    assert!(alone.iter().all(|(name, line)| *name == "install" && line.starts_with(folder)), "{alone:?}");
    assert!(alone[0].1.contains("for found in \"$sources\"/Cargo.toml*; do"), "{alone:?}");
    let build = ["mkdir -p bin", "cargo build --release", "cp target/release/rocket bin"];
    assert_eq!(shared[..3], build.map(|line| ("build", line)));
    assert_eq!((shared.len(), rust.steps[9].command.join(" ").as_str()), (4, "rm -rf -- target"));
}

#[test]
fn every_plan_of_railpack_that_is_here_was_looked_at() {
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/railpack")).unwrap().flatten();
    let mut names: Vec<_> = folder.filter_map(|file| file.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".plan.json"));
    names.sort();
    let looked_at =
        ["go-cmd-dirs", "go-mod", "go-workspaces", "node-vite-react", "rust-rocket", "secrets", "shell-bash-arrays"];
    assert_eq!(names, looked_at.map(|name| format!("{name}.plan.json")));
}

/// A plan of one step, with something more in each of its parts.
fn of_railpack(plan: &str, step: &str, layer: &str, command: &str, deploy: &str) -> String {
    let image = "ghcr.io/railwayapp/railpack-runtime:x";
    format!(
        r#"{{{plan} "steps": [{{"name": "build", {step} "commands": [{command}], "inputs": [{{{layer} "local": true}}]}}],
            "deploy": {{"base": {{"image": "{image}"}}, "startCommand": "run", {deploy} "inputs": [{{"step": "build", "include": ["."]}}]}}}}"#
    )
}

#[test]
fn each_field_of_railpacks_is_carried_out_or_named_or_refused() {
    let read = |text: &str| detect(folder(&[("railpack-plan.json", text)]).path());
    for (plan, step, layer, deploy, named) in [
        (r#""secrets": ["A"],"#, "", "", "", "the secrets A are left out"),
        ("", r#""secrets": ["*", "B"],"#, "", "", "the secrets B are left out"),
        (r#""exclude": ["docs"],"#, "", "", "", "the steps see docs"),
        ("", "", r#""exclude": ["lib"],"#, "", "step build: `exclude` is left out: it sees lib"),
        ("", "", "", r#""paths": ["/opt/x"],"#, "deploy: the path /opt/x is left out"),
    ] {
        let found = read(&of_railpack(plan, step, layer, "\"true\"", deploy)).expect(named);
        assert!(found.reasons.iter().any(|reason| reason.contains(named)), "{named}: {:?}", found.reasons);
    }
    let plain = read(&of_railpack("\"caches\": {},", "\"caches\": [\"x\"],", "", "\"true\"", "")).expect("a plan");
    assert!(plain.reasons.iter().all(|reason| !reason.contains("left out")), "{:?}", plain.reasons);
    let started = read(&of_railpack("", "", "", "\"true\"", r#""paths": ["/app/bin", "tools"],"#)).expect("a plan");
    assert!(started.start[2].contains("export PATH=\"$PWD\"/bin:\"$PWD\"/tools:\"$PATH\"; run"), "{:?}", started.start);
    for (command, named) in [
        (r#"{"src": "/etc/a", "dest": "b"}"#, "the path /etc/a"),
        (r#"{"src": "a", "dest": "/etc/b"}"#, "the path /etc/b"),
        (r#"{"src": "../a*", "dest": "b"}"#, "the path ../a*"),
        (r#"{"src": "*.toml", "dest": "b"}"#, "the path *.toml"),
        (r#"{"src": "[ab]", "dest": "b"}"#, "the path [ab]"),
    ] {
        let refused = read(&of_railpack("", "", "", command, "")).expect_err(named);
        assert_eq!(refused.code(), "RAILPACK_UNSUPPORTED");
        assert!(refused.to_string().contains(named), "{named}: {refused}");
    }
    for (plan, layer, command) in
        [(r#""new": 1,"#, "", "\"x\""), ("", r#""new": 1,"#, "\"x\""), ("", "", r#"{"cmd": "x", "new": 1}"#)]
    {
        let refused = read(&of_railpack(plan, "", layer, command, "")).expect_err("a field that nobody knows");
        assert_eq!(refused.code(), "PLAN_FILE_INVALID", "{refused}");
    }
    let spread = read(&of_railpack("", "", "\"spread\": true,", "\"x\"", "")).expect_err("not settled");
    assert!(spread.to_string().contains("`spread`"), "{spread}");
}

/// A plan whose deploy has these layers.
fn deploying(layers: &str) -> String {
    let image = "ghcr.io/railwayapp/railpack-runtime:x";
    format!(
        r#"{{"steps": [{{"name": "build", "commands": ["true"], "inputs": [{{"local": true}}]}}],
            "deploy": {{"base": {{"image": "{image}"}}, "startCommand": "run", "inputs": [{layers}]}}}}"#
    )
}

/// The sin: Python's two layers, of which the second excludes what the first brings.
#[test]
fn what_a_layer_excludes_is_removed_unless_another_brings_it() {
    let read = |layers: &str| detect(folder(&[("railpack-plan.json", &deploying(layers))]).path());
    let all = r#"{"step": "build", "include": ["."]}"#;
    let layer = |include: &str, exclude: &str| {
        format!(r#"{{"step": "build", "include": ["{include}"], "exclude": ["{exclude}"]}}"#)
    };
    for (layers, removed) in [
        (format!("{}, {}", r#"{"step": "build", "include": ["/app/.venv"]}"#, layer(".", ".venv")), ""),
        (format!("{}, {}", layer(".", "target/"), layer("src", "a")), "rm -rf -- target"),
        (format!("{}, {all}", layer(".", "target")), ""),
        (format!("{}, {}", layer("venv", "x"), layer(".", "venv/bin")), ""),
        (format!("{}, {}", layer(".", "a"), layer(".", "a")), "rm -rf -- a"),
        (format!("{}, {}", layer(".", "a"), layer(".", "a/b")), "rm -rf -- a/b"),
        (format!("{}, {}", layer("ab", "x"), layer(".", "a")), "rm -rf -- a"),
        (format!("{}, {}", layer("a/b", "a"), layer(".", "a")), "rm -rf -- a"),
    ] {
        let steps = read(&layers).expect(&layers).steps;
        let said = steps.iter().filter(|step| step.name == "deploy").map(|step| step.command.join(" "));
        assert_eq!(said.collect::<String>(), removed, "{layers}");
    }
    let refused = read(&format!("{}, {}", layer("a/b", "x"), layer(".", "a"))).expect_err("a part of it");
    assert_eq!(refused.code(), "RAILPACK_UNSUPPORTED");
    assert!(refused.to_string().contains("the exclusion of a, of which another layer includes a/b"), "{refused}");
}

#[test]
fn a_step_that_is_alone_may_not_name_the_place_of_the_sources_and_may_name_others_like_it() {
    let read = |line: &str| {
        let line = serde_json::to_string(line).expect("text");
        let text = format!(
            r#"{{"steps": [{{"name": "install", "commands": [{line}]}},
                {{"name": "build", "commands": ["true"], "inputs": [{{"step": "install", "exclude": ["/app/"]}}, {{"local": true}}]}}],
                "deploy": {{"inputs": [{{"step": "build", "include": ["."]}}], "startCommand": "run"}}}}"#
        );
        detect(folder(&[("railpack-plan.json", &text)]).path())
    };
    for line in
        ["ls /app", "/app/x", "cd /app && x", "x '/app'", "x \"/app/y\"", "x --to=/app/y", "x >/app", "P=/b:/app:/c"]
    {
        let refused = read(line).expect_err(line);
        assert!(refused.to_string().contains("a path below /app"), "{line}: {refused}");
    }
    for line in
        ["ls ./apps/web", "ls /opt/apps", "ls src/app", "ls /apps", "x ./app", "x $HOME/app", "x /app.tar", "x ~/app/y"]
    {
        read(line).expect(line);
    }
}
