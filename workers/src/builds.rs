//! Claims deploys and drives each in a task of its own, as many at once as this worker builds and a workspace may. What waits
//! for its turn waits in the log. The traps: a build's leftovers that fill the disk, and a source's credential among those of a
//! worker that was killed; each attempt has a folder of its own, which goes with it, and with the lease where it could not. And
//! a sweep of what another installation has in hand: its leases stand in a database that is not asked here.

use crate::{
    config::{Builds, Config},
    drive,
    operations::LEASE,
};
use metrics::gauge;
use rhone_domain::{
    ids::{OperationId, derived},
    numbers::Fence,
};
use rhone_eventstore::lease::Leases;
use rhone_projections::authority::operations;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::{fs, task::JoinSet};

/// A folder that is no attempt's, and that nobody has touched for so long, is nobody's.
const ABANDONED: Duration = Duration::from_hours(24);

/// How often folders are looked for whose attempt is dead. A lease lives as long: what a killed worker left is gone two of
/// them later, also when nobody adopts what it did.
const SWEPT: Duration = LEASE;

/// The same, with a folder for attempts that is this installation's alone, wherever its workers run: others may be told the same
/// `scratch`. An installation is a database; one that was restored into another server is another one.
pub(crate) async fn of_this_installation(config: Config) -> Result<Config, sqlx::Error> {
    let Some(builds) = &config.builds else { return Ok(config) };
    let asked = sqlx::query_as("SELECT system, current_database()::text FROM log.incarnation()");
    let (system, database): (String, String) = asked.fetch_one(&config.pool).await?;
    let own = derived(&["builds", &system, &database]).to_string();
    let builds = Builds { scratch: builds.scratch.join(own), ..Builds::clone(builds) };
    Ok(Config { builds: Some(Arc::new(builds)), ..config })
}

/// Claims and drives for ever; only waits where nothing is built.
pub(crate) async fn run(config: Config) {
    let Some(builds) = config.builds.clone() else { return std::future::pending().await };
    let mut driven = JoinSet::new();
    let mut bell = config.bell.listen();
    let mut swept = None;
    loop {
        while driven.try_join_next().is_some() {}
        if swept.is_none_or(|at: Instant| at.elapsed() >= SWEPT) {
            sweep(&Leases::new(config.pool.clone()), &builds.scratch).await;
            swept = Some(Instant::now());
        }
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

/// Whose folder it is, by its name.
fn attempt(name: &str) -> Option<(OperationId, Fence)> {
    let (operation, attempt) = name.rsplit_once('-')?;
    Some((operation.parse().ok()?, Fence(attempt.parse().ok()?)))
}

async fn one(config: Config, builds: Arc<Builds>, operation: OperationId, attempt: Fence) {
    forget_earlier(&builds.scratch, operation, attempt).await;
    drive::run(config, operation, attempt).await;
    remove(&folder(&builds, operation, attempt)).await;
}

async fn claim(config: &Config, builds: &Builds, room: usize) -> Result<Vec<(OperationId, Fence)>, sqlx::Error> {
    let most = i32::try_from(room).unwrap_or(i32::MAX);
    operations::claim_deploys(&config.pool, &config.owner(), most, builds.per_workspace.into(), LEASE).await
}

/// What earlier attempts at this operation left: a fence that is passed is dead, whoever held it.
async fn forget_earlier(scratch: &Path, operation: OperationId, now: Fence) {
    for folder in folders(scratch).await {
        if attempt(&name(&folder)).is_some_and(|(of, earlier)| of == operation && earlier < now) {
            remove(&folder).await;
        }
    }
}

/// What belongs to no living lease.
async fn sweep(leases: &Leases, scratch: &Path) {
    for folder in folders(scratch).await {
        let dead = match attempt(&name(&folder)) {
            Some((operation, fence)) => match leases.is_held(&operations::lease(operation), fence).await {
                Ok(held) => !held,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "what dead builds left stays for now");
                    return;
                }
            },
            None => is_abandoned(&folder).await,
        };
        if dead {
            tracing::info!(folder = %folder.display(), "what a dead build left is removed");
            remove(&folder).await;
        }
    }
}

async fn is_abandoned(folder: &Path) -> bool {
    let touched = fs::metadata(folder).await.and_then(|found| found.modified());
    touched.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > ABANDONED))
}

async fn folders(scratch: &Path) -> Vec<PathBuf> {
    let listed = async {
        fs::create_dir_all(scratch).await?;
        let (mut found, mut entries) = (Vec::new(), fs::read_dir(scratch).await?);
        while let Some(entry) = entries.next_entry().await? {
            found.push(entry.path());
        }
        Ok::<_, io::Error>(found)
    };
    listed.await.unwrap_or_else(|error| {
        tracing::warn!(folder = %scratch.display(), %error, "the builds' folder cannot be read");
        Vec::new()
    })
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

async fn remove(folder: &Path) {
    let gone = {
        let folder = folder.to_owned();
        tokio::task::spawn_blocking(move || rhone_builder::build::remove(&folder)).await
    };
    match gone.unwrap_or_else(|error| Err(error.into())) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(folder = %folder.display(), %error, "a build's folder was not removed"),
    }
}

#[cfg(test)]
mod tests {
    //! Whose folder is whose.
    use super::*;

    #[test]
    fn a_folder_is_an_attempts_by_its_name_alone() {
        let operation: OperationId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("an id");
        let folder = PathBuf::from("/x").join(format!("{operation}-{}", Fence(12)));
        assert_eq!(attempt(&name(&folder)), Some((operation, Fence(12))));
        for other in ["", "12", "notes-12", &operation.to_string(), &format!("{operation}-x"), ".rhone-build-1"] {
            assert_eq!(attempt(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn who_adopts_removes_what_came_before_and_nothing_else() {
        let room = tempfile::tempdir().expect("a folder");
        let [one, two]: [OperationId; 2] =
            ["01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"]
                .map(|id| id.parse().expect("an id"));
        for (operation, fence) in [(one, 1), (one, 3), (one, 4), (two, 1)] {
            std::fs::create_dir(room.path().join(format!("{operation}-{}", Fence(fence)))).expect("a folder");
        }
        forget_earlier(room.path(), one, Fence(3)).await;
        let mut left: Vec<_> = folders(room.path()).await.iter().map(|folder| name(folder)).collect();
        left.sort_unstable();
        assert_eq!(left, [format!("{one}-3"), format!("{one}-4"), format!("{two}-1")]);
    }
}
