//! Drives one operation under one lease: ask the process manager, do the step, ask again. The lease is renewed by the
//! database's clock; every append carries its fence. The trap: a worker that was paused past its lease and goes on; its
//! append is refused in SQL, and what it wanted to say is put on record as a late report.

use crate::{
    config::Config,
    operations::LEASE,
    process::{self, AdvanceError, Outcome, is_overtaken},
};
use rhone_domain::{
    actor::Writer,
    ids::OperationId,
    numbers::Fence,
    operation::{self, Operation},
};
use rhone_eventstore::{AppendError, FenceCheck, lease::Leases};
use rhone_projections::authority::operations;
use std::{
    convert::Infallible,
    future::{Future, pending},
    time::{Duration, Instant},
};
use tokio::sync::watch;

const RENEW: Duration = Duration::from_secs(3);

/// How long after a renewal that failed the next is tried.
const AGAIN: Duration = Duration::from_millis(250);

/// Drives until the operation has ended or the lease is lost.
pub(crate) async fn run(config: Config, id: OperationId, fence: Fence) {
    let lease = operations::lease(id);
    let (leases, owner) = (Leases::new(config.pool.clone()), config.owner());
    let check = FenceCheck { lease: lease.clone(), fence };
    let mut bell = config.bell.listen();
    let mut pause = Pause::default();
    let mut renewed = Instant::now();
    let (tell, lost) = watch::channel(Lease::Held);
    let held = Held { leases: &leases, lease: &lease, owner: &owner, fence };
    while *lost.borrow() == Lease::Held {
        bell.borrow_and_update();
        let step = Box::pin(process::advance(&config, id, &check, &lost));
        match holding(step, held.renew(&mut renewed, &tell)).await {
            Ok(Outcome::Advanced) => pause = Pause::default(),
            Ok(Outcome::Waiting) => pause.wait(&mut bell).await,
            Ok(Outcome::Ended) => {
                if let Err(error) = leases.release(&lease, &owner, fence).await {
                    tracing::debug!(operation.id = %id, error = &error as &dyn std::error::Error, "lease not released");
                }
                return;
            }
            Err(error) => match follows(&error) {
                Follows::LookAgain => {}
                Follows::LookAgainLater => {
                    tracing::warn!(operation.id = %id, error = &error as &dyn std::error::Error, "a step did not happen");
                    pause.wait(&mut bell).await;
                }
                Follows::LetGo(step) => return record_late(&config, id, fence, step).await,
            },
        }
    }
}

/// What follows when a step did not happen. Only whoever lost the lease lets go of the operation: whatever a rule, another writer
/// or an outage has kept from happening, the world is read again, and judged as it is by then.
#[derive(Debug, PartialEq, Eq)]
enum Follows {
    LookAgain,
    LookAgainLater,
    /// The step comes too late.
    LetGo(String),
}

fn follows(error: &AdvanceError) -> Follows {
    match error {
        AdvanceError::Append { source, .. } if is_overtaken(source) => Follows::LookAgain,
        AdvanceError::Append { source: AppendError::StaleFence { .. }, step } => Follows::LetGo(step.clone()),
        AdvanceError::Append { .. }
        | AdvanceError::Refused(_)
        | AdvanceError::Read(_)
        | AdvanceError::Rows(_)
        | AdvanceError::Vault(_) => Follows::LookAgainLater,
    }
}

/// Whether the lease is still this worker's, as far as it knows; whoever works long in one step looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    Held,
    Lost,
}

/// Carries a step to its end and renews the lease meanwhile. A step whose lease is lost is told so and not dropped: what it
/// wanted to append is put on record as a late report.
async fn holding<T>(step: impl Future<Output = T>, renewal: impl Future<Output = Infallible>) -> T {
    tokio::select! {
        biased;
        done = step => done,
        never = renewal => match never {},
    }
}

/// A lease, and who holds it.
struct Held<'a> {
    leases: &'a Leases,
    lease: &'a str,
    owner: &'a str,
    fence: Fence,
}

impl Held<'_> {
    /// Renews for ever, or until it is lost, which is told.
    async fn renew(&self, renewed: &mut Instant, tell: &watch::Sender<Lease>) -> Infallible {
        loop {
            tokio::time::sleep(RENEW.saturating_sub(renewed.elapsed())).await;
            match self.leases.renew(self.lease, self.owner, self.fence, LEASE).await {
                Ok(true) => *renewed = Instant::now(),
                Ok(false) => {
                    tell.send_replace(Lease::Lost);
                    return pending().await;
                }
                Err(error) => {
                    let lease = self.lease;
                    tracing::warn!(lease, error = &error as &dyn std::error::Error, "no renewal");
                    tokio::time::sleep(AGAIN).await;
                }
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

#[cfg(test)]
mod tests {
    //! What a step that did not happen leads to.
    use super::*;
    use rhone_domain::{envelope::StreamId, numbers::Version};
    use rhone_projections::authority::allocations::HOST_FULL;
    use uuid::Uuid;

    /// A rule's refusal, a lost race for a stream and for a host's last place, an outage, a lost lease.
    fn led_to(follows: impl Fn(&AdvanceError) -> Follows) -> [Follows; 5] {
        let append = |source| AdvanceError::Append { step: "plan".into(), source };
        let stream = StreamId::new("allocation", Uuid::nil());
        [
            AdvanceError::Refused("the host is cordoned".into()),
            append(AppendError::Conflict { stream, expected: Version(1), actual: Version(2) }),
            append(AppendError::Refused { code: HOST_FULL.into(), message: "2 of 2".into(), detail: None }),
            append(AppendError::Unavailable(sqlx::Error::PoolTimedOut)),
            append(AppendError::StaleFence { lease: "operation:1".into(), fence: Fence(1) }),
        ]
        .map(|error| follows(&error))
    }

    #[test]
    fn what_a_rule_refuses_is_judged_again_and_only_a_lost_lease_is_let_go_of() {
        let wanted = [
            Follows::LookAgainLater,
            Follows::LookAgain,
            Follows::LookAgain,
            Follows::LookAgainLater,
            Follows::LetGo("plan".into()),
        ];
        assert_eq!(led_to(follows), wanted);
        // The sin: whatever is no lost race ends the drive, and an operation stands still until its lease has run out.
        let sin = |error: &AdvanceError| match follows(error) {
            Follows::LookAgain => Follows::LookAgain,
            Follows::LookAgainLater | Follows::LetGo(_) => Follows::LetGo(error.to_string()),
        };
        assert_ne!(led_to(sin), wanted, "it is caught above");
    }
}
