//! Starts everything a worker does and waits for the end.

use crate::{builds, config::Config, housekeeping, log_rotation, operations, publisher, scheduler, sleep};
use rhone_eventstore::{
    boot::{self, BootError},
    lease::{Leases, answered},
};
use rhone_projections::{authority::feed, catalogue::Catalogue, deployments::Deployments, runner, timeline::Timeline};
use std::future::Future;
use tokio::task::JoinSet;

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log is not fit to be read.
    #[error("the log is not fit to be read")]
    Boot(#[from] BootError),
    /// Nobody said which installation this is.
    #[error("asking which installation this is")]
    Installation(#[source] sqlx::Error),
    /// The feeds could not be settled.
    #[error("the feeds could not be settled")]
    Feeds(#[from] sqlx::Error),
}

/// Works until `shutdown`; leases that are held then are given back, also those that were claimed by what was given up on its way.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), WorkerError> {
    boot::check(&config.pool).await?;
    if feed::settle(&config.pool).await? {
        tracing::info!("the log has begun a new life: every feed has a new incarnation");
    }
    let config = builds::of_this_installation(config).await.map_err(WorkerError::Installation)?;
    let mut tasks = JoinSet::new();
    let (leases, owner) = (Leases::new(config.pool.clone()), config.owner());
    let pools = [config.pool.clone(), config.projector.clone()];
    let follow = (config.projector.clone(), owner.clone(), config.bell.clone(), config.clock.clone());
    let (a, b, c) = (follow.clone(), follow.clone(), follow);
    tasks.spawn(runner::run::<Catalogue>(a.0, a.1, a.2, a.3));
    tasks.spawn(runner::run::<Deployments>(b.0, b.1, b.2, b.3));
    tasks.spawn(runner::run::<Timeline>(c.0, c.1, c.2, c.3));
    tasks.spawn(operations::run(config.clone()));
    tasks.spawn(builds::run(config.clone()));
    tasks.spawn(scheduler::run(config.clone()));
    tasks.spawn(sleep::run(config.clone()));
    tasks.spawn(housekeeping::run(config.clone()));
    tasks.spawn(log_rotation::run(config.clone()));
    tasks.spawn(publisher::run(config));
    tokio::select! {
        () = shutdown => {}
        Some(ended) = tasks.join_next() => tracing::error!(?ended, "a part of the worker ended by itself"),
    }
    tasks.shutdown().await;
    for pool in &pools {
        answered(pool).await;
    }
    if let Err(error) = leases.release_all(&owner).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the leases run out by themselves");
    }
    Ok(())
}
