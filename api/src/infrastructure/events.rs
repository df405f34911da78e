//! `GET /v1/events`: a workspace's events as server-sent events, for scripts. The same follower as the subscription's, the same
//! authorisation and row-level security; each item's id is its position, so that `Last-Event-ID` goes on from there. The
//! trap avoided: a stream that outlives its token or its server; both end it, in order, and the client is told when to
//! come back.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, stream};
use rhone_domain::ids::WorkspaceId;
use rhone_projections::{authority::members, timeline::Entry};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{
    Infrastructure,
    caller::{user, within},
    refusal::Refusal,
};
use crate::{
    authenticate::{AuthError, Authenticator},
    fault::{Code, Fault},
    graphql::{EventFilterInput, Platform, session, workspace_id},
    guard::Origins,
    identity::Principal,
    live::events::{self, Events, Item, OTHER_LIFE},
    settings::Settings,
};

/// Streams at a time in one process; one more is told to come back.
const MOST: usize = 4_096;
/// After the end of a stream, for the client to wait.
const RETRY: Duration = Duration::from_secs(1);
/// Between comments on a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What these streams work with.
pub struct Live {
    platform: Arc<Platform>,
    origins: Origins,
    recheck_interval: Duration,
    recheck_grace: Duration,
    places: Arc<Semaphore>,
}

impl Live {
    /// With the guard's settings.
    pub fn new(platform: Arc<Platform>, settings: &Settings) -> Self {
        Self {
            platform,
            origins: settings.origins.clone(),
            recheck_interval: settings.recheck_interval,
            recheck_grace: settings.recheck_grace,
            places: Arc::new(Semaphore::new(MOST)),
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

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

    /// A token for one workspace need not name it.
    fn workspace(&self, principal: &Principal) -> Result<WorkspaceId, Fault> {
        match (&self.workspace_id, principal.workspace) {
            (Some(id), _) => workspace_id("workspaceId", id),
            (None, Some(workspace)) => Ok(workspace),
            (None, None) => Err(Fault::bad_input("workspaceId", "must be given: the token is not for one workspace")),
        }
    }
}

pub(super) async fn follow(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    match opened(infrastructure, &headers, asked).await {
        Ok(streamed) => {
            let items = stream::unfold(Some(Box::new(streamed)), |streamed| async move {
                let mut streamed = streamed?;
                let (event, goes_on) = streamed.next().await;
                Some((Ok::<_, Infallible>(event), Some(streamed).filter(|_| goes_on)))
            });
            answer(items)
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn answer(items: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let kept = Sse::new(items).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here"));
    let headers = [("cache-control", "no-store"), ("x-accel-buffering", "no"), ("x-content-type-options", "nosniff")];
    (headers, kept).into_response()
}

async fn opened(
    infrastructure: Arc<Infrastructure>,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Streamed, Refusal> {
    let live = &infrastructure.live;
    live.origins.admit(headers)?;
    let principal = user(&infrastructure, headers).await?;
    let Query(asked) = asked.map_err(|error| Refusal::bad_input(format!("query string: {error}")))?;
    let (filter, workspace) = (asked.filter().read()?, asked.workspace(&principal)?);
    let place = live.places.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited.as_str(), "too many streams are open")
    })?;
    let session = session(&live.platform, &principal);
    let seen = async {
        let mut transaction = session.begin().await?;
        Ok(members::workspaces(&mut transaction).await?)
    };
    if !within(seen).await?.contains(&workspace) {
        return Err(Refusal::not_found("workspaceId: there is no such workspace"));
    }
    // A client that comes back names what it saw last, and still the `after` that it began with.
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("malformed"));
    let after = last.filter(|id| !id.is_empty()).or(asked.after.as_deref());
    let events = Events::new(&live.platform, session, workspace, filter, after)?;
    let mut recheck = interval_at(Instant::now() + live.recheck_interval, live.recheck_interval);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let valid_at = Instant::now();
    Ok(Streamed { infrastructure, principal, events, recheck, valid_at, greeted: false, _place: place })
}

/// One open stream.
struct Streamed {
    infrastructure: Arc<Infrastructure>,
    principal: Principal,
    events: Events,
    recheck: Interval,
    /// When the token was last known to stand.
    valid_at: Instant,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Streamed {
    /// The next event, and whether anything follows it.
    async fn next(&mut self) -> (Event, bool) {
        if !std::mem::replace(&mut self.greeted, true) {
            return (Event::default().retry(RETRY), true);
        }
        loop {
            let infrastructure = self.infrastructure.clone();
            tokio::select! {
                biased;
                () = infrastructure.readiness.drained() => return (Event::default().retry(RETRY), false),
                _ = self.recheck.tick() => if let Err(fault) = self.recheck().await {
                    return (ended(&fault), false);
                },
                item = self.events.next() => return match item {
                    Ok(item) => (told(&self.infrastructure.live.platform, item), true),
                    Err(fault) => (ended(&fault), false),
                },
            }
        }
    }

    async fn recheck(&mut self) -> Result<(), Fault> {
        let live = &self.infrastructure.live;
        let standing = self.infrastructure.tokens.still_valid(&self.principal);
        match tokio::time::timeout(live.recheck_interval, standing).await {
            Ok(Ok(())) => self.valid_at = Instant::now(),
            Ok(Err(AuthError::Refused)) => return Err(AuthError::Refused.into()),
            // Unknown is not wrong, for a while.
            Ok(Err(AuthError::Unavailable(_))) | Err(_) if self.valid_at.elapsed() > live.recheck_grace => {
                return Err(Fault::new(Code::Unauthenticated, "the token cannot be checked, come back later"));
            }
            Ok(Err(AuthError::Unavailable(_))) | Err(_) => {}
        }
        Ok(())
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
    Event::default().event(kind).id(position).data(words.to_string())
}

/// The last thing that is said.
fn ended(fault: &Fault) -> Event {
    let words = json!({ "code": fault.code.as_str(), "message": fault.message });
    Event::default().event("end").retry(RETRY).data(words.to_string())
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
