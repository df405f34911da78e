//! Server-sent events: how a stream is opened, kept and ended, whatever it tells. `/v1/events` and `/v1/logs` stand on it. The
//! trap avoided: a stream that outlives its token or its server; both end it, in order, and the client is told when to come
//! back. Whoever opens one pays for it and waits for a turn, as over a WebSocket.

use std::{convert::Infallible, fmt, future::Future, sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use rhone_domain::ids::WorkspaceId;
use rhone_projections::{authority::members, session::Session};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout},
};

use super::{
    Infrastructure,
    caller::{Origin, budgeted, within},
    refusal::Refusal,
};
use crate::{
    authenticate::{AuthError, Authenticator},
    fault::{Code, Fault},
    graphql::{Platform, session, workspace_id},
    guard::Origins,
    identity::Principal,
    settings::Settings,
};

/// Streams at a time in one process; one more is told to come back.
const MOST: usize = 4_096;
/// What opening one costs: what the document of a subscription to all fields of a line of the timeline weighs.
const COST: u32 = 25;
/// How long a stream that says nothing keeps its turn.
const TURN: Duration = Duration::from_secs(2);
/// After the end of a stream, for the client to wait.
const RETRY: Duration = Duration::from_secs(1);
/// Between comments on a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What these streams work with.
pub struct Live {
    pub(super) platform: Arc<Platform>,
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

/// What is told on a stream.
pub(super) trait Follow: Send + 'static {
    /// The next event; after a fault nothing follows. Safe to cancel.
    fn next(&mut self) -> impl Future<Output = Result<Event, Fault>> + Send;
}

/// Who opens a stream, from a page that may, and within their budgets.
pub(super) async fn caller(
    infrastructure: &Infrastructure,
    headers: &HeaderMap,
    origin: Origin,
) -> Result<Principal, Refusal> {
    infrastructure.live.origins.admit(headers)?;
    budgeted(infrastructure, headers, origin, COST).await
}

/// Which workspace is meant; a token for one workspace need not name it.
pub(super) fn workspace(named: Option<&str>, principal: &Principal) -> Result<WorkspaceId, Fault> {
    match (named, principal.workspace) {
        (Some(id), _) => workspace_id("workspaceId", id),
        (None, Some(workspace)) => Ok(workspace),
        (None, None) => Err(Fault::bad_input("workspaceId", "must be given: the token is not for one workspace")),
    }
}

/// Where to go on: a client that comes back names what it saw last, and still the `after` that it began with.
pub(super) fn after<'a>(headers: &'a HeaderMap, asked: Option<&'a str>) -> Option<&'a str> {
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("malformed"));
    last.filter(|id| !id.is_empty()).or(asked)
}

/// A place among the streams of this process, with the eyes of somebody who belongs to the workspace.
pub(super) async fn seat(
    infrastructure: &Infrastructure,
    principal: &Principal,
    workspace: WorkspaceId,
) -> Result<(OwnedSemaphorePermit, Session), Refusal> {
    let live = &infrastructure.live;
    let place = live.places.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited.as_str(), "too many streams are open")
    })?;
    let session = session(&live.platform, principal);
    let seen = async {
        let mut transaction = session.begin().await?;
        Ok(members::workspaces(&mut transaction).await?)
    };
    if !within(seen).await?.contains(&workspace) {
        return Err(Refusal::not_found("workspaceId: there is no such workspace"));
    }
    Ok((place, session))
}

/// One open stream.
pub(super) struct Streamed<F> {
    infrastructure: Arc<Infrastructure>,
    principal: Principal,
    followed: F,
    /// What it said within its turn.
    first: Option<Result<Event, Fault>>,
    recheck: Interval,
    /// When the token was last known to stand.
    valid_at: Instant,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl<F: Follow> Streamed<F> {
    /// Opens it. The caller holds a turn meanwhile: the first answer is what asks the most of the database.
    pub(super) async fn open(
        infrastructure: Arc<Infrastructure>,
        principal: Principal,
        place: OwnedSemaphorePermit,
        mut followed: F,
    ) -> Self {
        let first = timeout(TURN, followed.next()).await.ok();
        let every = infrastructure.live.recheck_interval;
        let mut recheck = interval_at(Instant::now() + every, every);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let valid_at = Instant::now();
        Self { infrastructure, principal, followed, first, recheck, valid_at, greeted: false, _place: place }
    }

    /// As it is sent.
    pub(super) fn answer(self) -> Response {
        let items = stream::unfold(Some(Box::new(self)), |streamed| async move {
            let mut streamed = streamed?;
            let (event, goes_on) = streamed.next().await;
            Some((Ok::<_, Infallible>(event), Some(streamed).filter(|_| goes_on)))
        });
        let kept = Sse::new(items).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here"));
        let headers =
            [("cache-control", "no-store"), ("x-accel-buffering", "no"), ("x-content-type-options", "nosniff")];
        (headers, kept).into_response()
    }

    /// The next event, and whether anything follows it.
    async fn next(&mut self) -> (Event, bool) {
        if !std::mem::replace(&mut self.greeted, true) {
            return (Event::default().retry(RETRY), true);
        }
        if let Some(first) = self.first.take() {
            return told(first);
        }
        loop {
            let infrastructure = self.infrastructure.clone();
            tokio::select! {
                biased;
                () = infrastructure.readiness.drained() => return (Event::default().retry(RETRY), false),
                _ = self.recheck.tick() => if let Err(fault) = self.recheck().await {
                    return (ended(&fault), false);
                },
                event = self.followed.next() => return told(event),
            }
        }
    }

    async fn recheck(&mut self) -> Result<(), Fault> {
        let live = &self.infrastructure.live;
        let standing = async {
            let _turn = self.infrastructure.load.standing().await;
            self.infrastructure.tokens.still_valid(&self.principal).await
        };
        match timeout(live.recheck_interval, standing).await {
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

/// An event of this kind at this position.
pub(super) fn event(kind: &str, position: String, words: &Value) -> Event {
    Event::default().event(kind).id(position).data(words.to_string())
}

/// An event, and whether anything follows it.
fn told(event: Result<Event, Fault>) -> (Event, bool) {
    match event {
        Ok(event) => (event, true),
        Err(fault) => (ended(&fault), false),
    }
}

/// The last thing that is said.
fn ended(fault: &Fault) -> Event {
    let words = json!({ "code": fault.code.as_str(), "message": fault.message });
    Event::default().event("end").retry(RETRY).data(words.to_string())
}
