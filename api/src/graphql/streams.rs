//! Streams as they are shown, gathered over one request: whatever is folded from them, a list whose rows judge gates or tell of
//! the past costs one statement for each round of questions. Born with the request, like the loaders by id. The trap avoided:
//! acting on what was read here; what is acted on goes through the door.

use super::loaders::Loaders;
use crate::fault::Fault;
use async_graphql::dataloader::Loader;
use rhone_domain::{aggregate::Aggregate, envelope::StreamId};
use rhone_eventstore::{Loaded, Loads, ReadError, Recorded, dispatcher::fold};
use rhone_projections::{
    history::{self, AppStreams, HistoryError},
    session::Session,
};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

pub(crate) struct Streams(pub(crate) Session);

/// A stream's events; those who ask for the same one share them.
type Events = Arc<Vec<Recorded>>;

/// A stream of a workspace that the caller belongs to; none that is everybody's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnStream(pub(crate) StreamId);

impl Loader<StreamId> for Streams {
    type Value = Events;
    type Error = Arc<ReadError>;

    async fn load(&self, wanted: &[StreamId]) -> Result<HashMap<StreamId, Events>, Arc<ReadError>> {
        let found = self.0.log().read_streams(wanted).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(stream, events)| (stream, Arc::new(events))).collect())
    }
}

impl Loader<OwnStream> for Streams {
    type Value = Events;
    type Error = Arc<HistoryError>;

    async fn load(&self, wanted: &[OwnStream]) -> Result<HashMap<OwnStream, Events>, Arc<HistoryError>> {
        let mut transaction = self.0.begin().await.map_err(|error| Arc::new(error.into()))?;
        let streams: Vec<StreamId> = wanted.iter().map(|OwnStream(stream)| stream.clone()).collect();
        let found = history::streams(&mut transaction, &streams).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(stream, events)| (OwnStream(stream), Arc::new(events))).collect())
    }
}

impl Loader<AppStreams> for Streams {
    type Value = Vec<StreamId>;
    type Error = Arc<HistoryError>;

    async fn load(&self, wanted: &[AppStreams]) -> Result<HashMap<AppStreams, Vec<StreamId>>, Arc<HistoryError>> {
        let mut transaction = self.0.begin().await.map_err(|error| Arc::new(error.into()))?;
        let found = history::streams_of_apps(&mut transaction, wanted).await.map_err(Arc::new)?;
        Ok(wanted.iter().cloned().zip(found).collect())
    }
}

impl Loads for Loaders {
    type Error = Fault;

    async fn load<A: Aggregate>(&self, id: impl Into<Uuid> + Send) -> Result<Loaded<A>, Fault> {
        let stream = StreamId::new(A::CATEGORY, id.into());
        let events = self.streams.load_one(stream.clone()).await.map_err(Fault::internal)?.unwrap_or_default();
        fold(stream, events.iter()).map_err(Fault::internal)
    }
}
