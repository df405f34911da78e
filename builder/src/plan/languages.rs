//! What the files of each language say. A new kind is one function here, one row in `find`, and a variant of `Kind`.

use super::{Found, Kind, PlanError, Start, Step, files::Files, railpack};
use serde::Deserialize;
use std::collections::BTreeMap;

type Finder = fn(&Files) -> Result<Option<Found>, PlanError>;

/// In this order; the first that finds something decides.
const FINDERS: [Finder; 5] = [railpack::find, node, go, python, rust];

pub(super) fn find(files: &Files) -> Result<Option<Found>, PlanError> {
    for finder in FINDERS {
        if let Some(found) = finder(files)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn step(name: &str, command: &str) -> Step {
    let command = command.split(' ').map(str::to_owned).collect();
    Step { name: name.to_owned(), command, env: BTreeMap::new() }
}

fn env<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn path_words(words: &[&str]) -> Start {
    Start::Words(words.iter().map(|&word| word.to_owned()).collect())
}

#[derive(Deserialize)]
struct PackageJson {
    #[serde(default)]
    scripts: BTreeMap<String, String>,
    #[serde(default)]
    dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(default, rename = "devDependencies")]
    dev_dependencies: BTreeMap<String, serde_json::Value>,
    main: Option<String>,
}

fn node(files: &Files) -> Result<Option<Found>, PlanError> {
    const FILE: &str = "package.json";
    let Some(text) = files.text(FILE)? else { return Ok(None) };
    let package: PackageJson =
        serde_json::from_str(&text).map_err(|failure| PlanError::file(FILE, "-", failure.to_string()))?;
    let mut found = Found::of(Kind::Node, "package.json: an app for Node.js");
    let manager = if files.has("pnpm-lock.yaml") {
        "pnpm"
    } else if files.has("yarn.lock") {
        "yarn"
    } else {
        "npm"
    };
    found.tools = vec!["node".to_owned()];
    let needs = !package.dependencies.is_empty() || !package.dev_dependencies.is_empty();
    if needs && !files.has_folder("node_modules") {
        let install = match manager {
            "npm" if files.has("package-lock.json") => "npm ci --no-audit --no-fund",
            "npm" => "npm install --no-audit --no-fund",
            "yarn" => "yarn install --frozen-lockfile",
            _ => "pnpm install --frozen-lockfile",
        };
        found.reasons.push("it has packages to install, which takes `[build] network = true` in rhone.toml".to_owned());
        found.steps.push(step("install", install));
    }
    if package.scripts.contains_key("build") {
        found.steps.push(step("build", &format!("{manager} run build")));
    }
    if !found.steps.is_empty() {
        found.tools.push(manager.to_owned());
    }
    let main = package.main.filter(|main| files.has(main));
    found.start = match package.scripts.get("start") {
        Some(script) => Some(Start::Line(script.clone())),
        None => main
            .or_else(|| ["server.js", "index.js", "app.js"].map(str::to_owned).into_iter().find(|name| files.has(name)))
            .map(|main| path_words(&["node", &main])),
    };
    // What is installed is not pruned, so its programs are what `start` may name.
    if needs {
        found.exports.push(("PATH", "$PWD/node_modules/.bin:$PATH"));
    }
    Ok(Some(found))
}

/// Where `go build` and `cargo build` leave what is started.
const PROGRAM: &str = "./rhone-app";

fn go(files: &Files) -> Result<Option<Found>, PlanError> {
    if !files.has("go.mod") {
        return Ok(None);
    }
    let mut found = Found::of(Kind::Go, "go.mod: an app in Go");
    let is_main = |folder: &str| -> Result<bool, PlanError> {
        for name in files.names(folder) {
            let path = if folder == "." { name.clone() } else { format!("{folder}/{name}") };
            let stem = name.strip_suffix(".go");
            let source = stem.is_some_and(|stem| !stem.ends_with("_test")) && files.has(&path);
            if source && files.text(&path)?.is_some_and(|text| text.lines().any(|line| line.trim() == "package main")) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut mains = Vec::new();
    if is_main(".")? {
        mains.push(".".to_owned());
    } else {
        for name in files.names("cmd") {
            let folder = format!("cmd/{name}");
            if files.has_folder(&folder) && is_main(&folder)? {
                mains.push(format!("./{folder}"));
            }
        }
    }
    found.tools.push("go".to_owned());
    found.env = env([("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-trimpath -buildvcs=false")]);
    match &mains[..] {
        [main] => {
            found.steps.push(step("build", &format!("go build -o {PROGRAM} {main}")));
            found.start = Some(path_words(&[PROGRAM]));
        }
        [] => found.reasons.push("it has no `package main` at its root or in one folder of `cmd`".to_owned()),
        several => found.reasons.push(format!("it has several programs: {}", several.join(", "))),
    }
    Ok(Some(found))
}

fn python(files: &Files) -> Result<Option<Found>, PlanError> {
    let requirements = files.text("requirements.txt")?;
    let main = ["main.py", "app.py", "server.py"].into_iter().find(|name| files.has(name));
    let project = files.text("pyproject.toml")?;
    let reason = match (&requirements, &project, main) {
        (Some(_), ..) => "requirements.txt: an app in Python".to_owned(),
        (None, Some(_), _) => "pyproject.toml: an app in Python".to_owned(),
        (None, None, Some(main)) => format!("{main}: an app in Python"),
        (None, None, None) => return Ok(None),
    };
    let mut found = Found::of(Kind::Python, &reason);
    found.tools.push("python3".to_owned());
    let some = |text: &String| text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'));
    let what = match (&requirements, &project) {
        (Some(text), _) => some(text).then_some("-r requirements.txt"),
        (None, Some(text)) => has_dependencies(text)?.then_some("."),
        (None, None) => None,
    };
    if let Some(what) = what {
        if !files.has_folder("vendor") {
            found
                .reasons
                .push("it has packages to install, which takes `[build] network = true` in rhone.toml".to_owned());
            let pip = "python3 -m pip install --no-compile --no-cache-dir --disable-pip-version-check --target vendor";
            found.steps.push(step("install", &format!("{pip} {what}")));
        }
        found.exports = vec![("PYTHONPATH", "$PWD/vendor"), ("PATH", "$PWD/vendor/bin:$PATH")];
    }
    found.start = main.map(|main| path_words(&["python3", main]));
    Ok(Some(found))
}

fn has_dependencies(pyproject: &str) -> Result<bool, PlanError> {
    let project: toml::Table = toml::from_str(pyproject)
        .map_err(|failure| PlanError::file("pyproject.toml", "-", failure.message().to_owned()))?;
    let dependencies = project.get("project").and_then(|project| project.get("dependencies"));
    Ok(dependencies.and_then(toml::Value::as_array).is_some_and(|listed| !listed.is_empty()))
}

#[derive(Deserialize)]
struct CargoToml {
    package: Option<Package>,
    #[serde(default)]
    bin: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

fn rust(files: &Files) -> Result<Option<Found>, PlanError> {
    const FILE: &str = "Cargo.toml";
    let Some(text) = files.text(FILE)? else { return Ok(None) };
    let cargo: CargoToml =
        toml::from_str(&text).map_err(|failure| PlanError::file(FILE, "-", failure.message().to_owned()))?;
    let mut found = Found::of(Kind::Rust, "Cargo.toml: an app in Rust");
    found.tools.push("cargo".to_owned());
    let mut names: Vec<_> = cargo.bin.into_iter().map(|bin| bin.name).collect();
    if names.is_empty() {
        names.extend(cargo.package.map(|package| package.name));
    }
    match &names[..] {
        [name]
            if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') && !name.starts_with('-') =>
        {
            // What the compiler leaves besides the program is large, and is no part of the artifact.
            let build = format!("cargo build --release --locked --target-dir \"$TMPDIR/target\" --bin {name}");
            let line = format!("{build} && cp \"$TMPDIR/target/release/{name}\" {PROGRAM}");
            let command = vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
            found.steps.push(Step { name: "build".to_owned(), command, env: BTreeMap::new() });
            found.start = Some(path_words(&[PROGRAM]));
        }
        [] => found.reasons.push("it is a workspace without a package of its own".to_owned()),
        _ => found.reasons.push(format!("it has several programs: {}", names.join(", "))),
    }
    Ok(Some(found))
}
