//! Carries a plan out on a private copy of the sources and lays what came of it out as an artifact's folder. The traps avoided:
//! bytes that depend on where, when or as whom they were made; a build that writes into the sources of another.

mod dockerfile;
mod error;
mod tree;

pub use crate::sandbox::{BuildLimits, Machine, Sandbox};
pub use error::BuildError;
pub use tree::remove;
pub(crate) use tree::{Copy, Scratch, replace};

use crate::{
    log::Log,
    plan::{Kind, Plan, Step},
    sandbox::{self, BROUGHT, Ended, Network, Peak, Purpose, Room, Run, Stop},
    source::{SOURCE_FILE, SourceFile},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{task::spawn_blocking, time::Instant};

/// What came of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// What stood around it.
    pub sandbox: Sandbox,
    /// Of the artifact's folder.
    pub files: u64,
    /// Of its files together.
    pub bytes: u64,
    /// The most memory that its processes had, as it was seen every 40 ms, or less often where a look takes long, at most 250 ms
    /// after the one before.
    pub peak_memory_bytes: u64,
    /// By the clock.
    pub milliseconds: u64,
}

/// Builds `folder` by the plan, and leaves in `output`, which must not be there yet, a folder to be packed. Whoever drops the
/// future ends every program that it started; what was begun is removed.
pub async fn build(
    folder: &Path,
    plan: &Plan,
    output: &Path,
    machine: &Machine,
    log: &Log,
) -> Result<Built, BuildError> {
    let (began, limits) = (Instant::now(), &machine.limits);
    if plan.network && !limits.network {
        return Err(BuildError::NetworkNotAllowed);
    }
    if fs::symlink_metadata(output).is_ok() {
        return Err(BuildError::OutputExists { folder: output.display().to_string() });
    }
    tell(plan, log).await;
    let network = if plan.network { Network::Open } else { Network::Closed };
    warn(machine, network, log).await;
    if plan.kind == Kind::Dockerfile {
        dockerfile::may_be_built(&machine.sandbox)?;
    }
    for tool in &plan.tools {
        if !is_installed(tool) {
            return Err(BuildError::ToolMissing { tool: tool.clone() });
        }
    }
    let beside = output.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(beside)?;
    let scratch = tree::Scratch::beside(beside)?;
    let peak = Peak::default();
    let purpose = if plan.kind == Kind::Dockerfile { Purpose::Images } else { Purpose::Steps };
    let room = fill(folder, scratch.path(), (purpose, network), limits).await?;
    let deadline = began + Duration::from_secs(limits.seconds);
    let run = Run { machine, room: &room, network, deadline, brought: None };
    let epoch = committed(folder);
    let made = scratch.path().join("output");
    let tree::Copied { files, bytes } = if plan.kind == Kind::Dockerfile {
        // What its `ARG` names; the variables of its own steps are the image's.
        let none = BTreeMap::new();
        Box::pin(carry_out(&run, &none, &dockerfile::step(plan, epoch), epoch, log, &peak)).await?;
        dockerfile::lay_out(&room, made, folder.to_owned(), plan.clone(), limits.disk_bytes).await?
    } else {
        for step in &plan.steps {
            Box::pin(carry_out(&run, &plan.env, step, epoch, log, &peak)).await?;
        }
        lay_out(room.at("src"), made, folder.to_owned(), plan.clone(), limits.disk_bytes).await?
    };
    fs::rename(scratch.path().join("output"), output)?;
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    log.step(format!("built {files} files, {bytes} bytes, in {milliseconds} ms")).await;
    Ok(Built { sandbox: machine.sandbox.clone(), files, bytes, peak_memory_bytes: peak.bytes(), milliseconds })
}

/// Runs one line of a shell on a copy of the sources, with a program from elsewhere on the host as its `$0`; gives the folder
/// that was its `$TMPDIR`, inside `scratch`.
pub(crate) async fn run_one(
    folder: &Path,
    scratch: &Path,
    name: &str,
    (program, line): (&Path, &str),
    network: Network,
    machine: &Machine,
    log: &Log,
) -> Result<PathBuf, BuildError> {
    let limits = &machine.limits;
    if network == Network::Open && !limits.network {
        return Err(BuildError::NetworkNotAllowed);
    }
    warn(machine, network, log).await;
    let room = fill(folder, scratch, (Purpose::Steps, network), limits).await?;
    let deadline = Instant::now() + Duration::from_secs(limits.seconds);
    let run = Run { machine, room: &room, network, deadline, brought: Some(program) };
    let place = if machine.sandbox == Sandbox::Bubblewrap { BROUGHT.to_owned() } else { program.display().to_string() };
    let command = ["/bin/sh", "-c", line, &place].map(str::to_owned).to_vec();
    let step = Step { name: name.to_owned(), command, env: BTreeMap::new() };
    Box::pin(carry_out(&run, &BTreeMap::new(), &step, committed(folder), log, &Peak::default())).await?;
    Ok(room.at("tmp"))
}

/// Says what is not protected from a build, where nothing stands around it.
async fn warn(machine: &Machine, network: Network, log: &Log) {
    if let Sandbox::Plain(why) = &machine.sandbox {
        log.step(sandbox::warning(why, network)).await;
    }
}

async fn tell(plan: &Plan, log: &Log) {
    for reason in &plan.reasons {
        log.step(reason).await;
    }
    let network = if plan.network { "open, as declared" } else { "closed" };
    let start = if plan.start.is_empty() { "what the image says".to_owned() } else { format!("{:?}", plan.start) };
    log.step(format!("starts with {start}; health at `{}`; the build's network is {network}", plan.health)).await;
}

fn is_installed(tool: &str) -> bool {
    crate::sandbox::PATH.split(':').any(|folder| Path::new(folder).join(tool).exists())
}

/// When the commit was made, where the sources say so.
fn committed(folder: &Path) -> i64 {
    let text = fs::read_to_string(folder.join(SOURCE_FILE)).unwrap_or_default();
    serde_json::from_str::<SourceFile>(&text).map_or(0, |source| source.committed)
}

/// A room with a copy of the sources, whose times are the commit's.
async fn fill(
    folder: &Path,
    scratch: &Path,
    (purpose, network): (Purpose, Network),
    limits: &BuildLimits,
) -> Result<Room, BuildError> {
    let (folder, scratch, most, time) = (folder.to_owned(), scratch.to_owned(), limits.disk_bytes, committed(folder));
    let work = move || -> Result<Room, BuildError> {
        let room = Room::make(&scratch, purpose, network)?;
        let source = tree::Copy { most, time: Some(time) };
        source.copy(&folder, &room.at("src"))?;
        room.give_away()?;
        Ok(room)
    };
    spawn_blocking(work).await.map_err(|_| BuildError::Interrupted)?
}

async fn carry_out(
    run: &Run<'_>,
    env: &BTreeMap<String, String>,
    step: &Step,
    epoch: i64,
    log: &Log,
    peak: &Peak,
) -> Result<(), BuildError> {
    log.step(format!("{}: {}", step.name, step.command.join(" "))).await;
    log.forget();
    let mut env = env.clone();
    env.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string());
    env.extend(step.env.clone());
    let name = || step.name.clone();
    let limits = &run.machine.limits;
    match run.run(&step.command, &env, log, peak).await? {
        Ok(Ended { status, .. }) if status.success() => Ok(()),
        Ok(ended) => Err(failed(step, &ended, limits, log)),
        Err(Stop::Time) => Err(BuildError::Timeout { step: name(), seconds: limits.seconds }),
        Err(Stop::Memory) => Err(BuildError::OutOfMemory { step: name(), bytes: limits.memory_bytes }),
        Err(Stop::Processes) => Err(BuildError::TooManyProcesses { step: name(), processes: limits.processes }),
        Err(Stop::Disk) => Err(BuildError::TooLarge { bytes: limits.disk_bytes }),
    }
}

/// What the kernel ends a process for that writes more into one file, or computes longer, than it may.
const FILE_TOO_LARGE: i32 = 25;
const TOO_LONG: i32 = 24;

fn failed(step: &Step, ended: &Ended, limits: &BuildLimits, log: &Log) -> BuildError {
    // A shell says 128 and the signal's number of a program that a signal ended.
    let status = ended.status.code().or_else(|| ended.status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    let name = step.name.clone();
    match status - 128 {
        FILE_TOO_LARGE => return BuildError::TooLarge { bytes: limits.disk_bytes },
        TOO_LONG => return BuildError::Timeout { step: name, seconds: limits.seconds },
        _ => {}
    }
    let last = log.last_lines();
    if ended.reached_out {
        return BuildError::NetworkRefused { step: name, status, last };
    }
    BuildError::Failed { step: name, status, last }
}

/// The artifact's folder: what of the sources the plan names, its `rhone.toml`, and where the sources are from.
async fn lay_out(
    sources: PathBuf,
    output: PathBuf,
    folder: PathBuf,
    plan: Plan,
    most: u64,
) -> Result<tree::Copied, BuildError> {
    let work = move || -> Result<tree::Copied, BuildError> {
        let inside = sources.canonicalize()?;
        fs::create_dir(&output)?;
        let mut copy = tree::Copy { most, time: None };
        let mut copied = tree::Copied::default();
        for name in &plan.output {
            let missing = || BuildError::OutputMissing { output: name.clone() };
            let from = sources.join(name).canonicalize().map_err(|_| missing())?;
            if !from.starts_with(&inside) || (plan.output.len() == 1 && !from.is_dir()) {
                return Err(missing());
            }
            // One folder becomes the artifact; of several, each keeps its place.
            let to = if plan.output.len() == 1 { output.clone() } else { output.join(name) };
            let more = copy.copy(&from, &to)?;
            copy.most = copy.most.saturating_sub(more.bytes);
            copied = tree::Copied { files: copied.files + more.files, bytes: copied.bytes + more.bytes };
        }
        tree::replace(&output.join("rhone.toml"), plan.rhone.as_bytes())?;
        if let Ok(source) = fs::read(folder.join(SOURCE_FILE)) {
            tree::replace(&output.join(SOURCE_FILE), &source)?;
        }
        Ok(copied)
    };
    spawn_blocking(work).await.map_err(|_| BuildError::Interrupted)?
}
