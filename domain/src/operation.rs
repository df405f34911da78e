//! Operation: a durable mutation with stages, a deadline and a definite end. Owner: Rhone. Writer: API (request, cancel) and
//! worker stages. Durability: the log. Trap: telling users its status from logs; what is not a stage here did not happen.

mod evidence;
mod machine;
mod rejection;
mod work;

pub use evidence::{AllocationProof, EdgeProof, Evidence, Failure, Gate, Verdict};
pub use machine::{MACHINES, Machine, machine};
pub use rejection::Rejection;
pub use work::{Acknowledgement, RouteChange, Work};

use crate::{
    actor::{UnknownWord, Writer, words},
    aggregate::{self, Aggregate},
    ids::{CellId, OperationId, RegionId, WorkspaceId},
    numbers::{Epoch, Fence},
    text::Reason,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

words! {
    /// What an operation does.
    Kind {
        /// Gives an environment's traffic to a deployment.
        Promotion = "promotion",
        /// Gives it back to an earlier one.
        Rollback = "rollback",
        /// Makes a promotable release of a source.
        Deploy = "deploy",
        /// Changes how many allocations serve an environment.
        Scale = "scale",
        /// Lets the sessions of an allocation finish, and stops it.
        Drain = "drain",
        /// Empties a host for an upgrade, and takes it back.
        HostDrain = "host_drain",
        /// Makes a region fit for an environment.
        RegionEnablement = "region_enablement",
        /// Moves an environment's traffic to another region.
        RegionFailover = "region_failover",
        /// Changes a database.
        Migration = "migration",
        /// Attaches an external resource to an environment.
        ProviderBinding = "provider_binding",
        /// Attaches a runtime service to an environment.
        RuntimeServiceBinding = "runtime_service_binding",
        /// Starts a sleeping environment.
        Wake = "wake",
        /// Puts an idle environment to sleep.
        Sleep = "sleep",
    }
}

words! {
    /// Where an operation stands.
    Stage {
        /// Accepted.
        Requested = "requested",
        /// Gates are judged, allocations started and awaited.
        PolicyCheck = "policy_check",
        /// The route has changed.
        RouteCas = "route_cas",
        /// The edges are taking it over.
        EdgePropagating = "edge_propagating",
        /// A promotion's good end: the exact bytes answered through every live edge.
        Healthy = "healthy",
        /// A rollback's good end.
        RolledBack = "rolled_back",
        /// A bad end, with the reason.
        Failed = "failed",
        /// Ended on request, before anything had changed for good.
        Cancelled = "cancelled",
        /// Waits for its turn.
        Queued = "queued",
        /// The source is fetched.
        Cloning = "cloning",
        /// The artifact is made.
        Building = "building",
        /// The artifact is judged.
        Validating = "validating",
        /// A deploy's good end.
        PreviewReady = "preview_ready",
        /// A deploy's end at a closed gate.
        Blocked = "blocked",
        /// Allocations are started or drained.
        Scaling = "scaling",
        /// Sessions finish.
        Draining = "draining",
        /// The good end of what was checked against the real thing.
        Verified = "verified",
        /// The host takes nothing new.
        Cordoned = "cordoned",
        /// Its allocations are replaced elsewhere.
        Evacuating = "evacuating",
        /// Every replacement serves.
        ReplacementReady = "replacement_ready",
        /// The host is empty and in the operator's hands.
        Upgrading = "upgrading",
        /// What came back is compared with what was expected.
        Postcheck = "postcheck",
        /// A host drain's good end.
        Uncordoned = "uncordoned",
        /// Places and data are prepared.
        Provisioning = "provisioning",
        /// Its services are bound.
        BindingServices = "binding_services",
        /// Its artifacts are brought there.
        ReplicatingArtifacts = "replicating_artifacts",
        /// A region enablement's good end.
        Eligible = "eligible",
        /// Reserved: no operation reaches it, for a region is disabled without one. It stands in the released schema of the
        /// API, whose clients may name it.
        Disabled = "disabled",
        /// The database changes.
        Migrating = "migrating",
        /// The resource is attached and probed.
        Binding = "binding",
        /// Somebody wants a sleeping environment.
        WakeRequested = "wake_requested",
        /// Its allocation is on its way.
        Starting = "starting",
        /// Its allocation runs and does not answer yet.
        ReadinessWait = "readiness_wait",
        /// A wake's good end.
        Hot = "hot",
        /// Its allocations are let go.
        Sleeping = "sleeping",
        /// A sleep's good end.
        Cold = "cold",
    }
}

impl Stage {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Healthy
                | Self::RolledBack
                | Self::Failed
                | Self::Cancelled
                | Self::PreviewReady
                | Self::Blocked
                | Self::Verified
                | Self::Uncordoned
                | Self::Eligible
                | Self::Disabled
                | Self::Hot
                | Self::Cold
        )
    }

    /// Whether the route had changed when this stage was entered.
    pub fn is_past_route_change(self) -> bool {
        matches!(self, Self::RouteCas | Self::EdgePropagating | Self::Healthy | Self::RolledBack)
    }
}

/// An operation, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What was asked; none before it exists.
    pub requested: Option<Requested>,
    /// Where it stands.
    pub stage: Option<Stage>,
    /// The epoch it gave the route.
    pub epoch: Option<Epoch>,
    /// Whether and why it shall end early.
    pub cancel: Option<Reason>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What its stages brought to light.
    pub evidence: Evidence,
    /// The attempts whose late reports are on record.
    pub late: BTreeSet<Fence>,
}

/// What was asked, complete: a worker needs nothing else to know what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// Which.
    pub id: OperationId,
    /// The tenant; for what belongs to the platform, the platform's own.
    pub workspace: WorkspaceId,
    /// Where.
    pub region: RegionId,
    /// Where in the region, when it concerns one place of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<CellId>,
    /// Why; a rollback always says.
    pub reason: Option<Reason>,
    /// When it ends, one way or the other.
    pub deadline: DateTime<Utc>,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
}

impl Requested {
    /// What it does, in one word.
    pub fn kind(&self) -> Kind {
        self.work.kind()
    }

    /// What it goes through.
    pub fn machine(&self) -> &'static Machine {
        machine(self.kind())
    }
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Accept it.
    Request(Requested),
    /// Go on to the next stage.
    Enter {
        /// Which.
        stage: Stage,
        /// What came to light.
        evidence: Evidence,
    },
    /// End badly.
    Fail(Failure),
    /// End early, please.
    RequestCancel {
        /// Why.
        reason: Reason,
    },
    /// End early.
    Cancel,
    /// A worker that had lost its lease speaks after all.
    RecordLateReport {
        /// Which attempt.
        attempt: Fence,
        /// What it wanted to report.
        report: String,
    },
}

aggregate::commands!(Command {
    Command::Request(Requested { work: Work::Promotion(_), .. }) => "operation.request_promotion",
    Command::Request(Requested { work: Work::Rollback(_), .. }) => "operation.request_rollback",
    Command::Request(Requested { work: Work::RegionFailover(_), .. }) => "operation.request_region_failover",
    Command::Request(Requested { work: Work::RegionEnablement(_), .. }) => "operation.request_region_enablement",
    Command::Request(Requested { work: Work::Deploy(_), .. }) => "operation.request_deploy",
    Command::Request(Requested { work: Work::Scale(_), .. }) => "operation.request_scale",
    Command::Request(Requested { work: Work::Drain(_), .. }) => "operation.request_drain",
    Command::Request(Requested { work: Work::HostDrain(_), .. }) => "operation.request_host_drain",
    Command::Request(Requested { work: Work::Migration(_), .. }) => "operation.request_migration",
    Command::Request(Requested { work: Work::Wake(_), .. }) => "operation.request_wake",
    Command::Request(Requested { work: Work::Sleep(_), .. }) => "operation.request_sleep",
    Command::Request(Requested { work: Work::ProviderBinding(_), .. }) => "operation.request_provider_binding",
    Command::Request(Requested { work: Work::RuntimeServiceBinding(_), .. }) => "operation.request_runtime_service_binding",
    Command::Enter { .. } => "operation.enter",
    Command::Fail(_) => "operation.fail",
    Command::RequestCancel { .. } => "operation.request_cancel",
    Command::Cancel => "operation.cancel",
    Command::RecordLateReport { .. } => "operation.record_late_report",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// Accepted.
    #[serde(rename = "operation.requested")]
    Requested(Requested),
    /// It went on.
    #[serde(rename = "operation.stage_entered")]
    StageEntered { stage: Stage, evidence: Evidence },
    /// A bad end.
    #[serde(rename = "operation.failed")]
    Failed(Failure),
    /// Somebody asked for an early end.
    #[serde(rename = "operation.cancel_requested")]
    CancelRequested { reason: Reason },
    /// An early end.
    #[serde(rename = "operation.cancelled")]
    Cancelled { reason: Reason },
    /// Evidence that came too late to change anything.
    #[serde(rename = "operation.late_report_recorded")]
    LateReportRecorded { attempt: Fence, report: String },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("operation.requested", 1),
        ("operation.stage_entered", 1),
        ("operation.failed", 1),
        ("operation.cancel_requested", 1),
        ("operation.cancelled", 1),
        ("operation.late_report_recorded", 1),
    ];
}

impl Aggregate for Operation {
    const CATEGORY: &'static str = "operation";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        let (Some(requested), Some(stage)) = (&self.requested, self.stage) else {
            return request(command);
        };
        match command {
            Command::Request(same) if same == *requested => Ok(vec![]),
            Command::Request(_) => Err(Rejection::Exists),
            Command::Enter { stage: same, .. } if same == stage => Ok(vec![]),
            Command::Enter { stage: to, evidence } if requested.machine().allows(stage, to) => {
                Ok(vec![Event::StageEntered { stage: to, evidence }])
            }
            Command::Enter { stage: to, .. } => Err(Rejection::NotFrom { from: stage, to }),
            Command::Fail(failure) if !stage.is_final() => Ok(vec![Event::Failed(failure)]),
            Command::Fail(failure) if self.failure.as_ref() == Some(&failure) => Ok(vec![]),
            Command::Fail(_) => Err(Rejection::Ended(stage)),
            Command::RequestCancel { .. } if self.cancel.is_some() && !stage.is_past_route_change() => Ok(vec![]),
            Command::RequestCancel { .. } if stage.is_final() => Err(Rejection::Ended(stage)),
            Command::RequestCancel { .. } if stage.is_past_route_change() => Err(Rejection::RouteChanged),
            Command::RequestCancel { .. } if !requested.machine().may_cancel(stage) => Err(Rejection::TooLate(stage)),
            Command::RequestCancel { reason } => Ok(vec![Event::CancelRequested { reason }]),
            Command::Cancel if stage == Stage::Cancelled => Ok(vec![]),
            Command::Cancel => self.end_early(requested, stage),
            Command::RecordLateReport { attempt, .. } if self.late.contains(&attempt) => Ok(vec![]),
            Command::RecordLateReport { attempt, report } => Ok(vec![Event::LateReportRecorded { attempt, report }]),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Requested(requested) => {
                self.stage = Some(requested.machine().begins);
                self.requested = Some(requested.clone());
            }
            Event::StageEntered { stage, evidence } => {
                self.stage = Some(*stage);
                self.epoch = evidence.epoch.or(self.epoch);
                self.evidence.merge(evidence);
            }
            Event::Failed(failure) => {
                self.stage = Some(Stage::Failed);
                self.failure = Some(failure.clone());
            }
            Event::CancelRequested { reason } => self.cancel = Some(reason.clone()),
            Event::Cancelled { .. } => self.stage = Some(Stage::Cancelled),
            Event::LateReportRecorded { attempt, .. } => drop(self.late.insert(*attempt)),
        }
    }

    /// Whoever carries an operation on does so in the capacity of its kind: no scheduler ends a promotion.
    fn writer(&self, command: &Command) -> Option<Writer> {
        match command {
            Command::Enter { .. } | Command::Fail(_) | Command::Cancel => {
                Some(self.requested.as_ref()?.machine().writer)
            }
            Command::Request(_) | Command::RequestCancel { .. } | Command::RecordLateReport { .. } => None,
        }
    }
}

impl Operation {
    fn end_early(&self, requested: &Requested, stage: Stage) -> Result<Vec<Event>, Rejection> {
        match &self.cancel {
            Some(reason) if requested.machine().may_cancel(stage) => {
                Ok(vec![Event::Cancelled { reason: reason.clone() }])
            }
            _ => Err(Rejection::NotFrom { from: stage, to: Stage::Cancelled }),
        }
    }
}

fn request(command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Request(requested) if requested.kind() == Kind::Rollback && requested.reason.is_none() => {
            Err(Rejection::ReasonMissing)
        }
        Command::Request(requested) => Ok(vec![Event::Requested(requested)]),
        Command::Enter { .. }
        | Command::Fail(_)
        | Command::RequestCancel { .. }
        | Command::Cancel
        | Command::RecordLateReport { .. } => Err(Rejection::NotFound),
    }
}

#[cfg(test)]
mod tests;
