//! How a folder is built and started: declared in `rhone.toml`, or found in the files that each language has. Pure reading: not
//! one program of the folder runs; only `settle` may ask Railpack, in the sandbox. The traps avoided: a guess that is not said (the plan is printed into the log), and a file of
//! the folder that leads out of it.

mod ask;
mod declared;
mod error;
mod files;
mod languages;
mod programs;
mod railpack;

pub use ask::settle;
pub use error::PlanError;
pub use programs::Programs;

use declared::{Declared, Detect};
use files::Files;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// What decides how the folder is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `rhone.toml` says it.
    Declared,
    /// `railpack-plan.json` says it.
    Railpack,
    /// A `Dockerfile`, of which `buildah` makes an image.
    Dockerfile,
    /// `package.json`.
    Node,
    /// `go.mod`.
    Go,
    /// `requirements.txt`, `pyproject.toml`, or a file of Python that is named as what is started.
    Python,
    /// `Cargo.toml`.
    Rust,
    /// Only a `Procfile`: nothing is built.
    Procfile,
}

/// One program that is run, from the folder of the sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// For people.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Beside the plan's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// How a folder becomes an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What decided.
    pub kind: Kind,
    /// What was found and guessed, in sentences.
    pub reasons: Vec<String>,
    /// In this order; none when nothing is built.
    pub steps: Vec<Step>,
    /// The program that is started, and its arguments; none where the image that is built says it.
    pub start: Vec<String>,
    /// Where the app answers for its health.
    pub health: String,
    /// For every step. Where the app needs one when it runs, `start` sets it.
    pub env: BTreeMap<String, String>,
    /// Whether the steps reach the network; only `[build] network` in `rhone.toml` says so.
    pub network: bool,
    /// What of the sources becomes the artifact, relative to them; `.` for everything. Of an image, everything is.
    pub output: Vec<String>,
    /// Programs that the machine must have.
    pub tools: Vec<String>,
    /// The `rhone.toml` that the artifact carries; of an image, what of it is declared.
    pub rhone: String,
}

/// What the files of a language say; whatever is declared goes before it.
struct Found {
    kind: Kind,
    reasons: Vec<String>,
    steps: Vec<Step>,
    start: Option<Start>,
    env: BTreeMap<String, String>,
    /// Set before the app is started.
    exports: Vec<(&'static str, &'static str)>,
    output: Vec<String>,
    tools: Vec<String>,
}

impl Found {
    fn of(kind: Kind, reason: &str) -> Self {
        Self {
            kind,
            reasons: vec![reason.to_owned()],
            steps: vec![],
            start: None,
            env: BTreeMap::new(),
            exports: vec![],
            output: vec![".".to_owned()],
            tools: vec![],
        }
    }
}

/// How an app is started.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    Words(Vec<String>),
    /// A line for a shell, such as a `Procfile` has.
    Line(String),
}

const DOCKERFILE: &str = "Dockerfile";
const NO_HEALTH: &str = "health is asked at `/`: no `health` in rhone.toml says otherwise";

/// Reads the folder and says how it is built and started.
pub fn detect(folder: &Path, programs: &Programs) -> Result<Plan, PlanError> {
    let files = Files::of(folder)?;
    let declared = Declared::read(&files)?;
    match declared.build.detect {
        Some(Detect::Dockerfile) => return dockerfile(&files, &declared, programs),
        Some(Detect::Railpack) if !files.has(railpack::FILE) => return Err(PlanError::RailpackMissing),
        Some(Detect::Railpack) | None => {}
    }
    let found = languages::find(&files)?;
    let procfile = files.text("Procfile")?.and_then(|text| web_line(&text));
    let Some(found) = found.or_else(|| undetected(&declared, procfile.is_some())) else {
        return if files.has(DOCKERFILE) { dockerfile(&files, &declared, programs) } else { Err(PlanError::NoPlan) };
    };
    finish(declared, found, procfile)
}

/// The plan that Railpack just wrote for this folder, in place of the one that the folder does not have.
fn with_railpack(folder: &Path, written: &str) -> Result<Plan, PlanError> {
    let files = Files::of(folder)?;
    let mut found = railpack::read(written)?;
    found.reasons.insert(0, "rhone.toml: railpack is asked".to_owned());
    let procfile = files.text("Procfile")?.and_then(|text| web_line(&text));
    finish(Declared::read(&files)?, found, procfile)
}

/// Whether `rhone.toml` wants Railpack asked: where the repository keeps a plan of its own, that one is taken.
fn asks_railpack(folder: &Path) -> Result<Option<Declared>, PlanError> {
    let files = Files::of(folder)?;
    let declared = Declared::read(&files)?;
    let asks = declared.build.detect == Some(Detect::Railpack) && !files.has(railpack::FILE);
    Ok(asks.then_some(declared))
}

/// An image is built, and says itself how it is started unless `rhone.toml` does.
fn dockerfile(files: &Files, declared: &Declared, programs: &Programs) -> Result<Plan, PlanError> {
    if !files.has(DOCKERFILE) {
        return Err(PlanError::DockerfileMissing);
    }
    if !programs.has_buildah() {
        return Err(PlanError::DockerfileNeedsBuildah);
    }
    Ok(Plan {
        kind: Kind::Dockerfile,
        reasons: vec!["Dockerfile: buildah makes an image of it, which says how it is started".to_owned()],
        steps: vec![],
        start: declared.process.clone().unwrap_or_default(),
        health: declared.health.clone().unwrap_or_else(|| "/".to_owned()),
        env: declared.build.env.clone(),
        network: declared.build.network,
        output: vec![".".to_owned()],
        tools: vec!["buildah".to_owned()],
        rhone: declared.kept()?,
    })
}

fn finish(declared: Declared, mut found: Found, procfile: Option<String>) -> Result<Plan, PlanError> {
    if let Some(line) = procfile {
        found.reasons.push("Procfile: its line `web` starts the app".to_owned());
        found.start = Some(Start::Line(line));
    }
    assemble(declared, found)
}

/// What remains when no language is found: what is declared, or a `Procfile` alone.
fn undetected(declared: &Declared, procfile: bool) -> Option<Found> {
    if declared.process.is_some() || declared.build.command.is_some() {
        return Some(Found::of(Kind::Declared, "rhone.toml declares it"));
    }
    procfile.then(|| Found::of(Kind::Procfile, "Procfile alone: nothing is built"))
}

fn assemble(declared: Declared, mut found: Found) -> Result<Plan, PlanError> {
    if let Some(command) = declared.build.command.clone() {
        found.kind = Kind::Declared;
        found.reasons.push("rhone.toml: `[build] command` is what is run, and nothing else".to_owned());
        found.tools = command.first().cloned().into_iter().filter(|tool| !tool.contains('/')).collect();
        found.steps = if command.is_empty() {
            vec![]
        } else {
            vec![Step { name: "build".to_owned(), command, env: BTreeMap::new() }]
        };
    }
    if let Some(output) = &declared.build.output {
        found.output = vec![output.clone()];
    }
    let start = match (&declared.process, found.start) {
        (Some(process), _) => process.clone(),
        (None, Some(start)) => words(start, &found.exports),
        (None, None) => return Err(PlanError::NoStart { reasons: found.reasons.join("; ") }),
    };
    let health = declared.health.clone().unwrap_or_else(|| {
        found.reasons.push(NO_HEALTH.to_owned());
        "/".to_owned()
    });
    found.env.extend(declared.build.env.clone());
    Ok(Plan {
        kind: found.kind,
        reasons: found.reasons,
        steps: found.steps,
        health: health.clone(),
        env: found.env,
        network: declared.build.network,
        output: found.output,
        tools: found.tools,
        rhone: declared.written(&start, &health)?,
        start,
    })
}

/// The words by which a host starts the app. It gets a fixed PATH and no variables of the build.
fn words(start: Start, exports: &[(&str, &str)]) -> Vec<String> {
    let line = match start {
        Start::Words(words) if exports.is_empty() => return words,
        Start::Words(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        Start::Line(line) => line,
    };
    let exports: Vec<_> = exports.iter().map(|(name, value)| format!("export {name}=\"{value}\"; ")).collect();
    // Replaced by the app, the shell does not stand between it and its signals.
    let first = line.split_whitespace().next().unwrap_or_default();
    let simple = !line.contains([';', '&', '|', '<', '>', '(', ')', '`', '\n']) && !first.contains('=');
    let exec = if simple && first != "exec" { "exec " } else { "" };
    // By its name alone: a runner starts nothing by an absolute path.
    vec!["sh".to_owned(), "-c".to_owned(), format!("{}{exec}{line}", exports.concat())]
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The command of the process `web`, which is the one that gets traffic.
fn web_line(procfile: &str) -> Option<String> {
    let mut lines = procfile.lines().filter_map(|line| line.split_once(':'));
    let (_, command) = lines.find(|(name, _)| name.trim() == "web")?;
    Some(command.trim().to_owned()).filter(|command| !command.is_empty())
}

#[cfg(test)]
mod tests;
