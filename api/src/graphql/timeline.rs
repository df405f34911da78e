//! The timeline's lines: every event with who, what, why, its cause and a sentence; refusals and late evidence shown as such.

mod filter;
mod lists;
mod tree;

pub(crate) use filter::{TimelineFilter, TimelineKind, streams_of, uuid};
pub(crate) use lists::{OperationLine, Wanted, lines, operations, page};
pub(crate) use tree::{CausationTree, causation_tree};

use super::{
    context::{Ask as _, shown},
    operation::Operation,
    who::{self, Requester},
};
use crate::fault::Fault;
use async_graphql::{Context, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_projections::timeline;
use serde_json::Value;
use uuid::Uuid;

/// One event, told.
#[derive(Clone, Debug)]
pub(crate) struct TimelineEntry(pub(crate) timeline::Entry);

/// What somebody asked for and did not get.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefusedAttempt {
    /// The mutation.
    pub(crate) command: String,
    /// The aggregate that refused, as `category:uuid`.
    pub(crate) target: String,
    /// The rule's code.
    pub(crate) code: String,
    /// The rule in words.
    pub(crate) message: String,
    /// What the caller expected.
    pub(crate) expected: Option<String>,
    /// What was so.
    pub(crate) actual: Option<String>,
}

/// What a worker that had lost its lease wanted to report: on record, and without effect.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LateEvidence {
    /// Which attempt, by its fence.
    pub(crate) attempt: u64,
    /// What it wanted to report.
    pub(crate) report: String,
}

impl TimelineEntry {
    pub(crate) fn trace(&self) -> Option<&str> {
        self.0.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1))
    }

    pub(crate) fn kind(&self) -> TimelineKind {
        TimelineKind::of(&self.0.event_type)
    }

    pub(crate) fn refused(&self) -> Option<RefusedAttempt> {
        let refused = self.0.payload.get("refused").filter(|_| self.kind() == TimelineKind::Refusal)?;
        let text = |name: &str| refused.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(RefusedAttempt {
            command: text("command")?,
            target: text("target")?,
            code: text("code")?,
            message: text("message")?,
            expected: text("expected"),
            actual: text("actual"),
        })
    }

    pub(crate) fn late(&self) -> Option<LateEvidence> {
        let payload = Some(&self.0.payload).filter(|_| self.kind() == TimelineKind::LateEvidence)?;
        let report = payload.get("report")?.as_str()?.to_owned();
        Some(LateEvidence { attempt: payload.get("attempt")?.as_u64()?, report })
    }

    /// The operation whose own line it is, which another may have asked for; or else the one that brought it about.
    pub(crate) fn belongs_to(&self) -> Uuid {
        let own = self.0.stream.strip_prefix("operation:").and_then(|id| Uuid::try_parse(id).ok());
        own.unwrap_or(self.0.correlation)
    }

    /// The operation that it belongs to.
    pub(crate) async fn of_operation(&self, ctx: &Context<'_>) -> Result<Option<Operation>, Fault> {
        let found = ctx.loaders().operations.load_one(self.belongs_to()).await.map_err(Fault::internal)?;
        Ok(found.and_then(Operation::of))
    }
}

#[Object]
impl TimelineEntry {
    /// Where in the log; opaque, in order.
    async fn position(&self, ctx: &Context<'_>) -> String {
        shown(ctx, self.0.position)
    }

    async fn event_id(&self) -> String {
        self.0.event.to_string()
    }

    /// Which aggregate, as `category:uuid`.
    async fn stream(&self) -> &str {
        &self.0.stream
    }

    /// The how manieth of its stream.
    async fn version(&self) -> i64 {
        self.0.version
    }

    /// `noun.verbed`.
    async fn r#type(&self) -> &str {
        &self.0.event_type
    }

    async fn schema_version(&self) -> i32 {
        i32::from(self.0.schema_version)
    }

    /// Who.
    async fn actor(&self) -> String {
        self.0.actor.to_string()
    }

    /// What the actor is called: the login, or else what the token is called; null where neither is known.
    async fn actor_name(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        Ok(who::name(ctx, self.0.actor).await?)
    }

    /// Who is behind it: the nearest person up its causes, who may be its actor; null where Rhone did it by itself.
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Requester>> {
        Ok(who::behind(ctx, self.0.event).await?)
    }

    /// user, token, worker, runner or support.
    async fn actor_kind(&self) -> &str {
        &self.0.actor_kind
    }

    /// For whom support acted.
    async fn on_behalf_of(&self) -> Option<String> {
        self.0.on_behalf_of.map(|id| id.to_string())
    }

    /// In which capacity it was written.
    async fn writer(&self) -> &str {
        &self.0.writer
    }

    /// All that one cause brought about has the same; an operation's id where there is one.
    async fn correlation(&self) -> String {
        self.0.correlation.to_string()
    }

    /// The event that led to it.
    async fn causation(&self) -> Option<String> {
        self.0.causation.map(|id| id.to_string())
    }

    /// The trace it belongs to.
    async fn trace_id(&self) -> Option<&str> {
        self.trace()
    }

    /// Why, where somebody said so.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// One sentence.
    async fn summary(&self) -> &str {
        &self.0.summary
    }

    /// Whether it is an event like others, a refusal, or evidence that came too late.
    #[graphql(name = "kind")]
    async fn shown_kind(&self) -> TimelineKind {
        self.kind()
    }

    /// Of a refusal: what was asked for, by which rule it was refused, with expected and actual.
    async fn refusal(&self) -> Option<RefusedAttempt> {
        self.refused()
    }

    /// Of evidence that came too late: whose, and what it says.
    async fn late_evidence(&self) -> Option<LateEvidence> {
        self.late()
    }

    /// The command that it answers.
    async fn command(&self) -> Option<String> {
        rhone_domain::history::command_of(&self.0.event_type, &self.0.payload)
    }

    /// The operation that it belongs to, if it belongs to one.
    async fn operation(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Operation>> {
        Ok(self.of_operation(ctx).await?)
    }

    /// What the event says; personal fields are shown as sealed.
    async fn payload(&self) -> Json<&serde_json::Value> {
        Json(&self.0.payload)
    }

    /// When, by the writer's clock.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.0.occurred_at
    }

    /// When the log received it.
    async fn recorded_at(&self) -> DateTime<Utc> {
        self.0.recorded_at
    }
}
