//! An operation's progress, live: what happened so far, then what happens, resumable after any item across a restart of the
//! server, because the cursor is the version of the operation's own stream. The trap: an end that is not told to whoever
//! comes back after it; the past is said first, and with it that nothing follows.

use super::{
    context::{Ask, belongs_to, door},
    id,
    live::Resync,
    operation_stages::OperationStage,
};
use crate::{fault::Fault, live::stream::Followed};
use async_graphql::{Context, ID, SimpleObject, Subscription, Union};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _, stream};
use rhone_domain::{
    aggregate::Aggregate as _,
    envelope::StreamId,
    ids::OperationId,
    numbers::Version,
    operation::{self, Stage},
};
use rhone_eventstore::{Cursor, LogIncarnation, Recorded};
use rhone_projections::sentence;

#[derive(Debug, Default)]
pub(crate) struct OperationSubscription;

/// One step of an operation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct OperationProgress {
    /// Hand it in as `after` to go on from here.
    cursor: String,
    /// Where in the log.
    position: String,
    /// `operation.verbed`.
    r#type: String,
    /// The stage it stands at after this.
    stage: Option<OperationStage>,
    /// Whether nothing follows.
    ended: bool,
    /// One sentence.
    summary: String,
    occurred_at: DateTime<Utc>,
}

/// One item.
#[derive(Clone, Debug, Union)]
pub(crate) enum OperationItem {
    Progress(OperationProgress),
    Resync(Resync),
}

/// Operations that can be followed.
#[Subscription]
impl OperationSubscription {
    /// What an operation has done and does, until it ends.
    async fn operation(
        &self,
        ctx: &Context<'_>,
        id: ID,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<OperationItem>> + use<>> {
        let id = id::read::<OperationId>("id", &id)?;
        let after = after.as_deref().unwrap_or("0").parse::<u64>().map(Version);
        let after = after.map_err(|_| Fault::bad_input("after", "must be a cursor as an earlier item gave it"))?;
        let door = door(ctx.platform(), ctx.principal());
        let loaded = door.load::<operation::Operation>(id).await.map_err(Fault::internal)?;
        let workspace = loaded.state.requested.as_ref().map(|requested| requested.workspace);
        let workspace = match workspace {
            Some(workspace) if belongs_to(ctx, workspace).await? => workspace,
            _ => return Err(id::not_found::<OperationId>("id").into()),
        };
        let watching = ctx.platform().pulse.watch(ctx.session().actor(), workspace);
        let stream = StreamId::new(operation::Operation::CATEGORY, id);
        let mut followed = Followed::<operation::Operation>::new(door.log().clone(), stream, watching);
        let past = followed.so_far().await?;
        let incarnation = ctx.platform().incarnation;
        let (first, over) = opening(incarnation, after, past);
        let live = stream::unfold(Some(followed).filter(|_| !over), move |followed| async move {
            let mut followed = followed?;
            match followed.next().await {
                Ok((event, state)) => {
                    let item = progress(incarnation, &event, &state);
                    let ended = item.ended;
                    Some((Ok(OperationItem::Progress(item)), Some(followed).filter(|_| !ended)))
                }
                Err(fault) => Some((Err(fault.into()), None)),
            }
        });
        Ok(stream::iter(first.into_iter().map(Ok)).chain(live))
    }
}

/// What is said of the past, and whether nothing follows.
fn opening(
    incarnation: LogIncarnation,
    after: Version,
    past: Vec<(Recorded, operation::Operation)>,
) -> (Vec<OperationItem>, bool) {
    let last = past.last().map_or(Version(0), |(event, _)| event.envelope.version);
    if after > last {
        let reason = "the operation has fewer events than the cursor says".to_owned();
        return (vec![OperationItem::Resync(Resync { reason, position: None })], true);
    }
    let over = past.last().is_some_and(|(_, state)| state.stage.is_some_and(Stage::is_final));
    let missed = past.into_iter().filter(|(event, _)| event.envelope.version > after);
    let items = missed.map(|(event, state)| OperationItem::Progress(progress(incarnation, &event, &state)));
    (items.collect(), over)
}

fn progress(incarnation: LogIncarnation, event: &Recorded, state: &operation::Operation) -> OperationProgress {
    OperationProgress {
        cursor: event.envelope.version.to_string(),
        position: Cursor { incarnation, position: event.position }.to_string(),
        r#type: event.envelope.event_type.clone(),
        stage: state.stage.map(Into::into),
        ended: state.stage.is_some_and(Stage::is_final),
        summary: sentence::of(&event.envelope.event_type, &event.payload.to_value()),
        occurred_at: event.envelope.occurred_at,
    }
}
