//! The past as it was judged: what changed in an environment between two moments, and why a field is what it is. Folded from
//! the log by the real aggregates; nothing is written down for it. Trap: a stream that is everybody's in the log, such as a
//! region, shown to who does not belong to its workspace; what is not one's own is answered as if there were none.

mod app;
mod bundle;
mod changes;
mod moment;
mod replay;
mod why;

pub(crate) use app::AppReplay;
pub(crate) use bundle::{SupportBundle, support_bundle};
pub(crate) use changes::{EnvironmentChange, EnvironmentField, changes};
pub(crate) use moment::{MomentInput, as_of};
pub(crate) use replay::{Replay, replay};
pub(crate) use why::{Why, of_environment, of_stream};

use crate::{
    fault::{Code, Fault},
    graphql::{context::Ask as _, streams::OwnStream, timeline::streams_of},
};
use async_graphql::{Context, ID, Json, SimpleObject};
use rhone_domain::{envelope::StreamId, history};
use rhone_eventstore::Recorded;
use rhone_projections::history::{HistoryError, MOST};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// A place of a state that is not what it was.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct StateChange {
    /// Where, as a JSON pointer.
    path: String,
    /// What was there; null where nothing was.
    before: Option<Json<Value>>,
    /// What is there; null where nothing is.
    after: Option<Json<Value>>,
}

impl From<history::Change> for StateChange {
    fn from(change: history::Change) -> Self {
        Self { path: change.path, before: change.before.map(Json), after: change.after.map(Json) }
    }
}

/// What differs between two states.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<StateChange> {
    history::changes(before, after).into_iter().map(Into::into).collect()
}

/// The stream of a thing by its id, or by its own name; an environment's id means the environment itself.
pub(crate) fn stream_of(id: &ID) -> Result<StreamId, Fault> {
    let mut streams = streams_of("stream", id)?;
    Ok(streams.swap_remove(0))
}

/// Streams as the caller may see them, gathered over the request.
pub(crate) async fn read(ctx: &Context<'_>, wanted: &[StreamId]) -> Result<BTreeMap<StreamId, Vec<Recorded>>, Fault> {
    let found = ctx.loaders().streams.load_many(wanted.iter().cloned().map(OwnStream)).await.map_err(fault)?;
    Ok(found.into_iter().map(|(OwnStream(stream), events)| (stream, Arc::unwrap_or_clone(events))).collect())
}

/// One stream, which must be there.
pub(crate) async fn read_one(
    ctx: &Context<'_>,
    field: &'static str,
    stream: &StreamId,
) -> Result<Vec<Recorded>, Fault> {
    read(ctx, std::slice::from_ref(stream)).await?.remove(stream).ok_or_else(|| absent(field))
}

/// There is none, or none that this caller may see: the same answer.
pub(crate) fn absent(field: &'static str) -> Fault {
    let mut fault = Fault::new(Code::NotFound, format!("{field}: there is no such thing, or was none by then"));
    fault.field = Some(field.into());
    fault
}

pub(crate) fn fault(error: impl Into<Arc<HistoryError>>) -> Fault {
    let error = error.into();
    match &*error {
        HistoryError::TooMany(_) => Fault::too_complex(format!("must be about at most {MOST} events")),
        HistoryError::Category(_) => Fault::bad_input("stream", "must be of a category that there is"),
        HistoryError::Database(_)
        | HistoryError::Corrupt(_)
        | HistoryError::Unreadable { .. }
        | HistoryError::Bundle(_) => Fault::internal(error),
    }
}
