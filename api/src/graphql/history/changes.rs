//! What changed in an environment between two moments, field by field, with the event, the actor and the operation. The
//! fields are those of the domain's table of what is watched.

use super::{fault, read};
use crate::{
    fault::Fault,
    graphql::{
        operation::Operation,
        timeline::TimelineEntry,
        who::{self, Requester},
    },
};
use async_graphql::{ComplexObject, Context, Enum, Json, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    envelope::StreamId,
    history::{FieldChange, OF_AN_ENVIRONMENT, WatchedField, watched_changes},
    ids::EnvironmentId,
};
use rhone_eventstore::Recorded;
use rhone_projections::{
    history::{step, walk},
    timeline,
};
use serde_json::Value;

/// What of an environment may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "WatchedField")]
pub(crate) enum EnvironmentField {
    /// That there is one.
    Existence,
    /// How many allocations of its owner are wanted.
    Replicas,
    /// What promotions to it need.
    Policy,
    /// Who approved what.
    Approvals,
    /// When it goes to sleep by itself.
    SleepPolicy,
    /// How sessions of its former owners end; null: as it was created.
    DrainPolicy,
    /// Where anything of it may ever be.
    Residency,
    /// The regions it may be moved to.
    Regions,
    /// Who owns its traffic.
    RouteOwner,
    /// How often the owner changed.
    RouteEpoch,
    /// Where it is served; null: where it was opened.
    RoutePlace,
    /// The hostnames that lead to it.
    Hosts,
    /// Whether promotions are held back, and why.
    Freeze,
    /// What a rollback fastened.
    Pin,
    /// The digests that may not come back.
    Quarantine,
    /// Whether it sleeps.
    Sleep,
    /// Its variables and secrets, by key; no values.
    Variables,
    /// Its outside resources.
    ProviderBindings,
    /// Its runtime services.
    RuntimeServices,
    /// What ran against its database.
    Migrations,
}

/// A field of an environment that is not what it was.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct EnvironmentChange {
    /// Which.
    field: EnvironmentField,
    /// Which one of several, such as the key of a variable, a hostname or a digest.
    key: Option<String>,
    /// What it was; null where nothing was.
    before: Option<Json<Value>>,
    /// What it is; null where nothing is.
    after: Option<Json<Value>>,
    /// The event that made it so: who, when, why, and what led to it.
    entry: TimelineEntry,
}

#[ComplexObject]
impl EnvironmentChange {
    /// Who is behind it: the nearest person up its causes; null where Rhone did it by itself.
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Requester>> {
        Ok(who::behind(ctx, self.entry.0.event).await?)
    }

    /// The operation that it belongs to, if it belongs to one.
    async fn operation(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Operation>> {
        Ok(self.entry.of_operation(ctx).await?)
    }
}

/// A watched field's change, and the event that brought it.
pub(super) struct Told {
    pub(super) stream: StreamId,
    pub(super) change: FieldChange,
    pub(super) event: Recorded,
}

/// Every change of what is watched of an environment, in the log's order.
pub(super) async fn every(ctx: &Context<'_>, environment: EnvironmentId) -> Result<Vec<Told>, Fault> {
    let streams: Vec<StreamId> =
        OF_AN_ENVIRONMENT.iter().map(|category| StreamId::new(category, environment.0)).collect();
    let mut told = Vec::new();
    for (stream, events) in read(ctx, &streams).await? {
        let mut walk = walk(&stream).map_err(fault)?;
        for event in events {
            let before = step(&mut walk, &event).map_err(fault)?;
            let changes = watched_changes(stream.category(), &before, walk.state());
            told.extend(changes.into_iter().map(|change| Told {
                stream: stream.clone(),
                change,
                event: event.clone(),
            }));
        }
    }
    told.sort_by_key(|told| told.event.position);
    Ok(told)
}

/// The most changes of one answer.
const MOST: usize = 1_000;

/// What changed after `from`, up to and with `to`.
pub(crate) async fn changes(
    ctx: &Context<'_>,
    environment: EnvironmentId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<EnvironmentChange>, Fault> {
    if from >= to {
        return Err(Fault::bad_input("to", "must be later than from"));
    }
    let mut told = every(ctx, environment).await?;
    told.retain(|told| from < told.event.recorded_at && told.event.recorded_at <= to);
    if told.len() > MOST {
        return Err(Fault::bad_input("from", format!("must be so late that at most {MOST} changes follow")));
    }
    let one = |Told { change, event, .. }: Told| EnvironmentChange {
        field: change.field.into(),
        key: change.key,
        before: change.before.map(Json),
        after: change.after.map(Json),
        entry: TimelineEntry(timeline::Entry::of(&event)),
    };
    Ok(told.into_iter().map(one).collect())
}
