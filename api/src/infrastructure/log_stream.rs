//! `GET /v1/logs`: a workspace's log lines as server-sent events, for `rhone logs -f` and scripts. The same follower as the
//! subscription's. Lines that were kept together are one event, whose id is the position after the last of them.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse, Response, sse::Event},
};
use chrono::{DateTime, Utc};
use rhone_domain::logs::LogSource as Source;
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
    graphql::{LogFilter, Platform, id, in_workspace},
    lines::Placed,
    live::{
        events::OTHER_LIFE,
        logs::{self, LogItem, Logs},
    },
};

/// What may be asked: the fields of `LogFilter`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Asked {
    workspace_id: Option<String>,
    after: Option<String>,
    app_id: Option<String>,
    environment_id: Option<String>,
    deployment_id: Option<String>,
    operation_id: Option<String>,
    allocation_id: Option<String>,
    source: Option<String>,
    since: Option<String>,
    until: Option<String>,
    contains: Option<String>,
}

impl Asked {
    fn filter(&self) -> Result<LogFilter, Fault> {
        let source = match self.source.as_deref() {
            None => None,
            Some("BUILD") => Some(Source::Build.into()),
            Some("RUNTIME") => Some(Source::Runtime.into()),
            Some(_) => return Err(Fault::bad_input("source", "must be BUILD or RUNTIME")),
        };
        let id = |id: &Option<String>| id.clone().map(Into::into);
        Ok(LogFilter {
            app_id: id(&self.app_id),
            environment_id: id(&self.environment_id),
            deployment_id: id(&self.deployment_id),
            operation_id: id(&self.operation_id),
            allocation_id: id(&self.allocation_id),
            source,
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
            contains: self.contains.clone(),
        })
    }
}

fn time(field: &'static str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Fault> {
    let read = text.map(str::parse::<DateTime<Utc>>).transpose();
    read.map_err(|_| Fault::bad_input(field, "must be a time such as 2026-01-31T12:00:00Z"))
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
    let workspace = streamed::workspace(asked.workspace_id.as_deref(), &principal)?;
    let wanted = in_workspace(workspace, Some(asked.filter()?))?;
    let load = infrastructure.load.clone();
    let _turn = load.turn().await;
    let (place, session) = streamed::seat(&infrastructure, &principal, workspace).await?;
    let platform = infrastructure.live.platform.clone();
    let after = streamed::after(headers, asked.after.as_deref());
    let logs = Logs::new(&platform, session, workspace, wanted, after)?;
    Ok(Streamed::open(infrastructure, principal, place, Told { platform, logs }).await)
}

/// What is told.
struct Told {
    platform: Arc<Platform>,
    logs: Logs,
}

impl Follow for Told {
    async fn next(&mut self) -> Result<Event, Fault> {
        let item = self.logs.next().await?;
        let cursor = |position| logs::cursor(self.platform.incarnation, position);
        let (kind, position, mut words) = match item {
            LogItem::Lines(lines) => {
                let end = cursor(lines.last().map(|line| line.position).unwrap_or_default());
                ("lines", end, json!({ "lines": lines.iter().map(words).collect::<Vec<_>>() }))
            }
            LogItem::CaughtUp(position) => ("caught_up", cursor(position), json!({})),
            LogItem::Resync(position) => ("resync", cursor(position), json!({ "reason": OTHER_LIFE })),
        };
        words["position"] = json!(position);
        Ok(event(kind, position, &words))
    }
}

/// The names of a line's fields in the schema.
fn words(placed: &Placed) -> Value {
    let owner = &placed.chunk.owner;
    json!({
        "at": placed.line.at,
        "stream": placed.line.stream.as_str().to_uppercase(),
        "text": placed.line.text,
        "number": placed.number,
        "source": placed.chunk.source.as_str().to_uppercase(),
        "appId": id::show(owner.app),
        "environmentId": owner.environment.map(id::show),
        "deploymentId": owner.deployment.map(id::show),
        "operationId": owner.operation.map(id::show),
        "allocationId": owner.allocation.map(id::show),
    })
}
