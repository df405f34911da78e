//! Carries operations on, whatever their kind: loads the operation, lets the driver of its kind take one step, and says what
//! came of it. The trap: a kind with a loop of its own; leases, fences and late reports are one mechanism for all.

use crate::{
    binding,
    config::{Config, Door},
    deploy, drain,
    drive::Lease,
    host_drain, migration, promotion, region_enablement, scale, sleep, wake,
};
use chrono::{DateTime, Utc};
use metrics::histogram;
use rhone_domain::{
    aggregate::Aggregate,
    host::Host,
    ids::{HostId, OperationId},
    operation::{self, Evidence, Operation, Requested, Stage, Work},
    process::Step,
};
use rhone_eventstore::{AppendError, FenceCheck, Loaded, ReadError, Unit, vault::VaultError};
use rhone_projections::authority::allocations::HOST_FULL;
use tokio::sync::watch;

/// What a step came to.
pub(crate) enum Outcome {
    /// Something was appended.
    Advanced,
    /// Nothing to do until something changes.
    Waiting,
    /// It has ended.
    Ended,
}

/// Why a step did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdvanceError {
    /// The world could not be read.
    #[error("a stream could not be read")]
    Read(#[from] ReadError),
    /// The world could not be read.
    #[error("rows could not be read")]
    Rows(#[from] sqlx::Error),
    /// The append was refused or failed.
    #[error("step `{step}` was not appended")]
    Append {
        /// What it wanted to append.
        step: String,
        /// Why not.
        #[source]
        source: AppendError,
    },
    /// A credential could not be had.
    #[error("a credential could not be had")]
    Vault(#[from] VaultError),
    /// A rule refused what the process manager wanted: judge again.
    #[error("step refused: {0}")]
    Refused(String),
}

/// Whether somebody else was faster, of whom the world tells when it is read again: a stream has moved on, or the last place on a
/// host is taken.
pub(crate) fn is_overtaken(error: &AppendError) -> bool {
    match error {
        AppendError::Conflict { .. } => true,
        AppendError::Refused { code, .. } => code == HOST_FULL,
        AppendError::StaleFence { .. }
        | AppendError::KeyReused { .. }
        | AppendError::ForeignStream { .. }
        | AppendError::Malformed(_)
        | AppendError::Invalid(_)
        | AppendError::Unavailable(_)
        | AppendError::Unknown(_) => false,
    }
}

/// An operation under its lease, and what its driver needs.
pub(crate) struct Drive<'a> {
    pub(crate) config: &'a Config,
    pub(crate) door: Door,
    pub(crate) requested: Requested,
    pub(crate) operation: Loaded<Operation>,
    /// The stage that it was found in, and when its last event came: that of its entry there, or of a wish to end it early.
    found: (Stage, Option<DateTime<Utc>>),
    pub(crate) fence: &'a FenceCheck,
    /// Whether the lease is still held.
    pub(crate) lease: watch::Receiver<Lease>,
}

/// Does the next step of an operation.
pub(crate) async fn advance(
    config: &Config,
    id: OperationId,
    fence: &FenceCheck,
    lease: &watch::Receiver<Lease>,
) -> Result<Outcome, AdvanceError> {
    let door = config.door();
    let operation = door.load::<Operation>(id).await?;
    let (Some(requested), Some(stage)) = (operation.state.requested.clone(), operation.state.stage) else {
        return Ok(Outcome::Ended);
    };
    if stage.is_final() {
        return Ok(Outcome::Ended);
    }
    let found = (stage, operation.last_event.and_then(|event| moment_of(event.0.get_timestamp()?.to_unix())));
    let drive = Drive { config, door, requested, operation, found, fence, lease: lease.clone() };
    match drive.requested.work.clone() {
        Work::Promotion(change) | Work::Rollback(change) => promotion::advance(drive, &change).await,
        Work::Deploy(wanted) => deploy::advance(drive, &wanted).await,
        Work::RegionFailover(failover) => promotion::advance(drive, &failover.change).await,
        Work::RegionEnablement(wanted) => region_enablement::advance(drive, wanted).await,
        Work::Scale(scale) => scale::advance(drive, &scale).await,
        Work::Drain(drain) => drain::advance(drive, &drain).await,
        Work::HostDrain(drain) => host_drain::advance(drive, drain).await,
        Work::Migration(told) => migration::advance(drive, &told).await,
        Work::Wake(work) => wake::advance(drive, &work).await,
        Work::Sleep(work) => sleep::advance(drive, &work).await,
        Work::ProviderBinding(work) | Work::RuntimeServiceBinding(work) => binding::advance(drive, &work).await,
    }
}

impl Drive<'_> {
    /// Begins the append of a step, in the capacity of this kind of operation.
    pub(crate) fn unit(&self) -> Unit {
        let (requested, cause) = (&self.requested, self.operation.last_event);
        let writer = requested.machine().writer;
        let context = self.config.context(writer, requested.workspace, requested.id.into(), cause);
        let mut unit = self.door.unit(context);
        unit.place(Some(requested.region), requested.cell);
        unit
    }

    /// The host that an allocation is about to be placed on, in the append that places it: one that was cordoned meanwhile takes
    /// none.
    pub(crate) async fn place_on(&self, unit: &mut Unit, host: HostId) -> Result<(), AdvanceError> {
        let host = self.door.load::<Host>(host).await?;
        host.state.may_take(0).map_err(|refusal| AdvanceError::Refused(refusal.to_string()))?;
        unit.assert(&host);
        Ok(())
    }

    /// That a stage is entered, by this attempt.
    pub(crate) fn entering(&self, stage: Stage, evidence: Evidence) -> operation::Command {
        operation::Command::Enter { stage, evidence: Evidence { attempt: Some(self.fence.fence), ..evidence } }
    }

    /// Judges the operation's own part of a step; what only its kind can do is left to the driver.
    pub(crate) fn go_on<A>(&mut self, unit: &mut Unit, step: &Step<A>) -> Result<(), AdvanceError> {
        let command = match step {
            Step::Enter(stage, evidence) => self.entering(*stage, evidence.clone()),
            Step::Fail(failure) => operation::Command::Fail(failure.clone()),
            Step::Cancel => operation::Command::Cancel,
            Step::Do(_) | Step::Wait(_) | Step::Done => return Ok(()),
        };
        decide(unit, &mut self.operation, command)
    }

    /// Appends a step under the operation's fence.
    pub(crate) async fn commit(self, unit: Unit, step: String) -> Result<Outcome, AdvanceError> {
        let fence = Some(self.fence.clone());
        let committed = self.door.commit(unit, None, fence).await;
        committed.map_err(|source| AdvanceError::Append { step: step.clone(), source })?;
        tracing::info!(operation.id = %self.requested.id, %step, "a step was taken");
        self.left();
        let Some(stage) = self.operation.state.stage.filter(|stage| stage.is_final()) else {
            return Ok(Outcome::Advanced);
        };
        self.ended(stage);
        Ok(Outcome::Ended)
    }

    /// Nothing to do for now.
    pub(crate) fn wait(&self, what: &'static str) -> Outcome {
        tracing::trace!(operation.id = %self.requested.id, %what, "waiting");
        Outcome::Waiting
    }

    /// How long the stage took that this step has left; and from the change of owner to its answer through every live edge.
    fn left(&self) {
        let ((stage, Some(since)), Some(now)) = (self.found, self.operation.state.stage) else { return };
        if stage == now {
            return;
        }
        let (kind, took) = (self.requested.kind().as_str(), self.seconds_since(since));
        histogram!("rhone_operation_stage_duration_seconds", "kind" => kind, "stage" => stage.as_str()).record(took);
        if stage == Stage::EdgePropagating && matches!(now, Stage::Healthy | Stage::RolledBack) {
            histogram!("rhone_edge_convergence_seconds", "kind" => kind).record(took);
        }
    }

    fn ended(&self, stage: Stage) {
        let began = self.requested.id.0.get_timestamp().and_then(|time| moment_of(time.to_unix()));
        let Some(began) = began else { return };
        let (kind, end) = (self.requested.kind().as_str(), stage.as_str());
        histogram!("rhone_operation_seconds", "kind" => kind, "end" => end).record(self.seconds_since(began));
    }

    fn seconds_since(&self, then: DateTime<Utc>) -> f64 {
        (self.config.clock.now() - then).as_seconds_f64().max(0.0)
    }
}

/// When an id was made, by the seconds and nanoseconds in it.
fn moment_of((seconds, nanos): (u64, u32)) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// Judges a command within a step.
pub(crate) fn decide<A: Aggregate>(
    unit: &mut Unit,
    loaded: &mut Loaded<A>,
    command: A::Command,
) -> Result<(), AdvanceError> {
    unit.decide(loaded, command).map(drop).map_err(|rejection| AdvanceError::Refused(rejection.to_string()))
}

/// A step in words, for logs and late reports.
pub(crate) fn named<A>(step: &Step<A>, act: impl Fn(&A) -> String) -> String {
    match step {
        Step::Enter(stage, _) => format!("enter {stage}"),
        Step::Do(what) => act(what),
        Step::Fail(failure) => format!("fail with {}", failure.code),
        Step::Cancel => "cancel".to_owned(),
        Step::Wait(what) => format!("wait: {what}"),
        Step::Done => "done".to_owned(),
    }
}
