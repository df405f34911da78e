//! The stages of an operation, with their times, as its own stream tells them. The trap avoided: times that are kept beside the
//! log and say something else than it.

use super::context::Ask as _;
use crate::fault::Fault;
use async_graphql::{Context, Enum, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{aggregate::Aggregate as _, envelope::StreamId, operation};
use rhone_eventstore::{ReadError, Recorded};

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "operation::Stage")]
pub(crate) enum OperationStage {
    Requested,
    PolicyCheck,
    RouteCas,
    EdgePropagating,
    Healthy,
    RolledBack,
    Failed,
    Cancelled,
    Queued,
    Cloning,
    Building,
    Validating,
    PreviewReady,
    Blocked,
    Scaling,
    Draining,
    Verified,
    Cordoned,
    Evacuating,
    ReplacementReady,
    Upgrading,
    Postcheck,
    Uncordoned,
    Provisioning,
    BindingServices,
    ReplicatingArtifacts,
    Eligible,
    Disabled,
    Migrating,
    Binding,
    WakeRequested,
    Starting,
    ReadinessWait,
    Hot,
    Sleeping,
    Cold,
}

/// A stage that an operation entered.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub(crate) struct EnteredStage {
    stage: OperationStage,
    /// When the log received it.
    entered_at: DateTime<Utc>,
    /// How many milliseconds until it entered the next one; null for the one at which it stands, or with which it ended.
    took_ms: Option<i64>,
    /// By which attempt: 1, and more when workers were lost; null of its beginning, of an early or a bad end, and where it was
    /// not kept.
    attempt: Option<u64>,
}

/// Those of an operation's stream; many operations of one answer are one statement.
pub(super) async fn of(ctx: &Context<'_>, stream: StreamId) -> Result<Vec<EnteredStage>, Fault> {
    let events = ctx.loaders().streams.load_one(stream).await.map_err(Fault::internal)?.unwrap_or_default();
    entered(&events).map_err(Fault::internal)
}

fn entered(events: &[Recorded]) -> Result<Vec<EnteredStage>, ReadError> {
    let (mut operation, mut found) = (operation::Operation::default(), Vec::<EnteredStage>::new());
    for event in events {
        let before = operation.stage;
        let unreadable = |source| ReadError::Unreadable { stream: event.envelope.stream.clone(), source };
        let decoded = event.decode::<operation::Event>().map_err(unreadable)?;
        operation.apply(&decoded);
        let Some(stage) = operation.stage.filter(|stage| before != Some(*stage)) else { continue };
        if let Some(last) = found.last_mut() {
            last.took_ms = Some((event.recorded_at - last.entered_at).num_milliseconds());
        }
        let attempt = match &decoded {
            operation::Event::StageEntered { evidence, .. } => evidence.attempt.map(|attempt| attempt.0),
            operation::Event::Requested(_)
            | operation::Event::Failed(_)
            | operation::Event::CancelRequested { .. }
            | operation::Event::Cancelled { .. }
            | operation::Event::LateReportRecorded { .. } => None,
        };
        found.push(EnteredStage { stage: stage.into(), entered_at: event.recorded_at, took_ms: None, attempt });
    }
    Ok(found)
}
