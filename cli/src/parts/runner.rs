//! `rhone runner`: the agent of a host, and the gates that it starts. The agent ends at once when asked: what it started does
//! not depend on it.

use crate::{config::section, data::Data, shutdown};
use anyhow::{Context as _, Result};
use std::path::Path;

/// Runs the agent until it is asked to end; its gates and their apps go on.
pub(crate) async fn run(data: &Data) -> Result<()> {
    let shutdown = shutdown::requested()?;
    let config: rhone_runner::Config = section(data, "runner")?;
    tokio::select! {
        ended = rhone_runner::run(config) => ended.context("running the runner"),
        () = shutdown => Ok(()),
    }
}

/// Runs the gate of one allocation.
pub(crate) async fn gate(spec: &Path) -> Result<()> {
    rhone_runner::gate::run(spec).await.context("running a gate")
}
