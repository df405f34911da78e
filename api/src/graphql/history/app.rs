//! An app with all that belongs to it (environments, route owners, deployments, bindings, operations, allocations), as it was at a
//! moment: its streams, the way there command by command, and what differs from another moment. The same question of the same
//! log has the same bytes for an answer. Trap: a version for a moment; each stream has versions of its own.

use super::{
    Replay, StateChange, differences, fault,
    moment::{self, MomentInput},
    read,
    replay::replays,
};
use crate::{
    fault::Fault,
    graphql::{
        connection::{Pages, Rows, Wanted},
        context::{Ask as _, shown},
        timeline::{self, TimelineEntry, TimelineKind},
    },
    page,
};
use async_graphql::{Context, Object, SimpleObject};
use rhone_domain::{envelope::StreamId, ids::AppId};
use rhone_eventstore::AsOf;
use rhone_projections::{
    history::{AppStreams, HistoryError, MOST, app_moment, moment as fold, pass, step, walk},
    keyset::Towards,
    timeline::{Entry, Filter},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// An app with all that belongs to it, at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppReplay {
    app: AppId,
    as_of: AsOf,
}

/// One command, on whichever stream of the app, accepted or refused.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct AppStep {
    /// Whether it was accepted; if not, `entry.refusal` or `entry.lateEvidence` says what was not.
    accepted: bool,
    /// The command; of what was refused, the mutation.
    command: Option<String>,
    /// Its line: what it brought about, or why it was refused; who, when and why.
    entry: TimelineEntry,
    /// What it changed in the state of the entry's stream; nothing where a rule refused it.
    changes: Vec<StateChange>,
}

/// A stream of an app that is not what it was.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct StreamDifference {
    /// Which, as `category:uuid`.
    stream: String,
    /// At which version it was; 0: it was not there yet.
    before: u64,
    /// At which version it is; 0: it was not there yet.
    after: u64,
    /// What differs in its state.
    changes: Vec<StateChange>,
}

impl AppReplay {
    /// At a moment; now where none is said.
    pub(crate) fn of(ctx: &Context<'_>, app: AppId, at: Option<MomentInput>) -> Result<Self, Fault> {
        Ok(Self { app, as_of: of_many("at", moment::as_of(ctx, "at", at)?)? })
    }

    /// A page of its streams' names.
    async fn page(&self, ctx: &Context<'_>, wanted: &Streams, from: Option<AsOf>) -> Result<Vec<StreamId>, Fault> {
        let between = from.map(|from| (from, self.as_of));
        let asked = AppStreams { app: self.app, between, keyset: wanted.keyset.clone() };
        Ok(ctx.loaders().streams.load_one(asked).await.map_err(fault)?.unwrap_or_default())
    }
}

/// A page of streams.
type Streams = Wanted<StreamId>;

/// A moment of many streams.
fn of_many(field: &'static str, as_of: AsOf) -> Result<AsOf, Fault> {
    match as_of {
        AsOf::Version(_) => {
            Err(Fault::bad_input(field, "must be a time or a position: an app's streams have versions of their own"))
        }
        AsOf::Latest | AsOf::Time(_) | AsOf::Position(_) => Ok(as_of),
    }
}

#[Object]
impl AppReplay {
    /// All of its streams, each folded by the code that judged it, in the order of their names; one that was not there yet has
    /// version 0.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn streams(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Replay>> {
        let wanted: Streams = Pages { first, after, last, before }.wanted()?;
        let streams = self.page(ctx, &wanted, None).await?;
        let mut found = replays(ctx, &streams, self.as_of).await?;
        if wanted.keyset.towards == Towards::Older {
            found.reverse();
        }
        Ok(wanted.connection(found.into_iter().map(|replay| (replay.named().to_owned(), replay)).collect()))
    }

    /// Command by command up to this moment, in the log's order over all of its streams, each accepted or refused.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn steps(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<AppStep>> {
        let filter = Filter { app: Some(self.app), as_of: self.as_of, ..Filter::default() };
        let asked =
            timeline::Wanted { filter: None, at_least_position: None, pages: Pages { first, after, last, before } };
        let (paged, rows) = timeline::page(ctx, &filter, asked).await?;
        let mut changes = changed(ctx, &rows).await?;
        let rows = rows.into_iter().map(|row| {
            let changes = changes.remove(&row.event).unwrap_or_default();
            (shown(ctx, row.position), AppStep::of(TimelineEntry(row), changes))
        });
        Ok(paged.connection(rows.collect()))
    }

    /// The streams that had other events at another moment, in the order of their names, each with what differs from then to now.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn differences(
        &self,
        ctx: &Context<'_>,
        from: MomentInput,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<StreamDifference>> {
        let from = of_many("from", moment::as_of(ctx, "from", Some(from))?)?;
        let wanted: Streams = Pages { first, after, last, before }.wanted()?;
        let streams = self.page(ctx, &wanted, Some(from)).await?;
        let mut rows = Vec::new();
        for (stream, events) in read(ctx, &streams).await? {
            let (from, to) =
                (fold(&stream, &events, from).map_err(fault)?, fold(&stream, &events, self.as_of).map_err(fault)?);
            let (before, from) = from.map_or((0, Value::Null), |one| (one.version.0, one.state));
            let (after, to) = to.map_or((0, Value::Null), |one| (one.version.0, one.state));
            let (stream, changes) = (stream.to_string(), differences(&from, &to));
            rows.push((stream.clone(), StreamDifference { stream, before, after, changes }));
        }
        if wanted.keyset.towards == Towards::Older {
            rows.reverse();
        }
        Ok(wanted.connection(rows))
    }

    /// The digest of the states of all streams that were there by then: the same wherever and whenever they are folded to this moment.
    #[graphql(complexity = 500)]
    async fn states_hash(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let every = ctx.loaders().streams.load_one(AppStreams::every(self.app)).await.map_err(fault)?;
        let every = every.unwrap_or_default();
        if i64::try_from(every.len()).is_ok_and(|streams| streams > MOST) {
            return Err(fault(HistoryError::TooMany(MOST)).into());
        }
        let moment = app_moment(self.app, &read(ctx, &every).await?, self.as_of).map_err(fault)?;
        Ok(moment.states_hash.to_string())
    }
}

impl AppStep {
    fn of(entry: TimelineEntry, changes: Vec<StateChange>) -> Self {
        let refused = entry.refused().map(|refused| refused.command);
        let command = refused.or_else(|| rhone_domain::history::command_of(&entry.0.event_type, &entry.0.payload));
        Self { accepted: entry.kind() == TimelineKind::Event, command, entry, changes }
    }
}

/// What each of these lines changed in its stream, by event.
async fn changed(ctx: &Context<'_>, rows: &[Entry]) -> Result<HashMap<Uuid, Vec<StateChange>>, Fault> {
    let mut wanted = BTreeMap::<StreamId, BTreeSet<u64>>::new();
    let told = |row: &&Entry| TimelineKind::of(&row.event_type) != TimelineKind::Refusal;
    for row in rows.iter().filter(told) {
        let stream = row.stream.parse().map_err(Fault::internal)?;
        wanted.entry(stream).or_default().insert(row.version.unsigned_abs());
    }
    let mut found = HashMap::new();
    for (stream, events) in read(ctx, &wanted.keys().cloned().collect::<Vec<_>>()).await? {
        let (mut walk, versions) = (walk(&stream).map_err(fault)?, wanted.remove(&stream).unwrap_or_default());
        let last = versions.last().copied().unwrap_or_default();
        for event in events.iter().take_while(|event| event.envelope.version.0 <= last) {
            if versions.contains(&event.envelope.version.0) {
                let before = step(&mut walk, event).map_err(fault)?;
                found.insert(event.envelope.event_id.0, differences(&before, walk.state()));
            } else {
                pass(&mut walk, event).map_err(fault)?;
            }
        }
    }
    Ok(found)
}
