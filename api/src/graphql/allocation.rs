//! Allocations: running instances. Their health chooses among themselves and never who owns traffic.

use super::{deployment::Deployment, id};
use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use rhone_domain::allocation;

/// A running instance of an artifact on a host.
#[derive(Clone, Debug)]
pub(crate) struct Allocation(pub(crate) allocation::Allocation);

/// Where an allocation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "allocation::State")]
pub(crate) enum AllocationState {
    Planned,
    Pulling,
    Starting,
    Ready,
    Draining,
    Stopped,
    Failed,
}

#[Object]
impl Allocation {
    async fn id(&self) -> Option<ID> {
        self.0.planned.as_ref().map(|planned| id::show(planned.id))
    }

    async fn state(&self) -> Option<AllocationState> {
        self.0.state.map(Into::into)
    }

    /// What it runs.
    async fn deployment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Deployment>> {
        match &self.0.planned {
            Some(planned) => Ok(Deployment::find(ctx, planned.deployment, None).await?),
            None => Ok(None),
        }
    }

    /// Exactly which bytes it was ordered to run.
    async fn artifact_digest(&self) -> Option<String> {
        self.0.planned.as_ref().map(|planned| planned.artifact.to_string())
    }

    /// The digest its runner computed over what it executes.
    async fn verified_digest(&self) -> Option<String> {
        self.0.verified.map(|digest| digest.to_string())
    }

    async fn host_id(&self) -> Option<ID> {
        self.0.planned.as_ref().map(|planned| id::show(planned.host))
    }

    async fn region_id(&self) -> Option<ID> {
        self.0.planned.as_ref().map(|planned| id::show(planned.region))
    }

    async fn cell_id(&self) -> Option<ID> {
        self.0.planned.as_ref().map(|planned| id::show(planned.cell))
    }

    /// Until when its open sessions may go on, once it drains.
    async fn drain_deadline(&self) -> Option<DateTime<Utc>> {
        self.0.drain_deadline
    }

    /// How many sessions its runner ended at that deadline.
    async fn sessions_ended(&self) -> u64 {
        self.0.sessions_ended
    }

    /// Why it failed, as a word such as `out_of_memory`.
    async fn failure_cause(&self) -> Option<&'static str> {
        self.0.cause.map(allocation::Cause::as_str)
    }

    /// How often its process was started again after a crash.
    async fn restarts(&self) -> u64 {
        self.0.restarts
    }
}
