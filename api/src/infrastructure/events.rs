//! `GET /v1/events`: a workspace's events as server-sent events, for scripts. The same follower as the subscription's, the same
//! authorisation and row-level security; each item's id is its position, so that `Last-Event-ID` goes on from there.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response, sse::Event},
};
use rhone_projections::timeline::Entry;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Infrastructure,
    caller::Origin,
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
    operation_id: Option<String>,
    correlation: Option<String>,
    actor: Option<String>,
}

impl Asked {
    fn filter(&self) -> EventFilterInput {
        let types = self.types.as_ref().map(|types| types.split(',').map(str::to_owned).collect());
        EventFilterInput {
            types,
            app_id: self.app_id.clone().map(Into::into),
            environment_id: self.environment_id.clone().map(Into::into),
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
    Ok(Streamed::open(infrastructure, principal, place, Told { platform, events }).await)
}

/// What is told.
struct Told {
    platform: Arc<Platform>,
    events: Events,
}

impl Follow for Told {
    async fn next(&mut self) -> Result<Event, Fault> {
        Ok(told(&self.platform, self.events.next().await?))
    }
}

fn told(platform: &Platform, item: Item) -> Event {
    let (kind, position, words) = match item {
        Item::Event(entry) => {
            let position = events::cursor(platform, entry.position);
            let words = words(&entry, &position);
            ("event", position, words)
        }
        Item::CaughtUp(position) => {
            let position = events::cursor(platform, position);
            let words = json!({ "position": position });
            ("caught_up", position, words)
        }
        Item::Resync(position) => {
            let position = events::cursor(platform, position);
            let words = json!({ "reason": OTHER_LIFE, "position": position });
            ("resync", position, words)
        }
    };
    event(kind, position, &words)
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
