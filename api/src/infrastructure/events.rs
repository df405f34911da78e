//! `GET /v1/events`: a workspace's events as server-sent events, for scripts. The same follower as the subscription's, the same
//! authorisation and row-level security; each item's id is its position, so that `Last-Event-ID` goes on from there.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response, sse::Event},
};
use rhone_domain::ids::WorkspaceId;
use rhone_projections::timeline::Entry;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Infrastructure,
    caller::Origin,
    cloud_event,
    refusal::Refusal,
    streamed::{self, Follow, Streamed, event},
};
use crate::{
    fault::Fault,
    graphql::{EventFilterInput, Platform},
    live::events::{self, Events, Item, OTHER_LIFE},
};

/// What may be asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Asked {
    workspace_id: Option<String>,
    after: Option<String>,
    /// Separated by commas.
    types: Option<String>,
    app_id: Option<String>,
    environment_id: Option<String>,
    object_id: Option<String>,
    operation_id: Option<String>,
    correlation: Option<String>,
    actor: Option<String>,
    #[serde(default)]
    format: Format,
}

/// How an event is told.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// As the timeline's line alone.
    #[default]
    Rhone,
    /// As CloudEvents 1.0, in structured JSON.
    CloudEvents,
}

impl Asked {
    fn filter(&self) -> EventFilterInput {
        let types = self.types.as_ref().map(|types| types.split(',').map(str::to_owned).collect());
        EventFilterInput {
            types,
            app_id: self.app_id.clone().map(Into::into),
            environment_id: self.environment_id.clone().map(Into::into),
            object_id: self.object_id.clone().map(Into::into),
            operation_id: self.operation_id.clone().map(Into::into),
            correlation: self.correlation.clone(),
            actor: self.actor.clone(),
        }
    }
}

pub(super) async fn follow(
    State(infrastructure): State<Arc<Infrastructure>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let opened = opened(infrastructure, (&headers, origin), asked).await;
    opened.map_or_else(IntoResponse::into_response, Streamed::answer)
}

async fn opened(
    infrastructure: Arc<Infrastructure>,
    (headers, origin): (&HeaderMap, Origin),
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Streamed<Told>, Refusal> {
    let principal = streamed::caller(&infrastructure, headers, origin).await?;
    let Query(asked) = asked.map_err(|error| Refusal::bad_input(format!("query string: {error}")))?;
    let filter = asked.filter().read()?;
    let workspace = streamed::workspace(asked.workspace_id.as_deref(), &principal)?;
    let load = infrastructure.load.clone();
    let _turn = load.turn().await;
    let (place, session) = streamed::seat(&infrastructure, &principal, workspace).await?;
    let platform = infrastructure.live.platform.clone();
    let after = streamed::after(headers, asked.after.as_deref());
    let events = Events::new(&platform, session, workspace, filter, after)?;
    let told = Told { platform, events, workspace, format: asked.format };
    Ok(Streamed::open(infrastructure, principal, place, told).await)
}

/// What is told.
struct Told {
    platform: Arc<Platform>,
    events: Events,
    workspace: WorkspaceId,
    format: Format,
}

impl Follow for Told {
    async fn next(&mut self) -> Result<Event, Fault> {
        let item = self.events.next().await?;
        Ok(self.told(item))
    }
}

impl Told {
    fn told(&self, item: Item) -> Event {
        let (kind, at) = match &item {
            Item::Event(entry) => ("event", entry.position),
            Item::CaughtUp(at) => ("caught_up", *at),
            Item::Resync(at) => ("resync", *at),
        };
        let position = events::cursor(&self.platform, at);
        let words = match item {
            Item::Event(entry) => self.line(&entry, &position),
            Item::CaughtUp(_) => json!({ "position": position }),
            Item::Resync(_) => json!({ "reason": OTHER_LIFE, "position": position }),
        };
        event(kind, position, &words)
    }

    fn line(&self, entry: &Entry, position: &str) -> Value {
        let line = words(entry, position);
        match self.format {
            Format::Rhone => line,
            Format::CloudEvents => cloud_event::around(&line, entry, self.workspace),
        }
    }
}

/// The names of the timeline's fields in the schema.
fn words(entry: &Entry, position: &str) -> Value {
    json!({
        "position": position,
        "eventId": entry.event,
        "stream": entry.stream,
        "version": entry.version,
        "type": entry.event_type,
        "schemaVersion": entry.schema_version,
        "actor": entry.actor,
        "actorKind": entry.actor_kind,
        "onBehalfOf": entry.on_behalf_of,
        "writer": entry.writer,
        "correlation": entry.correlation,
        "causation": entry.causation,
        "traceId": entry.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)),
        "reason": entry.reason,
        "summary": entry.summary,
        "payload": entry.payload,
        "occurredAt": entry.occurred_at,
        "recordedAt": entry.recorded_at,
    })
}
