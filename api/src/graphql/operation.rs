//! Operations: promotions and rollbacks with their stages, gates, evidence and end. Written inline, so that what is shown
//! here never lags behind what happened.

use super::{
    affordance::{self, Affordance, Caller},
    change::{Bench, Change, Judged, Manner, No, change, decide, payload},
    connection::Pages,
    context::Ask as _,
    deploy::DeployProgress,
    deployment::Deployment,
    environment::Environment,
    failover::SessionFate,
    id,
    logs::{self, LogFilter, LogLines},
    operation_stages::{self, EnteredStage, OperationStage},
    route_owner::reason,
    who::{self, Requester},
};
use crate::{fault::Fault, page};
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate as _,
    envelope::StreamId,
    ids::OperationId,
    numbers::Version,
    operation::{self, Command, EdgeProof, Requested, Work},
    text::Reason,
};
use rhone_eventstore::Position;
use serde::{Deserialize, Serialize};

/// A durable mutation with stages.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    requested: Box<Requested>,
    state: Box<operation::Operation>,
    version: Version,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "operation::Kind")]
pub(crate) enum OperationKind {
    Promotion,
    Rollback,
    Deploy,
    Scale,
    Drain,
    HostDrain,
    RegionEnablement,
    RegionFailover,
    Migration,
    ProviderBinding,
    RuntimeServiceBinding,
    Wake,
    Sleep,
}

/// A gate, as judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SimpleObject)]
pub(crate) struct Gate {
    /// Which.
    pub(crate) kind: String,
    /// pass, warn, acknowledged and awaited are open; fail and needs_acknowledgement are closed.
    pub(crate) state: String,
    /// Why.
    pub(crate) reason: String,
    /// On what.
    pub(crate) evidence: String,
}

impl From<&operation::Gate> for Gate {
    fn from(gate: &operation::Gate) -> Self {
        Self {
            kind: gate.kind.clone(),
            state: gate.verdict.to_string(),
            reason: gate.reason.clone(),
            evidence: gate.evidence.clone(),
        }
    }
}

/// What answered through one edge.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct EdgeAnswer {
    edge: String,
    /// How far it had applied the feed.
    applied_seq: u64,
    allocation_id: Option<ID>,
    /// The digest that answered.
    digest: String,
}

impl From<&EdgeProof> for EdgeAnswer {
    fn from(proof: &EdgeProof) -> Self {
        Self {
            edge: proof.edge.to_string(),
            applied_seq: proof.applied.0,
            allocation_id: proof.allocation.map(id::show),
            digest: proof.digest.to_string(),
        }
    }
}

/// A bad end, explained.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct OperationFailure {
    /// A stable code.
    code: String,
    message: String,
    expected: Option<String>,
    actual: Option<String>,
    /// Whether the route had changed by then.
    route_changed: bool,
}

impl Operation {
    pub(crate) fn of((state, version): (operation::Operation, Version)) -> Option<Self> {
        Some(Self { requested: Box::new(state.requested.clone()?), state: Box::new(state), version })
    }

    /// With its key in a list.
    pub(crate) fn keyed(row: (operation::Operation, Version)) -> Option<(String, Self)> {
        let operation = Self::of(row)?;
        Some((operation.requested.id.to_string(), operation))
    }

    pub(crate) async fn find(ctx: &Context<'_>, id: OperationId, _: Option<Position>) -> Result<Option<Self>, Fault> {
        let row = ctx.loaders().operations.load_one(id.0).await.map_err(Fault::internal)?;
        Ok(row.and_then(Self::of))
    }

    fn stream(&self) -> StreamId {
        StreamId::new(operation::Operation::CATEGORY, self.requested.id)
    }
}

#[Object]
impl Operation {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.requested.id)
    }

    /// Lines that its build printed, in the order in which they were kept: from the beginning, or by `last` from the end. Diagnostic; lines are
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
            workspace: Some(self.requested.workspace),
            operation: Some(self.requested.id),
            ..logs::Filter::default()
        };
        Ok(logs::of(ctx, base, filter, Pages { first, after, last, before }).await?)
    }

    async fn kind(&self) -> OperationKind {
        self.requested.kind().into()
    }

    async fn stage(&self) -> Option<OperationStage> {
        self.state.stage.map(Into::into)
    }

    /// Every stage that it entered, in order, with when it did and how long it took.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn stages(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<EnteredStage>> {
        Ok(operation_stages::of(ctx, self.stream()).await?)
    }

    /// Whether nothing follows.
    async fn ended(&self) -> bool {
        self.state.stage.is_some_and(operation::Stage::is_final)
    }

    /// Who asked for it: the nearest person up its causes, also where another operation asked for it on their behalf; null
    /// where Rhone did by itself, as for an idle environment's sleep.
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Requester>> {
        Ok(who::behind_the_first(ctx, self.stream()).await?)
    }

    /// When it was accepted.
    async fn created_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime<Utc>>> {
        Ok(who::beginning(ctx, self.stream()).await?.map(|began| began.at))
    }

    /// When it ended; null until then.
    async fn ended_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime<Utc>>> {
        if !self.state.stage.is_some_and(operation::Stage::is_final) {
            return Ok(None);
        }
        Ok(who::beginning(ctx, self.stream()).await?.and_then(|began| began.moved_at))
    }

    async fn environment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Environment>> {
        match self.requested.work.environment() {
            Some(environment) => Ok(Environment::find(ctx, environment, None).await?),
            None => Ok(None),
        }
    }

    async fn deployment(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Deployment>> {
        match self.requested.work.deployment() {
            Some(deployment) => Ok(Deployment::find(ctx, deployment, None).await?),
            None => Ok(None),
        }
    }

    /// What sessions get, where it is about them: of a failover, those that are still open at the drain deadline.
    async fn sessions(&self) -> Option<SessionFate> {
        let stated = self.requested.work.failover().map(|failover| failover.sessions);
        stated.or(self.state.evidence.sessions).map(Into::into)
    }

    /// Exactly which bytes a change of owner is about.
    async fn artifact_digest(&self) -> Option<String> {
        self.requested.work.route_change().map(|change| change.artifact.to_string())
    }

    /// What a deploy is about, and how far it is; none of other kinds.
    async fn deploy(&self) -> Option<DeployProgress> {
        DeployProgress::of(&self.requested.work, &self.state.evidence)
    }

    /// Why, as the caller said.
    async fn reason(&self) -> Option<String> {
        self.requested.reason.as_ref().map(ToString::to_string)
    }

    /// The epoch a change of owner was decided on.
    async fn expected_route_epoch(&self) -> Option<u64> {
        self.requested.work.route_change().map(|change| change.expected_epoch.0)
    }

    /// The epoch it gave the route.
    async fn epoch(&self) -> Option<u64> {
        self.state.epoch.map(|epoch| epoch.0)
    }

    /// The gates, as judged.
    async fn gates(&self) -> Vec<Gate> {
        self.state.evidence.gates.iter().map(Into::into).collect()
    }

    /// The digest that runner and edges agreed on.
    async fn healthy_digest(&self) -> Option<String> {
        // What a deploy built has answered nobody yet.
        let answered = !matches!(self.requested.work, Work::Deploy(_));
        self.state.evidence.digest.filter(|_| answered).map(|digest| digest.to_string())
    }

    /// What answered, edge by edge.
    async fn edges(&self) -> Vec<EdgeAnswer> {
        self.state.evidence.edges.iter().map(Into::into).collect()
    }

    async fn failure(&self) -> Option<OperationFailure> {
        self.state.failure.clone().map(|failure| OperationFailure {
            code: failure.code,
            message: failure.message,
            expected: failure.expected,
            actual: failure.actual,
            route_changed: failure.route_changed,
        })
    }

    /// Whether somebody asked for an early end, and why.
    async fn cancel_reason(&self) -> Option<String> {
        self.state.cancel.as_ref().map(ToString::to_string)
    }

    /// Whether the caller may cancel it now, and if not, why.
    #[graphql(complexity = "20 + child_complexity")]
    async fn cancellable(&self, ctx: &Context<'_>) -> async_graphql::Result<Affordance> {
        let of = (self.requested.workspace, self.requested.work.environment());
        let caller = Caller::about(ctx, of.0, of.1).await?;
        Ok(caller.may_tell(&*self.state, Command::RequestCancel { reason: affordance::some_reason() }))
    }

    /// When it ends, one way or the other.
    async fn deadline(&self) -> DateTime<Utc> {
        self.requested.deadline
    }

    /// The stream's version.
    async fn version(&self) -> u64 {
        self.version.0
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct OperationCancelInput {
    operation_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// The `version` of the operation that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of operationCancel.
    OperationCancelPayload { cancelled: Operation }
}

#[derive(Debug, Default)]
pub(crate) struct OperationMutation;

#[Object]
impl OperationMutation {
    /// Asks an operation to end early; refused once the route has changed.
    async fn operation_cancel(
        &self,
        ctx: &Context<'_>,
        input: OperationCancelInput,
    ) -> async_graphql::Result<OperationCancelPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let cancel = Cancel { id: id::read("operationId", &input.operation_id)?, reason: reason(&input.reason)? };
        Ok(OperationCancelPayload(change(ctx, manner, cancel).await?))
    }
}

struct Cancel {
    id: OperationId,
    reason: Reason,
}

impl Change for Cancel {
    fn name(&self) -> &'static str {
        "operationCancel"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.id, self.reason)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let mut operation = bench.load::<operation::Operation>(self.id).await?;
        let Some(requested) = operation.state.requested.clone() else {
            return Err(id::not_found::<OperationId>("operationId").into());
        };
        if !bench.belongs_to(requested.workspace) {
            return Err(id::not_found::<OperationId>("operationId").into());
        }
        let mut unit = bench.unit(Writer::Api, requested.workspace, self.id);
        unit.place(Some(requested.region), requested.cell);
        if let Some(environment) = requested.work.environment() {
            bench.about(&mut unit, environment).await?;
        }
        decide(&mut unit, &mut operation, Command::RequestCancel { reason: self.reason.clone() })
            .map_err(|no| no.concerning_work(&requested.work))?;
        Ok(Judged { unit, object: self.id.0, operation: Some(self.id), decided_on: Some(operation.stream.clone()) })
    }
}
