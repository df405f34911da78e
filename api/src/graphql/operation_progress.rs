//! An operation's progress, live: what happened so far, then what happens, resumable after any item across a restart of the
//! server, because the cursor is the version of the operation's own stream. The trap: waiting for a ring that was lost;
//! the stream is looked at anyway, several times a second.

use super::{
    context::{Ask, belongs_to, door},
    id,
    operation::OperationStage,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, SimpleObject, Subscription as GraphqlSubscription, Union};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use rhone_domain::{
    aggregate::Aggregate as _,
    envelope::StreamId,
    ids::OperationId,
    numbers::Version,
    operation::{self, Event, Stage},
};
use rhone_eventstore::{Bell, Log as _, PgLog, ReadError, Recorded};
use rhone_projections::sentence;
use std::{collections::VecDeque, time::Duration};

/// Everything that can be followed.
#[derive(Debug)]
pub struct Subscription;

/// One step of an operation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct OperationProgress {
    /// Hand it in as `after` to go on from here.
    cursor: String,
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

/// What was followed is no longer what is there: read the operation and follow it from the beginning.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Resync {
    reason: String,
}

/// One item.
#[derive(Clone, Debug, Union)]
pub(crate) enum OperationItem {
    Progress(OperationProgress),
    Resync(Resync),
}

/// Everything that can be followed.
#[GraphqlSubscription]
impl Subscription {
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
        match workspace {
            Some(workspace) if belongs_to(ctx, workspace).await? => {}
            _ => return Err(id::not_found::<OperationId>("id").into()),
        }
        let follow = Follow {
            log: door.log().clone(),
            bell: ctx.platform().bell.clone(),
            stream: StreamId::new(operation::Operation::CATEGORY, id),
            state: operation::Operation::default(),
            folded: Version(0),
            after,
            ready: VecDeque::new(),
            over: false,
        };
        Ok(stream::unfold(follow, |mut follow| async move {
            let item = follow.next().await?;
            Some((item.map_err(|error| Fault::internal(error).into()), follow))
        }))
    }
}

struct Follow {
    log: PgLog,
    bell: Bell,
    stream: StreamId,
    state: operation::Operation,
    folded: Version,
    after: Version,
    ready: VecDeque<OperationItem>,
    over: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<Result<OperationItem, ReadError>> {
        let mut bell = self.bell.listen();
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.over {
                return None;
            }
            bell.borrow_and_update();
            if let Err(error) = self.look().await {
                self.over = true;
                return Some(Err(error));
            }
            if self.ready.is_empty() && !self.over {
                let _ = tokio::time::timeout(Duration::from_millis(200), bell.changed()).await;
            }
        }
    }

    async fn look(&mut self) -> Result<(), ReadError> {
        let recorded = self.log.read_stream(&self.stream, self.folded).await?;
        let beginning = self.folded == Version(0);
        for event in &recorded {
            self.take(event)?;
        }
        if beginning && self.after > self.folded {
            let reason = "the operation has fewer events than the cursor says".to_owned();
            self.ready.push_back(OperationItem::Resync(Resync { reason }));
            self.over = true;
        }
        Ok(())
    }

    fn take(&mut self, event: &Recorded) -> Result<(), ReadError> {
        let decoded =
            event.decode::<Event>().map_err(|source| ReadError::Unreadable { stream: self.stream.clone(), source })?;
        self.state.apply(&decoded);
        self.folded = event.envelope.version;
        self.over = self.state.stage.is_some_and(Stage::is_final);
        if self.folded > self.after {
            let payload = event.payload.to_value();
            self.ready.push_back(OperationItem::Progress(OperationProgress {
                cursor: self.folded.to_string(),
                r#type: event.envelope.event_type.clone(),
                stage: self.state.stage.map(Into::into),
                ended: self.over,
                summary: sentence::of(&event.envelope.event_type, &payload),
                occurred_at: event.envelope.occurred_at,
            }));
        }
        Ok(())
    }
}
