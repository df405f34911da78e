//! Any aggregate as it is or was, step by step: each event with what it changed, and what was refused in between, folded by
//! the code that judged it. The same question of the same log has the same bytes for an answer.

use super::{StateChange, absent, differences, fault, moment, moment::MomentInput, read, why};
use crate::{
    fault::Fault,
    graphql::{
        connection::{Pages, Rows},
        context,
        timeline::TimelineEntry,
    },
    page,
};
use async_graphql::{ComplexObject, Context, Json, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::Aggregate as _, envelope::StreamId, history::state_hash, ids::WorkspaceId, numbers::Version, refusal,
};
use rhone_eventstore::{AsOf, Position, Recorded};
use rhone_projections::{
    history::{Moment, moment as fold, pass, step, walk},
    keyset::Towards,
    timeline,
};
use serde_json::Value;
use std::sync::Arc;

/// An aggregate at a moment.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Replay {
    /// Which, as `category:uuid`.
    stream: String,
    /// Up to which of its events; 0: it was not there yet.
    version: u64,
    /// What it was then; personal fields are shown as sealed.
    state: Json<Value>,
    /// The state's digest: the same wherever this stream is folded to this version.
    state_hash: String,
    /// When the log received the last event of it.
    recorded_at: Option<DateTime<Utc>>,
    #[graphql(skip)]
    past: Arc<Past>,
}

/// What a replay goes through.
#[derive(Debug)]
struct Past {
    stream: StreamId,
    events: Vec<Recorded>,
    refused: Vec<Recorded>,
}

/// One event further.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ReplayStep {
    /// The event.
    entry: TimelineEntry,
    /// The command that it answers.
    command: Option<String>,
    /// What it changed.
    changes: Vec<StateChange>,
    /// What was refused since the event before.
    refused_before: Vec<TimelineEntry>,
}

impl Replay {
    fn of(moment: Option<Moment>, past: Past) -> Self {
        let stream = past.stream.to_string();
        let (version, state, hash, recorded_at) = match moment {
            Some(moment) => (moment.version, moment.state, moment.state_hash, Some(moment.recorded_at)),
            None => (Version(0), Value::Null, state_hash(&past.stream, Version(0), &Value::Null), None),
        };
        let (version, state, state_hash) = (version.0, Json(state), hash.to_string());
        Self { stream, version, state, state_hash, recorded_at, past: Arc::new(past) }
    }

    /// Which stream it is of.
    pub(super) fn named(&self) -> &str {
        &self.stream
    }

    /// The events up to its moment.
    fn events(&self) -> impl Iterator<Item = &Recorded> {
        self.past.events.iter().take_while(|event| event.envelope.version.0 <= self.version)
    }

    /// Its steps from one version on, up to another.
    fn between(&self, lowest: u64, end: u64) -> Result<Vec<(String, ReplayStep)>, Fault> {
        let mut walk = walk(&self.past.stream).map_err(fault)?;
        let (mut steps, mut then) = (Vec::new(), Position::START);
        for event in self.events().take_while(|event| event.envelope.version.0 < end) {
            let version = event.envelope.version.0;
            if version < lowest {
                pass(&mut walk, event).map_err(fault)?;
            } else {
                let before = step(&mut walk, event).map_err(fault)?;
                let entry = TimelineEntry(timeline::Entry::of(event));
                let command = rhone_domain::history::command_of(&entry.0.event_type, &entry.0.payload);
                let (changes, refused_before) =
                    (differences(&before, walk.state()), self.refused(then, event.position));
                steps.push((version.to_string(), ReplayStep { entry, command, changes, refused_before }));
            }
            then = event.position;
        }
        Ok(steps)
    }

    fn refused(&self, after: Position, before: Position) -> Vec<TimelineEntry> {
        let between = |event: &&Recorded| after < event.position && event.position < before;
        let told = self.past.refused.iter().filter(between);
        told.map(|event| TimelineEntry(timeline::Entry::of(event))).collect()
    }
}

#[ComplexObject]
impl Replay {
    /// Event by event, each with what it changed and what was refused before it.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn steps(
        &self,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<ReplayStep>> {
        let wanted = Pages { first, after, last, before }.wanted::<u64>()?;
        let most = u64::try_from(wanted.keyset.most).unwrap_or(u64::MAX);
        let (lowest, end) = match (wanted.keyset.towards, wanted.keyset.from) {
            (Towards::Newer, from) => {
                let lowest = from.unwrap_or(0).saturating_add(1);
                (lowest, lowest.saturating_add(most))
            }
            (Towards::Older, from) => {
                let end = from.unwrap_or(u64::MAX).min(self.version.saturating_add(1));
                (end.saturating_sub(most), end)
            }
        };
        let mut rows = self.between(lowest, end)?;
        if wanted.keyset.towards == Towards::Older {
            rows.reverse();
        }
        Ok(wanted.connection(rows))
    }

    /// What was refused after the last event, as far as is known; at most the last 100.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn refused_since(&self) -> Vec<TimelineEntry> {
        let last = self.events().last().map_or(Position::START, |event| event.position);
        let next = self.past.events.iter().map(|event| event.position).find(|position| *position > last);
        let far = Position { era: u32::MAX, tx: u64::MAX, pos: u64::MAX };
        let mut refused = self.refused(last, next.unwrap_or(far));
        refused.split_off(refused.len().saturating_sub(100))
    }

    /// What differs from another moment of it to this one.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn difference(&self, ctx: &Context<'_>, from: MomentInput) -> async_graphql::Result<Vec<StateChange>> {
        let as_of = moment::as_of(ctx, "from", Some(from))?;
        let from = fold(&self.past.stream, &self.past.events, as_of).map_err(fault)?;
        Ok(differences(&from.map_or(Value::Null, |moment| moment.state), &self.state))
    }

    /// Why a place in the state, by its JSON pointer, is what it is at this moment.
    #[graphql(complexity = "20 + child_complexity")]
    async fn why(&self, path: String) -> async_graphql::Result<why::Why> {
        let as_of = AsOf::Version(Version(self.version));
        Ok(why::of_events(&self.past.stream, &self.past.events, &path, as_of)?)
    }
}

/// An aggregate at a moment.
pub(crate) async fn replay(
    ctx: &Context<'_>,
    stream: &StreamId,
    at: Option<MomentInput>,
    at_least: Option<&str>,
) -> Result<Replay, Fault> {
    let as_of = moment::as_of(ctx, "at", at)?;
    context::at_least(ctx, at_least).await?;
    let found = replays(ctx, std::slice::from_ref(stream), as_of).await?;
    found.into_iter().next().filter(|replay| replay.version > 0).ok_or_else(|| absent("stream"))
}

/// As each was by then, in the order of the streams' names.
pub(super) async fn replays(ctx: &Context<'_>, streams: &[StreamId], as_of: AsOf) -> Result<Vec<Replay>, Fault> {
    let found = read(ctx, streams).await?;
    let refusals = |(stream, events): (&StreamId, &Vec<Recorded>)| {
        let workspace: WorkspaceId = events.first()?.envelope.workspace;
        Some(StreamId::new(refusal::Refusals::CATEGORY, refusal::id(workspace, stream)))
    };
    let wanted: Vec<StreamId> = found.iter().filter_map(refusals).collect();
    let mut refused = read(ctx, &wanted).await?;
    let mut replays = Vec::new();
    for (stream, events) in found {
        let moment = fold(&stream, &events, as_of).map_err(fault)?;
        let of = refusals((&stream, &events)).and_then(|of| refused.remove(&of)).unwrap_or_default();
        replays.push(Replay::of(moment, Past { stream, events, refused: of }));
    }
    Ok(replays)
}
