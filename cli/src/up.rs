//! `rhone up`: everything on one machine. Starts private servers, migrates, makes the first region, cell and host, starts
//! every part as a process of its own, starts again whatever dies, and stops in order all that it started. The trap avoided:
//! something left behind; what an earlier `up` left when it was killed is ended by the next one, except gates and apps.

mod announce;
mod bootstrap;
mod keep_part;
mod keep_server;
mod kept;
mod plan;
mod ports;
pub(crate) mod report;
mod secrets;
mod take_over;

use crate::{
    args::UpArgs,
    data::Data,
    output::line,
    shutdown::{self, told},
};
use anyhow::{Result, anyhow, bail};
use kept::Kept;
use report::Stage;
use rhone_providers::servers::Postgres;
use tokio::sync::{mpsc, watch};

/// The URL of the database that an `up` on this private server uses; it is made when it is not there.
pub(crate) async fn database_of(server: &Postgres) -> Result<String> {
    kept::create_database(&server.url("postgres")).await?;
    Ok(server.url(kept::DATABASE))
}

/// `rhone up`.
pub(crate) async fn run(data: &Data, how: UpArgs) -> Result<()> {
    let data = data.created()?;
    let Some(_only) = take_over::lock(&data)? else {
        bail!("another `rhone up` uses {}: stop it first, or choose another folder with --data", data.path().display());
    };
    let mut asked_to_end = when_asked_to_end()?;
    take_over::end_leftovers(&data).await;
    let (trouble, mut troubles) = mpsc::channel(8);
    let mut kept = Kept::new(&data, trouble)?;
    let outcome = match start(&data, &how, &mut kept, &mut asked_to_end).await {
        Ok(()) => {
            tokio::select! {
                () = told(&mut asked_to_end) => Ok(()),
                Some(reason) = troubles.recv() => Err(anyhow!(reason)),
            }
        }
        Err(_) if *asked_to_end.borrow() => Ok(()),
        Err(error) => Err(error),
    };
    if outcome.is_ok() {
        line("stopping");
    }
    kept.stop().await;
    outcome
}

fn when_asked_to_end() -> Result<watch::Receiver<bool>> {
    let shutdown = shutdown::requested()?;
    let (tell, asked) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.await;
        tell.send_replace(true);
    });
    Ok(asked)
}

/// Each step leaves in `kept` what it started, so that it is stopped whatever happens in the next one.
async fn start(data: &Data, how: &UpArgs, kept: &mut Kept, asked_to_end: &mut watch::Receiver<bool>) -> Result<()> {
    let interrupted =
        |asked: &watch::Receiver<bool>| if *asked.borrow() { Err(anyhow!("interrupted")) } else { Ok(()) };
    let servers = kept.start_servers().await?;
    interrupted(asked_to_end)?;
    let database = crate::migrate::migrate(data, &servers.database_url).await?;
    interrupted(asked_to_end)?;
    let secrets = secrets::kept(data, how.edges)?;
    let ids = bootstrap::bootstrap(&database, &secrets, how.edges).await?;
    interrupted(asked_to_end)?;
    let plan = plan::make(data, how, &plan::Known { servers, database, secrets, ids })?;
    kept.report.know(plan.facts.clone());
    kept.start_parts(&plan)?;
    tokio::select! {
        ready = announce::wait_until_ready(data, &plan.readiness) => ready?,
        () = told(asked_to_end) => bail!("interrupted"),
    }
    kept.report.stage(Stage::Ready);
    announce::announce(data, &plan.facts, how.host);
    Ok(())
}
