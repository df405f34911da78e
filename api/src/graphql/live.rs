//! What can be followed of a workspace: all its events, and one environment's route. Each item has its position; hand it in as
//! `after` and it goes on from there, at whichever process.

use super::{
    context::{Ask, belongs_to, door, shown},
    id,
    route_owner::RouteOwner,
    timeline::{TimelineEntry, streams_of},
};
use crate::{
    fault::Fault,
    live::{
        events::{self, Events, OTHER_LIFE},
        stream::Followed,
    },
};
use async_graphql::{Context, ID, InputObject, SimpleObject, Subscription, Union};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _, stream};
use rhone_domain::{
    aggregate::Aggregate as _,
    envelope::StreamId,
    environment::Environment,
    ids::{AppId, EnvironmentId, OperationId, WorkspaceId},
    route_owner,
};
use rhone_eventstore::{Cursor, CursorError, LogIncarnation, Position, Recorded};
use rhone_projections::{live::Filter, sentence};
use uuid::Uuid;

/// The most types that one filter names.
const MOST_TYPES: usize = 100;

/// What was followed cannot be gone on with from where the caller stood.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Resync {
    pub(crate) reason: String,
    /// Go on from here, once everything was read anew; none where following from the beginning is all there is.
    pub(crate) position: Option<String>,
}

/// Everything until here was told; what follows is new, or nothing that matches happened for a while.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct CaughtUp {
    pub(crate) position: String,
}

/// One item of a workspace's events.
#[derive(Clone, Debug, Union)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way into an answer")]
pub(crate) enum EventItem {
    Event(TimelineEntry),
    CaughtUp(CaughtUp),
    Resync(Resync),
}

/// Which events; what is left out does not matter, and all that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct EventFilterInput {
    /// `noun.verbed`, one of these; at most 100.
    pub(crate) types: Option<Vec<String>>,
    /// That concern this app.
    pub(crate) app_id: Option<ID>,
    /// That concern this environment.
    pub(crate) environment_id: Option<ID>,
    /// Of one thing, by its id or as `category:uuid`; an environment's id means its route, variables and bindings too.
    pub(crate) object_id: Option<ID>,
    /// Of this operation.
    pub(crate) operation_id: Option<ID>,
    /// Of this cause, as the timeline shows it.
    pub(crate) correlation: Option<String>,
    /// By this actor, as events name it.
    pub(crate) actor: Option<String>,
}

impl EventFilterInput {
    /// Checked.
    pub(crate) fn read(self) -> Result<Filter, Fault> {
        let types = self.types.unwrap_or_default();
        if types.len() > MOST_TYPES || types.iter().any(|kind| !is_type(kind)) {
            return Err(Fault::bad_input("types", "must be at most 100 types of events, such as route_owner.promoted"));
        }
        let operation = self.operation_id.map(|id| id::read::<OperationId>("operationId", &id)).transpose()?;
        let correlation = uuid("correlation", self.correlation.as_deref())?;
        if operation.is_some() && correlation.is_some() {
            return Err(Fault::bad_input("correlation", "must not be given together with operationId"));
        }
        Ok(Filter {
            types,
            actor: uuid("actor", self.actor.as_deref())?,
            correlation: correlation.or(operation.map(|id| id.0)),
            app: self.app_id.map(|id| id::read::<AppId>("appId", &id)).transpose()?,
            environment: self.environment_id.map(|id| id::read::<EnvironmentId>("environmentId", &id)).transpose()?,
            streams: self.object_id.map(|id| streams_of("objectId", &id)).transpose()?.unwrap_or_default(),
        })
    }
}

/// Reads the id of a workspace in `field`.
pub(crate) fn workspace_id(field: &'static str, text: &str) -> Result<WorkspaceId, Fault> {
    id::read(field, &ID(text.to_owned()))
}

fn is_type(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.len() <= 100 && text.split_once('.').is_some_and(|(noun, verb)| word(noun) && word(verb))
}

fn uuid(field: &'static str, text: Option<&str>) -> Result<Option<Uuid>, Fault> {
    let read = text.map(Uuid::try_parse).transpose();
    read.map_err(|_| Fault::bad_input(field, "must be a UUID as events name it"))
}

/// An environment's route as it stands.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RouteSnapshot {
    position: String,
    route_owner: RouteOwner,
}

/// One change of an environment's route, and how it stands after.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RouteChange {
    position: String,
    /// `route_owner.verbed`.
    r#type: String,
    /// One sentence.
    summary: String,
    occurred_at: DateTime<Utc>,
    route_owner: RouteOwner,
}

/// One item of an environment's route.
#[derive(Clone, Debug, Union)]
pub(crate) enum RouteItem {
    Snapshot(RouteSnapshot),
    Change(RouteChange),
    Resync(Resync),
}

#[derive(Debug, Default)]
pub(crate) struct LiveSubscription;

/// What can be followed of a workspace.
#[Subscription]
impl LiveSubscription {
    /// A workspace's events in the log's order, each exactly once: after a position, or from now on. The first item without one
    /// says from where.
    async fn events(
        &self,
        ctx: &Context<'_>,
        workspace_id: ID,
        filter: Option<EventFilterInput>,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<EventItem>> + use<>> {
        let workspace = id::read::<WorkspaceId>("workspaceId", &workspace_id)?;
        let filter = filter.unwrap_or_default().read()?;
        if !belongs_to(ctx, workspace).await? {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let platform = ctx.platform().clone();
        let events = Events::new(&platform, ctx.session().clone(), workspace, filter, after.as_deref())?;
        let items = stream::unfold(Some(events), move |events| {
            let platform = platform.clone();
            async move {
                let mut events = events?;
                match events.next().await {
                    Ok(item) => Some((Ok(shown_item(&platform, item)), Some(events))),
                    Err(fault) => Some((Err(fault.into()), None)),
                }
            }
        });
        Ok(items)
    }

    /// An environment's route: as it stands, then every change of it; after a position, the changes since.
    async fn route(
        &self,
        ctx: &Context<'_>,
        environment_id: ID,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<RouteItem>> + use<>> {
        let id = id::read::<EnvironmentId>("environmentId", &environment_id)?;
        let incarnation = ctx.platform().incarnation;
        let begin = begin(incarnation, after.as_deref())?;
        let door = door(ctx.platform(), ctx.principal());
        let loaded = door.load::<Environment>(id).await.map_err(Fault::internal)?;
        let workspace = match loaded.state.created {
            Some(created) if belongs_to(ctx, created.workspace).await? => created.workspace,
            _ => return Err(id::not_found::<EnvironmentId>("environmentId").into()),
        };
        let watching = ctx.platform().pulse.watch(ctx.session().actor(), workspace);
        let stream = StreamId::new(route_owner::RouteOwner::CATEGORY, id);
        let mut followed = Followed::<route_owner::RouteOwner>::new(door.log().clone(), stream, watching);
        let past = followed.so_far().await?;
        let first = opening(ctx, id, begin, past);
        let change = move |(event, state)| change(incarnation, id, &event, state);
        let changes = stream::unfold(Some(followed), move |followed| async move {
            let mut followed = followed?;
            match followed.next().await {
                Ok(next) => Some((Ok(change(next)), Some(followed))),
                Err(fault) => Some((Err(fault.into()), None)),
            }
        });
        Ok(stream::iter(first.into_iter().map(Ok)).chain(changes))
    }
}

fn shown_item(platform: &super::Platform, item: events::Item) -> EventItem {
    match item {
        events::Item::Event(entry) => EventItem::Event(TimelineEntry(*entry)),
        events::Item::CaughtUp(position) => {
            EventItem::CaughtUp(CaughtUp { position: events::cursor(platform, position) })
        }
        events::Item::Resync(position) => EventItem::Resync(Resync {
            reason: OTHER_LIFE.to_owned(),
            position: Some(events::cursor(platform, position)),
        }),
    }
}

/// How following a route begins.
#[derive(Clone, Copy)]
enum Begin {
    Snapshot,
    After(Position),
    Resync,
}

fn begin(incarnation: LogIncarnation, after: Option<&str>) -> Result<Begin, Fault> {
    let Some(after) = after else { return Ok(Begin::Snapshot) };
    match after.parse::<Cursor>().and_then(|cursor| cursor.continue_in(incarnation)) {
        Ok(position) => Ok(Begin::After(position)),
        Err(CursorError::Resync { .. }) => Ok(Begin::Resync),
        Err(CursorError::Malformed) => {
            Err(Fault::bad_input("after", "must be a position as an earlier answer gave it"))
        }
    }
}

/// What is said of the past.
fn opening(
    ctx: &Context<'_>,
    id: EnvironmentId,
    begin: Begin,
    past: Vec<(Recorded, route_owner::RouteOwner)>,
) -> Vec<RouteItem> {
    let incarnation = ctx.platform().incarnation;
    if let Begin::After(position) = begin {
        let missed = past.into_iter().filter(|(event, _)| event.position > position);
        return missed.map(|(event, state)| change(incarnation, id, &event, state)).collect();
    }
    let Some((last, state)) = past.into_iter().next_back() else { return Vec::new() };
    let position = shown(ctx, last.position);
    let resync = matches!(begin, Begin::Resync)
        .then(|| RouteItem::Resync(Resync { reason: OTHER_LIFE.to_owned(), position: Some(position.clone()) }));
    let route_owner = RouteOwner::as_of(id, state, last.envelope.version);
    resync.into_iter().chain([RouteItem::Snapshot(RouteSnapshot { position, route_owner })]).collect()
}

fn change(
    incarnation: LogIncarnation,
    id: EnvironmentId,
    event: &Recorded,
    state: route_owner::RouteOwner,
) -> RouteItem {
    RouteItem::Change(RouteChange {
        position: Cursor { incarnation, position: event.position }.to_string(),
        r#type: event.envelope.event_type.clone(),
        summary: sentence::of(&event.envelope.event_type, &event.payload.to_value()),
        occurred_at: event.envelope.occurred_at,
        route_owner: RouteOwner::as_of(id, state, event.envelope.version),
    })
}
