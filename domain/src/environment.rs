//! Environment: a traffic and policy lane of an app; also the route key. Owner: Rhone. Writer: environment operations.
//! Durability: the log. Trap: an environment that quietly shares what another one mutates. Its region and cell are placement,
//! not identity.

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    digest::Digest,
    ids::{ActorId, AppId, CellId, DeploymentId, EnvironmentId, OperationId, ProjectId, RegionId, WorkspaceId},
    numbers::Epoch,
    text::{Reason, Slug},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

mod rejection;
mod replicas;
mod residency;
mod standing;

pub use rejection::Rejection;
pub use replicas::Replicas;
pub use residency::{DataTopology, Enabled, Residency};
pub use standing::{Seen, Standing, TRANSITIONS, Withdrawn};

words! {
    /// What an environment is for.
    Kind {
        /// Every deploy is shown here first.
        Preview = "preview",
        /// Rehearsal.
        Staging = "staging",
        /// The real thing.
        Production = "production",
    }
}

/// An environment, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Environment {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
    /// How many allocations of its owner are wanted.
    pub replicas: Replicas,
    /// The operation that said so last; none as long as nobody has.
    pub scaled_by: Option<OperationId>,
    /// What promotions to it need.
    pub policy: Policy,
    /// What was approved at the newest epoch that anybody approved at.
    pub approvals: Vec<Approval>,
    /// When it goes to sleep.
    pub sleep: SleepPolicy,
    /// How its sessions end, where that was said after its creation; what holds is [`Environment::drain`].
    pub drain: Option<DrainPolicy>,
    /// Where anything of it may ever be.
    pub residency: Residency,
    /// Where it may be moved to, besides its home region.
    pub regions: BTreeMap<RegionId, Enabled>,
    /// Where it might have been moved to once.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub withdrawn: BTreeMap<RegionId, Withdrawn>,
}

/// What promotions to an environment need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many others must approve; nobody approves their own request.
    pub approvals_required: u8,
}

/// An approval, with exactly what it approves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approves.
    pub by: ActorId,
    /// To which environment.
    pub environment: EnvironmentId,
    /// Which deployment.
    pub deployment: DeploymentId,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// At which epoch of the route.
    pub expected_epoch: Epoch,
}

/// When an environment goes to sleep by itself; unless somebody says otherwise, it never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SleepPolicy {
    /// After how long without an open session, an open request or a request at all; 0: never.
    pub sleep_after_seconds: u64,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which; also the key of its route.
    pub id: EnvironmentId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Its project.
    pub project: ProjectId,
    /// Its app.
    pub app: AppId,
    /// Unique in the app.
    pub slug: Slug,
    /// What it is for.
    pub kind: Kind,
    /// Where its allocations run.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
    /// How its sessions end, until somebody says otherwise.
    pub drain: DrainPolicy,
}

/// How sessions of a former owner end, and how long it is kept for a quick way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainPolicy {
    /// How long open sockets live on after the route has changed.
    pub drain_seconds: u64,
    /// How long a former owner's allocations stay up for a rollback.
    pub standby_seconds: u64,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self { drain_seconds: 30, standby_seconds: 300 }
    }
}

impl DrainPolicy {
    fn check(self) -> Result<(), Rejection> {
        match self {
            _ if self.drain_seconds > 604_800 => Err(Rejection::DrainTooLong),
            _ if self.standby_seconds > 86_400 => Err(Rejection::StandbyTooLong),
            _ => Ok(()),
        }
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Bring it into being.
    Create(Created),
    /// Want another number of allocations of its owner.
    Scale {
        /// The operation.
        by: OperationId,
        /// The number it was decided on.
        expected: Replicas,
        /// The number that is wanted.
        replicas: Replicas,
    },
    /// Say what promotions to it need.
    SetPolicy {
        /// What they need.
        policy: Policy,
        /// Why.
        reason: Reason,
    },
    /// Approve a promotion to it.
    Approve(Approval),
    /// Say when it goes to sleep by itself.
    SetSleepPolicy(SleepPolicy),
    /// Say how sessions of its former owners end; a change of owner that was asked for before keeps what it was asked with.
    SetDrainPolicy(DrainPolicy),
    /// Say where anything of it may ever be.
    SetResidency {
        /// Where.
        residency: Residency,
        /// Why.
        reason: Reason,
    },
    /// Let it be moved to a region in which an operation has proven all that it needs.
    EnableRegion(Enabled),
    /// Let it be moved there no longer.
    DisableRegion {
        /// Which region.
        region: RegionId,
        /// Where its traffic is, by the route's stream, which the append asserts; none while nothing owns it.
        serving: Option<RegionId>,
        /// Why.
        reason: Reason,
        /// When.
        at: DateTime<Utc>,
    },
}

aggregate::commands!(Command {
    Command::Create(_) => "environment.create",
    Command::Scale { .. } => "environment.scale",
    Command::SetPolicy { .. } => "environment.set_policy",
    Command::Approve(_) => "environment.approve",
    Command::SetSleepPolicy(_) => "environment.set_sleep_policy",
    Command::SetDrainPolicy(_) => "environment.set_drain_policy",
    Command::SetResidency { .. } => "environment.set_residency",
    Command::EnableRegion(_) => "environment.enable_region",
    Command::DisableRegion { .. } => "environment.disable_region",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// It exists.
    #[serde(rename = "environment.created")]
    Created(Created),
    /// Another number of allocations of its owner is wanted.
    #[serde(rename = "environment.scaled")]
    Scaled { by: OperationId, replicas: Replicas },
    /// Promotions to it need something else now.
    #[serde(rename = "environment.policy_set")]
    PolicySet {
        /// What they need.
        policy: Policy,
        /// Why.
        reason: Reason,
    },
    /// Somebody approved a promotion to it.
    #[serde(rename = "environment.promotion_approved")]
    PromotionApproved(Approval),
    /// It goes to sleep by another rule.
    #[serde(rename = "environment.sleep_policy_set")]
    SleepPolicySet(SleepPolicy),
    /// Sessions of its former owners end otherwise.
    #[serde(rename = "environment.drain_policy_set")]
    DrainPolicySet(DrainPolicy),
    /// It may be elsewhere than before.
    #[serde(rename = "environment.residency_set")]
    ResidencySet { residency: Residency, reason: Reason },
    /// It may be moved there.
    #[serde(rename = "environment.region_enabled")]
    RegionEnabled(Enabled),
    /// It may be moved there no longer.
    #[serde(rename = "environment.region_disabled")]
    RegionDisabled {
        region: RegionId,
        reason: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<DateTime<Utc>>,
    },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("environment.created", 1),
        ("environment.scaled", 1),
        ("environment.policy_set", 1),
        ("environment.promotion_approved", 1),
        ("environment.sleep_policy_set", 1),
        ("environment.drain_policy_set", 1),
        ("environment.residency_set", 1),
        ("environment.region_enabled", 1),
        ("environment.region_disabled", 1),
    ];
}

impl Aggregate for Environment {
    const CATEGORY: &'static str = "environment";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create(created) => self.create(created),
            _ if self.created.is_none() => Err(Rejection::NotFound),
            Command::Scale { by, replicas, .. } if (self.scaled_by, self.replicas) == (Some(by), replicas) => {
                Ok(vec![])
            }
            Command::Scale { expected, .. } if expected != self.replicas => {
                Err(Rejection::StaleReplicas { expected, actual: self.replicas })
            }
            Command::Scale { by, replicas, .. } => Ok(vec![Event::Scaled { by, replicas }]),
            Command::SetPolicy { policy, .. } if policy == self.policy => Ok(vec![]),
            Command::SetPolicy { policy, .. } if policy.approvals_required > 10 => Err(Rejection::TooManyApprovals),
            Command::SetPolicy { policy, reason } => Ok(vec![Event::PolicySet { policy, reason }]),
            Command::Approve(approval) => self.approve(approval),
            Command::SetSleepPolicy(policy) if policy.sleep_after_seconds > 2_592_000 => Err(Rejection::SleepTooLong),
            Command::SetSleepPolicy(policy) if policy == self.sleep => Ok(vec![]),
            Command::SetSleepPolicy(policy) => Ok(vec![Event::SleepPolicySet(policy)]),
            Command::SetDrainPolicy(policy) => {
                policy.check()?;
                Ok(if policy == self.drain() { vec![] } else { vec![Event::DrainPolicySet(policy)] })
            }
            Command::SetResidency { residency, reason } => self.set_residency(residency, reason),
            Command::EnableRegion(enabled) => self.enable_region(enabled),
            Command::DisableRegion { region, serving, reason, at } => self.disable_region(region, serving, reason, at),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.created = Some(created.clone()),
            Event::Scaled { by, replicas } => (self.scaled_by, self.replicas) = (Some(*by), *replicas),
            Event::PolicySet { policy, .. } => self.policy = *policy,
            Event::PromotionApproved(approval) => {
                // An epoch never comes back, so that what was approved at an earlier one says nothing any more.
                self.approvals.retain(|one| one.expected_epoch >= approval.expected_epoch);
                self.approvals.push(approval.clone());
            }
            Event::SleepPolicySet(policy) => self.sleep = *policy,
            Event::DrainPolicySet(policy) => self.drain = Some(*policy),
            Event::ResidencySet { residency, .. } => self.residency = residency.clone(),
            Event::RegionEnabled(enabled) => self.enabled(enabled),
            Event::RegionDisabled { region, reason, at } => self.disabled(*region, reason, *at),
        }
    }
}

impl Environment {
    fn create(&self, created: Created) -> Result<Vec<Event>, Rejection> {
        created.drain.check()?;
        match &self.created {
            None => Ok(vec![Event::Created(created)]),
            Some(same) if *same == created => Ok(vec![]),
            Some(_) => Err(Rejection::Exists),
        }
    }

    fn approve(&self, approval: Approval) -> Result<Vec<Event>, Rejection> {
        let here = self.created.as_ref().is_some_and(|created| created.id == approval.environment);
        match self.approvals.contains(&approval) {
            _ if !here => Err(Rejection::NotFound),
            true => Ok(vec![]),
            false => Ok(vec![Event::PromotionApproved(approval)]),
        }
    }

    /// How sessions of its former owners end now.
    pub fn drain(&self) -> DrainPolicy {
        self.drain.or(self.created.as_ref().map(|created| created.drain)).unwrap_or_default()
    }

    /// Who approved exactly this, besides whoever asks for it.
    pub fn approved_by(
        &self,
        deployment: DeploymentId,
        artifact: Digest,
        epoch: Epoch,
        requested_by: Option<ActorId>,
    ) -> BTreeSet<ActorId> {
        let exactly = |one: &&Approval| {
            (one.deployment, one.artifact, one.expected_epoch) == (deployment, artifact, epoch)
                && Some(one.by) != requested_by
        };
        self.approvals.iter().filter(exactly).map(|one| one.by).collect()
    }
}

#[cfg(test)]
mod tests;
