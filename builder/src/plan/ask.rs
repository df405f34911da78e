//! The plan of a folder, of Railpack where `rhone.toml` asks for it: `railpack prepare` runs in the sandbox, as a step of a build
//! would, for what it reads was written by a stranger. The traps avoided: a plan file that is a link; and a plan of the
//! repository's own that is passed over.

use super::{Plan, PlanError, Programs, asks_railpack, detect, files::Files, with_railpack};
use crate::{
    build::{self, BuildError, Scratch},
    log::Log,
    sandbox::{Machine, Network},
};
use std::{fs, path::Path};

/// The file that Railpack is told to write.
const PLAN: &str = "railpack-plan.json";

/// Says how the folder is built and started; what Railpack needs on the disk lies beside `beside` while it runs.
pub async fn settle(
    folder: &Path,
    beside: &Path,
    programs: &Programs,
    machine: &Machine,
    log: &Log,
) -> Result<Plan, PlanError> {
    let Some(declared) = asks_railpack(folder)? else { return detect(folder, programs) };
    let railpack = programs.railpack().ok_or(PlanError::RailpackMissing)?;
    let failed = |failure: BuildError| PlanError::Railpack(Box::new(failure));
    let network = if declared.build.network { Network::Open } else { Network::Closed };
    fs::create_dir_all(beside)?;
    let scratch = Scratch::beside(beside)?;
    let line = format!("exec \"$0\" prepare . --plan-out \"$TMPDIR/{PLAN}\" --info-out \"$TMPDIR/railpack-info.json\"");
    let room = build::run_one(folder, scratch.path(), "railpack prepare", (&railpack, &line), network, machine, log);
    let written = Files::of(&Box::pin(room).await.map_err(failed)?)?.text(PLAN)?;
    with_railpack(folder, &written.ok_or_else(|| PlanError::file(PLAN, "-", "was not written by railpack"))?)
}
