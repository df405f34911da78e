//! Claims operations that no live lease covers, whoever began them, and drives each in a task of its own.

use crate::{config::Config, drive};
use metrics::gauge;
use rhone_projections::authority::operations;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a lease lasts: the longest time after which a dead worker's operations are adopted.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// How many operations one worker drives at once.
const MOST: usize = 64;

/// Claims and drives for ever.
pub(crate) async fn run(config: Config) {
    let mut driven = JoinSet::new();
    let mut bell = config.bell.listen();
    loop {
        while driven.try_join_next().is_some() {}
        bell.borrow_and_update();
        let room = MOST - driven.len().min(MOST);
        let claimed = if room == 0 { Ok(Vec::new()) } else { claim(&config, room).await };
        match claimed {
            Ok(claimed) => {
                for (operation, fence) in claimed {
                    driven.spawn(drive::run(config.clone(), operation, fence));
                }
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "no operation could be claimed"),
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 64")]
        gauge!("rhone_operations_driven").set(driven.len() as f64);
        let _ = tokio::time::timeout(Duration::from_millis(100), bell.changed()).await;
    }
}

async fn claim(
    config: &Config,
    room: usize,
) -> Result<Vec<(rhone_domain::ids::OperationId, rhone_domain::numbers::Fence)>, sqlx::Error> {
    let most = i32::try_from(room).unwrap_or(i32::MAX);
    operations::claim(&config.pool, &config.owner(), most, LEASE).await
}
