//! Allocations: running instances. Their health chooses among themselves and never who owns traffic.

use super::{
    affordance::Affordance,
    connection::Pages,
    context::begin,
    deployment::Deployment,
    drain::drainable,
    environment::Environment,
    id,
    logs::{self, LogFilter, LogLines},
};
use crate::{fault::Fault, page};
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    allocation::{self, Planned},
    ids::AllocationId,
    numbers::Version,
};
use rhone_projections::authority::allocations;

/// A running instance of an artifact on a host.
#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    planned: Box<Planned>,
    state: Box<allocation::Allocation>,
    version: Version,
}

impl Allocation {
    pub(crate) fn of((state, version): (allocation::Allocation, Version)) -> Option<Self> {
        Some(Self { planned: Box::new(state.planned.clone()?), state: Box::new(state), version })
    }

    /// Written inline, so it needs no waiting.
    pub(crate) async fn find(ctx: &Context<'_>, id: AllocationId) -> Result<Option<Self>, Fault> {
        let mut transaction = begin(ctx).await?;
        let row = allocations::by_id(&mut transaction, id).await.map_err(Fault::internal)?;
        Ok(row.and_then(Self::of))
    }
}

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
    pub(crate) async fn id(&self) -> ID {
        id::show(self.planned.id)
    }

    /// Lines that it printed, in the order in which they were kept: from the beginning, or by `last` from the end. Diagnostic; lines are
    /// rotated away.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn logs(
        &self,
        ctx: &Context<'_>,
        filter: Option<LogFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<LogLines> {
        let base = logs::Filter {
            workspace: Some(self.planned.workspace),
            allocation: Some(self.planned.id),
            ..logs::Filter::default()
        };
        Ok(logs::of(ctx, base, filter, Pages { first, after, last, before }).await?)
    }

    /// The stream's version.
    async fn version(&self) -> u64 {
        self.version.0
    }

    async fn state(&self) -> Option<AllocationState> {
        self.state.state.map(Into::into)
    }

    /// What it runs.
    async fn deployment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Deployment>> {
        Ok(Deployment::find(ctx, self.planned.deployment, None).await?)
    }

    /// Where it serves.
    async fn environment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Environment>> {
        Ok(Environment::find(ctx, self.planned.environment, None).await?)
    }

    /// Exactly which bytes it was ordered to run.
    async fn artifact_digest(&self) -> String {
        self.planned.artifact.to_string()
    }

    /// The digest its runner computed over what it executes.
    async fn verified_digest(&self) -> Option<String> {
        self.state.verified.map(|digest| digest.to_string())
    }

    async fn host_id(&self) -> ID {
        id::show(self.planned.host)
    }

    async fn region_id(&self) -> ID {
        id::show(self.planned.region)
    }

    async fn cell_id(&self) -> ID {
        id::show(self.planned.cell)
    }

    /// Until when its open sessions may go on, once it drains.
    async fn drain_deadline(&self) -> Option<DateTime<Utc>> {
        self.state.drain_deadline
    }

    /// How many sessions its runner ended at that deadline.
    async fn sessions_ended(&self) -> u64 {
        self.state.sessions_ended
    }

    /// How many sessions the edges closed before, because a drain deadline of theirs was over.
    async fn sessions_closed(&self) -> u64 {
        self.state.sessions_closed()
    }

    /// Why it failed, as its runner said it in words.
    async fn failure_reason(&self) -> Option<&str> {
        self.state.reason.as_deref()
    }

    /// How its process ended before it was started again the last time, such as `exit 3`.
    async fn last_exit(&self) -> Option<&str> {
        self.state.last_exit.as_deref()
    }

    /// Why it failed, as a word such as `app_exited` or `out_of_memory`.
    async fn failure_cause(&self) -> Option<&'static str> {
        self.state.cause.map(allocation::Cause::as_str)
    }

    /// How often its process was started again after a crash.
    async fn restarts(&self) -> u64 {
        self.state.restarts
    }

    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<AllocationAffordances> {
        Ok(AllocationAffordances { drain: drainable(ctx, &self.planned, &self.state).await? })
    }
}

/// What the caller may do with an allocation now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct AllocationAffordances {
    /// `allocationDrain`
    drain: Affordance,
}
