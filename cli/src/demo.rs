//! `rhone demo`: the story of an artifact that becomes traffic, told by doing it on the real parts, with the ids, digests,
//! epochs and times of this very run. One file per step. The trap avoided: a demonstration that goes on after a lie; every
//! claim is checked, and the first that does not hold ends it.

mod crowd;
mod running;
mod s1_platform;
mod s2_deployment;
mod s3_allocation;
mod s4_visit;
mod s5_promotion;
mod s6_rollback;
mod s7_timeline;
mod s8_crash;
mod s8_edge;
mod s8_kills;
mod s9_index;
mod source;
mod story;
mod teller;
mod visitor;

use crate::{data::Data, shutdown};
use anyhow::{Result, anyhow};
use clap::Args;
use running::Running;
use std::path::PathBuf;
use story::{Lanes, Release, Story};

/// How it is told.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where `counter-blue` and `counter-green` are laid out.
    #[arg(long, default_value = ".rhone/examples")]
    pub examples: PathBuf,
    /// Rows of the table whose index is built in step 9.
    #[arg(long, default_value_t = 3_000_000)]
    pub rows: u32,
    /// End after step 7: nothing is killed, and no index is built.
    #[arg(long)]
    pub gentle: bool,
}

/// `rhone demo`. Uses the `rhone up` of this folder if one runs; otherwise starts one, and stops it at the end.
pub(crate) async fn run(data: &Data, how: DemoArgs) -> Result<()> {
    let data = data.created()?;
    let interrupted = shutdown::requested()?;
    let running = Running::found_or_started(&data).await?;
    let told = tokio::select! {
        told = tell(&data, &how, &running) => told,
        () = interrupted => Err(anyhow!("interrupted")),
    };
    running.leave().await;
    told
}

async fn tell(data: &Data, how: &DemoArgs, running: &Running) -> Result<()> {
    let mut story = Story::begin(data, how, running)?;
    let lanes = s1_platform::tell(&mut story).await?;
    let blue = s2_deployment::tell(&mut story, &lanes).await?;
    s3_allocation::tell(&mut story, &lanes, &blue).await?;
    s4_visit::tell(&mut story, &lanes).await?;
    let green = s5_promotion::tell(&mut story, &lanes, &blue).await?;
    let position = s6_rollback::tell(&mut story, &lanes, &blue, &green).await?;
    s7_timeline::tell(&mut story, &lanes, &position).await?;
    if !how.gentle {
        troubled(&mut story, &lanes, [&blue, &green], how.rows).await?;
    }
    story.teller.end();
    Ok(())
}

/// Steps 8 and 9: whatever is killed, and what takes long.
async fn troubled(story: &mut Story<'_>, lanes: &Lanes, [blue, green]: [&Release; 2], rows: u32) -> Result<()> {
    let mut crowd = crowd::Crowd::gathered(story.edge()?, &lanes.production.host, crowd::SIZE).await?;
    s8_kills::tell(story, lanes, [green, blue], &mut crowd).await?;
    s8_edge::tell(story, lanes, crowd).await?;
    s8_crash::tell(story, lanes).await?;
    s9_index::tell(story, lanes, [blue, green], rows).await
}
