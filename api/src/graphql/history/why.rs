//! Why a field is what it is: the last event after which it had another value, the command that it answers, who gave it, and
//! what led to it. By JSON pointer into the aggregate's own state, so that it holds for every noun.

use super::{absent, changes, changes::EnvironmentField, fault, read_one};
use crate::{
    fault::Fault,
    graphql::{
        context::Ask as _,
        lists::CausesOf,
        operation::Operation,
        timeline::TimelineEntry,
        who::{self, Requester},
    },
};
use async_graphql::{ComplexObject, Context, Json, SimpleObject};
use rhone_domain::{
    envelope::StreamId,
    history::{WATCHED, WatchedField},
    ids::EnvironmentId,
};
use rhone_eventstore::{AsOf, Recorded};
use rhone_projections::{
    history::{step, walk},
    timeline,
};
use serde_json::Value;

/// Why a field is what it is.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Why {
    /// Of which aggregate, as `category:uuid`.
    stream: String,
    /// Which field, as a JSON pointer into its state.
    path: String,
    /// What it is; null where nothing is.
    value: Option<Json<Value>>,
    /// What it was before; null where nothing was.
    before: Option<Json<Value>>,
    /// The event that made it so; null as long as nothing ever has.
    entry: Option<TimelineEntry>,
}

#[ComplexObject]
impl Why {
    /// The command that the event answers.
    async fn command(&self) -> Option<String> {
        let entry = &self.entry.as_ref()?.0;
        rhone_domain::history::command_of(&entry.event_type, &entry.payload)
    }

    /// Who wrote it: a worker where it carried on what somebody had asked for.
    async fn actor(&self) -> Option<String> {
        self.entry.as_ref().map(|entry| entry.0.actor.to_string())
    }

    /// Who is behind it: the nearest person up its causes; null where Rhone did it by itself.
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Requester>> {
        match &self.entry {
            Some(entry) => Ok(who::behind(ctx, entry.0.event).await?),
            None => Ok(None),
        }
    }

    /// The operation that it belongs to, if it belongs to one.
    async fn operation(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Operation>> {
        match &self.entry {
            Some(entry) => Ok(entry.of_operation(ctx).await?),
            None => Ok(None),
        }
    }

    /// What led to it, the nearest cause first.
    #[graphql(complexity = "50 + 5 * child_complexity")]
    async fn causes(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<TimelineEntry>> {
        let Some(first) = self.entry.as_ref().and_then(|entry| entry.0.causation) else { return Ok(Vec::new()) };
        let causes = ctx.loaders().lists.load_one(CausesOf(first)).await.map_err(Fault::internal)?;
        Ok(causes.unwrap_or_default().into_iter().map(TimelineEntry).collect())
    }
}

/// Why a watched field of an environment is what it is.
pub(crate) async fn of_environment(
    ctx: &Context<'_>,
    environment: EnvironmentId,
    field: EnvironmentField,
    key: Option<String>,
) -> Result<Why, Fault> {
    let field = WatchedField::from(field);
    let told = changes::every(ctx, environment).await?;
    let is_it = |told: &&changes::Told| told.change.field == field && (key.is_none() || told.change.key == key);
    if let Some(told) = told.iter().rfind(is_it) {
        let change = told.change.clone();
        return Ok(Why {
            stream: told.stream.to_string(),
            path: change.path,
            value: change.after.map(Json),
            before: change.before.map(Json),
            entry: Some(TimelineEntry(timeline::Entry::of(&told.event))),
        });
    }
    let watched = WATCHED.iter().find(|watched| watched.field == field).expect("every field stands in the table");
    let stream = StreamId::new(watched.category, environment.0).to_string();
    Ok(Why { stream, path: watched.pointer(), value: None, before: None, entry: None })
}

/// Why a place in any aggregate's state is what it is, or was.
pub(crate) async fn of_stream(ctx: &Context<'_>, stream: &StreamId, path: &str, as_of: AsOf) -> Result<Why, Fault> {
    let events = read_one(ctx, "stream", stream).await?;
    of_events(stream, &events, path, as_of)
}

/// The same, of events that were read already.
pub(super) fn of_events(stream: &StreamId, events: &[Recorded], path: &str, as_of: AsOf) -> Result<Why, Fault> {
    if !path.starts_with('/') || path.len() > 500 {
        return Err(Fault::bad_input("path", "must be a JSON pointer such as /owner/deployment"));
    }
    let (mut walk, mut found, mut any) = (walk(stream).map_err(fault)?, None, false);
    for event in events.iter().take_while(|event| as_of.reaches(event)) {
        any = true;
        let state = step(&mut walk, event).map_err(fault)?;
        let said = |state: &Value| state.pointer(path).filter(|value| !value.is_null()).cloned();
        let (before, after) = (said(&state), said(walk.state()));
        if before != after {
            found = Some((before, after, event));
        }
    }
    if !any {
        return Err(absent("stream"));
    }
    let (stream, path) = (stream.to_string(), path.to_owned());
    if found.is_none() && walk.state().pointer(path.as_str()).is_none() {
        let rule = format!("`{path}` is no place in the state of {stream}, and was none before");
        return Err(Fault::bad_input("path", rule));
    }
    let Some((before, after, event)) = found else {
        return Ok(Why { stream, path, value: None, before: None, entry: None });
    };
    let entry = Some(TimelineEntry(timeline::Entry::of(event)));
    Ok(Why { stream, path, value: after.map(Json), before: before.map(Json), entry })
}
