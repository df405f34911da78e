//! Claims deploys and drives each in a task of its own, as many at once as this worker builds and a workspace may. What waits
//! for its turn waits in the log. The trap: a build's leftovers that fill the disk; each has a folder of its own, which goes
//! with the lease, and those of a life that ended badly go when the next one begins.

use crate::{
    config::{Builds, Config},
    drive,
    operations::LEASE,
};
use metrics::gauge;
use rhone_domain::{ids::OperationId, numbers::Fence};
use rhone_projections::authority::operations;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{fs, task::JoinSet};

/// A folder that nobody has touched for so long belongs to no build that runs: none may take longer.
const ABANDONED: Duration = Duration::from_hours(24);

/// Claims and drives for ever; only waits where nothing is built.
pub(crate) async fn run(config: Config) {
    let Some(builds) = config.builds.clone() else { return std::future::pending().await };
    if let Err(error) = sweep(&builds.scratch).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "what earlier builds left was not removed");
    }
    let mut driven = JoinSet::new();
    let mut bell = config.bell.listen();
    loop {
        while driven.try_join_next().is_some() {}
        bell.borrow_and_update();
        let room = builds.at_once - driven.len().min(builds.at_once);
        let claimed = if room == 0 { Ok(Vec::new()) } else { claim(&config, &builds, room).await };
        match claimed {
            Ok(claimed) => {
                for (operation, fence) in claimed {
                    driven.spawn(one(config.clone(), builds.clone(), operation, fence));
                }
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "no deploy could be claimed"),
        }
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        gauge!("rhone_deploys_driven").set(driven.len() as f64);
        tokio::select! {
            Some(_) = driven.join_next() => {}
            _ = tokio::time::timeout(Duration::from_millis(100), bell.changed()) => {}
        }
    }
}

/// Where one attempt works.
pub(crate) fn folder(builds: &Builds, operation: OperationId, attempt: Fence) -> PathBuf {
    builds.scratch.join(format!("{operation}-{attempt}"))
}

async fn one(config: Config, builds: Arc<Builds>, operation: OperationId, attempt: Fence) {
    drive::run(config, operation, attempt).await;
    let folder = folder(&builds, operation, attempt);
    match fs::remove_dir_all(&folder).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(folder = %folder.display(), %error, "a build's folder was not removed"),
    }
}

async fn claim(config: &Config, builds: &Builds, room: usize) -> Result<Vec<(OperationId, Fence)>, sqlx::Error> {
    let most = i32::try_from(room).unwrap_or(i32::MAX);
    operations::claim_deploys(&config.pool, &config.owner(), most, builds.per_workspace.into(), LEASE).await
}

async fn sweep(scratch: &Path) -> io::Result<()> {
    fs::create_dir_all(scratch).await?;
    let mut entries = fs::read_dir(scratch).await?;
    while let Some(entry) = entries.next_entry().await? {
        let touched = entry.metadata().await?.modified()?;
        if SystemTime::now().duration_since(touched).is_ok_and(|age| age > ABANDONED) {
            fs::remove_dir_all(entry.path()).await?;
        }
    }
    Ok(())
}
