//! `rhone demo`: the story of an artifact that becomes traffic, told by doing it on the real parts, with the ids, digests,
//! epochs and times of this very run. One file per step. The trap avoided: a demonstration that goes on after a lie; every
//! claim is checked, and the first that does not hold ends it.

use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;

/// How it is told.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where `counter-blue` and `counter-green` are laid out.
    #[arg(long, default_value = ".rhone/examples")]
    pub examples: PathBuf,
    /// Rows of the table whose index is built in step 9.
    #[arg(long, default_value_t = 3_000_000)]
    pub rows: u64,
}

pub(crate) async fn run(_: &crate::data::Data, _: DemoArgs) -> Result<()> {
    bail!("soon")
}
