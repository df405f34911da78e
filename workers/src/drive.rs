//! Drives one operation under one lease: ask the process manager, do the step, ask again. The lease is renewed by the
//! database's clock; every append carries its fence. The trap: a worker that was paused past its lease and goes on; its
//! append is refused in SQL, and what it wanted to say is put on record as a late report.

use crate::{
    config::Config,
    operations::LEASE,
    process::{self, AdvanceError, Outcome},
};
use rhone_domain::{
    actor::Writer,
    ids::OperationId,
    numbers::Fence,
    operation::{self, Operation},
};
use rhone_eventstore::{AppendError, FenceCheck, lease::Leases};
use rhone_projections::authority::operations;
use std::time::{Duration, Instant};

const RENEW: Duration = Duration::from_secs(3);

/// Drives until the operation has ended or the lease is lost.
pub(crate) async fn run(config: Config, id: OperationId, fence: Fence) {
    let lease = operations::lease(id);
    let (leases, owner) = (Leases::new(config.pool.clone()), config.owner());
    let check = FenceCheck { lease: lease.clone(), fence };
    let mut bell = config.bell.listen();
    let mut pause = Pause::default();
    let mut renewed = Instant::now();
    loop {
        bell.borrow_and_update();
        if renewed.elapsed() >= RENEW {
            match leases.renew(&lease, &owner, fence, LEASE).await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(operation.id = %id, error = &error as &dyn std::error::Error, "no renewal");
                }
            }
        }
        match Box::pin(process::advance(&config, id, &check)).await {
            Ok(Outcome::Advanced) => pause = Pause::default(),
            Ok(Outcome::Waiting) => pause.wait(&mut bell).await,
            Ok(Outcome::Ended) => {
                if let Err(error) = leases.release(&lease, &owner, fence).await {
                    tracing::debug!(operation.id = %id, error = &error as &dyn std::error::Error, "lease not released");
                }
                return;
            }
            Err(AdvanceError::Append { source: AppendError::Conflict { .. }, .. }) => {}
            Err(AdvanceError::Append { source: AppendError::StaleFence { .. }, step }) => {
                return record_late(&config, id, fence, step).await;
            }
            Err(error) => {
                tracing::warn!(operation.id = %id, error = &error as &dyn std::error::Error, "a step did not happen");
                pause.wait(&mut bell).await;
            }
        }
    }
}

/// Waits for a ring, or a little longer each time.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    async fn wait(&mut self, bell: &mut tokio::sync::watch::Receiver<u64>) {
        let most = Duration::from_millis(20 << self.0.min(4)).min(Duration::from_millis(250));
        self.0 += 1;
        let _ = tokio::time::timeout(most, bell.changed()).await;
    }
}

/// Evidence that came too late: unfenced, once per attempt, and it changes nothing.
async fn record_late(config: &Config, id: OperationId, attempt: Fence, report: String) {
    let door = config.door();
    for _ in 0..5 {
        let Ok(mut loaded) = door.load::<Operation>(id).await else { return };
        let Some(workspace) = loaded.state.requested.as_ref().map(|requested| requested.workspace) else { return };
        let mut unit = door.unit(config.context(Writer::System, workspace, id.into(), loaded.last_event));
        let command = operation::Command::RecordLateReport { attempt, report: report.clone() };
        if unit.decide(&mut loaded, command).is_err() {
            return;
        }
        match door.commit(unit, None, None).await {
            Ok(_) => {
                tracing::warn!(operation.id = %id, attempt = attempt.0, "a stale worker's report was put on record");
                return;
            }
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => {
                tracing::warn!(operation.id = %id, error = &error as &dyn std::error::Error, "a late report was lost");
                return;
            }
        }
    }
}
