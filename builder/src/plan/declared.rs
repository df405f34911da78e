//! `rhone.toml` as the builder reads it: `[build]`, and what of the rest decides the plan. The other fields are judged when the
//! artifact is registered (`providers/src/artifact_facts/rhone_toml.rs`), and are carried over as they are.

use super::{PlanError, files::Files};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Component, Path},
};
use toml::{Table, Value};

const FILE: &str = "rhone.toml";

#[derive(Default)]
pub(super) struct Declared {
    pub(super) process: Option<Vec<String>>,
    pub(super) health: Option<String>,
    pub(super) build: Build,
    rest: Table,
}

/// `[build]`.
#[derive(Default)]
pub(super) struct Build {
    /// Words, or none for a detected build; no words for no build at all.
    pub(super) command: Option<Vec<String>>,
    pub(super) output: Option<String>,
    pub(super) network: bool,
    pub(super) env: BTreeMap<String, String>,
    pub(super) detect: Option<Detect>,
}

/// Who is asked how the folder is built, in place of the files of a language. It stands in the repository and not in a setting of
/// the machine, so that the same commit is built the same way wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Detect {
    Dockerfile,
    Railpack,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    command: Option<Command>,
    output: Option<String>,
    #[serde(default)]
    network: bool,
    #[serde(default)]
    env: BTreeMap<String, String>,
    detect: Option<Detect>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Command {
    Line(String),
    Words(Vec<String>),
}

impl Declared {
    pub(super) fn read(files: &Files) -> Result<Self, PlanError> {
        let Some(text) = files.text(FILE)? else { return Ok(Self::default()) };
        let mut rest: Table =
            toml::from_str(&text).map_err(|failure| PlanError::file(FILE, "-", failure.message().to_owned()))?;
        let build = rest.remove("build").map(build).transpose()?.unwrap_or_default();
        let process = rest.get("process").map(process).transpose()?;
        let health = rest.get("health").map(|health| text_of("health", health)).transpose()?;
        Ok(Self { process, health, build, rest })
    }

    /// The file that an image's artifact begins with: what is declared, and nothing that is found.
    pub(super) fn kept(&self) -> Result<String, PlanError> {
        toml::to_string(&self.rest).map_err(|failure| PlanError::file(FILE, "-", failure.to_string()))
    }

    /// The file that the artifact carries: without `[build]`, and with what was found where nothing was declared.
    pub(super) fn written(mut self, start: &[String], health: &str) -> Result<String, PlanError> {
        let start = start.iter().cloned().map(Value::String).collect();
        self.rest.insert("process".to_owned(), Value::Array(start));
        self.rest.insert("health".to_owned(), Value::String(health.to_owned()));
        toml::to_string(&self.rest).map_err(|failure| PlanError::file(FILE, "-", failure.to_string()))
    }
}

fn build(value: Value) -> Result<Build, PlanError> {
    let refused = |field: &str, rule: &str| PlanError::file(FILE, &format!("build.{field}"), rule);
    let written: Written = value
        .try_into()
        .map_err(|failure: toml::de::Error| PlanError::file(FILE, "build", failure.message().to_owned()))?;
    let command = written.command.clone().map(|command| match command {
        Command::Line(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line],
        Command::Words(words) => words,
    });
    if command.iter().flatten().any(|word| word.contains('\0')) || command.iter().flatten().count() > 1000 {
        return Err(refused("command", "must have at most 1000 words without NUL"));
    }
    if let Some(output) = &written.output {
        let plain = Path::new(output).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if output.is_empty() || !plain {
            return Err(refused("output", "must be a path inside the sources, without `..`"));
        }
    }
    let named = |name: &String| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit()
    };
    if !written.env.keys().all(named) || written.env.values().any(|value| value.contains('\0')) {
        return Err(refused("env", "must have names of letters, digits and `_`, and values without NUL"));
    }
    if written.detect.is_some() && command.is_some() {
        return Err(refused("detect", "must not stand beside `command`, which says itself how to build"));
    }
    if written.detect == Some(Detect::Dockerfile) && written.output.is_some() {
        return Err(refused("output", "must not stand beside a Dockerfile, whose image is what is built"));
    }
    let Written { output, network, env, detect, .. } = written;
    Ok(Build { command, output, network, env, detect })
}

fn process(value: &Value) -> Result<Vec<String>, PlanError> {
    let words = value.as_array().filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| PlanError::file(FILE, "process", "must be a list: a program and its arguments"))?;
    words.iter().map(|word| text_of("process", word)).collect()
}

fn text_of(field: &str, value: &Value) -> Result<String, PlanError> {
    value.as_str().map(str::to_owned).ok_or_else(|| PlanError::file(FILE, field, "must be text"))
}
