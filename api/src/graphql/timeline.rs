//! The timeline's lines: every event with who, what, why, its cause and a sentence.

use super::context::shown;
use async_graphql::{Context, Json, Object};
use chrono::{DateTime, Utc};
use rhone_projections::timeline;

/// One event, told.
#[derive(Clone, Debug)]
pub(crate) struct TimelineEntry(pub(crate) timeline::Entry);

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
        self.0.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1))
    }

    /// Why, where somebody said so.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// One sentence.
    async fn summary(&self) -> &str {
        &self.0.summary
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
