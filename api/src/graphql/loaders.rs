//! Rows by id, gathered over one request so that a list of n things costs one statement and not n. Born with the request,
//! because a loader that outlives it would show one tenant's rows to another, and ended with it: nothing is read for who hung up.

use super::{context::Platform, lists::Lists, streams::Streams, variables::Values};
use crate::fault::Fault;
use async_graphql::dataloader::{DataLoader, Loader};
use futures_util::future::BoxFuture;
use rhone_domain::{
    aggregate::Aggregate, ids::EnvironmentId, numbers::Version, operation::Operation, personal::Sealed,
    route_owner::RouteOwner,
};
use rhone_eventstore::{
    Loads as _,
    subjects::{SubjectError, Subjects},
};
use rhone_projections::{
    authority::{operations, route_owners},
    catalogue,
    deployments::{self, DeploymentRow},
    origins::{self, Beginning, Origin},
    people,
    session::Session,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// The loaders of one request.
pub(crate) struct Loaders {
    pub(crate) catalogue: DataLoader<CatalogueRows>,
    pub(crate) deployments: DataLoader<DeploymentRows>,
    pub(crate) route_owners: DataLoader<RouteOwnerRows>,
    pub(crate) lists: DataLoader<Lists>,
    pub(crate) streams: DataLoader<Streams>,
    pub(crate) values: DataLoader<Values>,
    pub(crate) operations: DataLoader<OperationRows>,
    pub(crate) names: DataLoader<Names>,
    pub(crate) origins: DataLoader<Origins>,
    sealed: DataLoader<SealedFields>,
}

impl Loaders {
    pub(crate) fn new(session: &Session, platform: &Platform) -> Self {
        let spawner = spawner();
        Self {
            catalogue: DataLoader::new(CatalogueRows(session.clone()), spawner.clone()),
            deployments: DataLoader::new(DeploymentRows(session.clone()), spawner.clone()),
            route_owners: DataLoader::new(RouteOwnerRows(session.clone()), spawner.clone()),
            lists: DataLoader::new(Lists(session.clone()), spawner.clone()),
            streams: DataLoader::new(Streams(session.clone()), spawner.clone()),
            values: DataLoader::new(Values(session.clone(), platform.vault.clone()), spawner.clone()),
            operations: DataLoader::new(OperationRows(session.clone()), spawner.clone()),
            names: DataLoader::new(Names(session.clone()), spawner.clone()),
            origins: DataLoader::new(Origins(session.clone()), spawner.clone()),
            sealed: DataLoader::new(SealedFields(platform.subjects.clone()), spawner),
        }
    }

    /// A personal field in clear; none once it was erased.
    pub(crate) async fn opened(&self, sealed: &Sealed) -> Result<Option<String>, Fault> {
        let found = self.sealed.load_one(sealed.clone()).await.map_err(Fault::internal)?;
        found.transpose().map(Option::flatten).map_err(Fault::internal)
    }

    /// An aggregate as the caller may see it; its default if there is none.
    pub(crate) async fn folded<A: Aggregate>(&self, id: impl Into<Uuid>) -> Result<A, Fault> {
        Ok(self.load::<A>(id.into()).await?.state)
    }

    /// The version of an aggregate's stream as the caller may see it; 0 if there is none.
    pub(crate) async fn version<A: Aggregate>(&self, id: impl Into<Uuid>) -> Result<Version, Fault> {
        Ok(self.load::<A>(id.into()).await?.version)
    }
}

/// Where one request's batches run: each on a task of its own, until the last loader that was given this is dropped.
fn spawner() -> impl Fn(BoxFuture<'static, ()>) + Clone + Send + Sync + 'static {
    let running = Arc::new(Mutex::new(JoinSet::new()));
    move |batch: BoxFuture<'static, ()>| {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended is let go of: a subscription's loaders live long.
        while running.try_join_next().is_some() {}
        running.spawn(batch);
    }
}

pub(crate) struct CatalogueRows(Session);

/// What kind, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CatalogueKey(pub(crate) &'static str, pub(crate) Uuid);

impl Loader<CatalogueKey> for CatalogueRows {
    type Value = catalogue::Entry;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[CatalogueKey]) -> Result<HashMap<CatalogueKey, catalogue::Entry>, Arc<sqlx::Error>> {
        let mut kinds: HashMap<&'static str, Vec<Uuid>> = HashMap::new();
        for CatalogueKey(kind, id) in keys {
            kinds.entry(kind).or_default().push(*id);
        }
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let mut found = HashMap::with_capacity(keys.len());
        for (kind, ids) in kinds {
            let rows = catalogue::by_ids(&mut transaction, kind, &ids).await.map_err(Arc::new)?;
            found.extend(rows.into_iter().map(|row| (CatalogueKey(kind, row.id), row)));
        }
        Ok(found)
    }
}

pub(crate) struct DeploymentRows(Session);

impl Loader<Uuid> for DeploymentRows {
    type Value = DeploymentRow;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, DeploymentRow>, Arc<sqlx::Error>> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let rows = deployments::by_ids(&mut transaction, ids).await.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|row| (row.id.0, row)).collect())
    }
}

pub(crate) struct RouteOwnerRows(Session);

impl Loader<EnvironmentId> for RouteOwnerRows {
    type Value = (RouteOwner, Version);
    type Error = Arc<sqlx::Error>;

    async fn load(
        &self,
        ids: &[EnvironmentId],
    ) -> Result<HashMap<EnvironmentId, (RouteOwner, Version)>, Arc<sqlx::Error>> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let rows = route_owners::by_environments(&mut transaction, ids).await.map_err(Arc::new)?;
        let key = |owner: &RouteOwner| owner.lane().map(|lane| lane.environment);
        Ok(rows.into_iter().filter_map(|row| Some((key(&row.0)?, row))).collect())
    }
}

pub(crate) struct OperationRows(Session);

impl Loader<Uuid> for OperationRows {
    type Value = (Operation, Version);
    type Error = Arc<sqlx::Error>;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, (Operation, Version)>, Arc<sqlx::Error>> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let rows = operations::by_ids(&mut transaction, ids).await.map_err(Arc::new)?;
        Ok(rows.into_iter().filter_map(|row| Some((row.0.requested.as_ref()?.id.0, row))).collect())
    }
}

/// What actors are called.
pub(crate) struct Names(Session);

impl Loader<Uuid> for Names {
    type Value = String;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, actors: &[Uuid]) -> Result<HashMap<Uuid, String>, Arc<sqlx::Error>> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        people::names(&mut transaction, actors).await.map_err(Arc::new)
    }
}

/// Who is behind events, and how streams began.
pub(crate) struct Origins(Session);

impl Loader<Uuid> for Origins {
    type Value = Origin;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, events: &[Uuid]) -> Result<HashMap<Uuid, Origin>, Arc<sqlx::Error>> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        origins::of_events(&mut transaction, events).await.map_err(Arc::new)
    }
}

impl Loader<String> for Origins {
    type Value = Beginning;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, streams: &[String]) -> Result<HashMap<String, Beginning>, Arc<sqlx::Error>> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        origins::of_streams(&mut transaction, streams).await.map_err(Arc::new)
    }
}

pub(crate) struct SealedFields(Subjects);

/// What became of one field; another one's forgery is no reason to withhold it.
type Opened = Result<Option<String>, Arc<SubjectError>>;

impl Loader<Sealed> for SealedFields {
    type Value = Opened;
    type Error = Arc<SubjectError>;

    async fn load(&self, fields: &[Sealed]) -> Result<HashMap<Sealed, Opened>, Arc<SubjectError>> {
        let opened = self.0.open_many(fields).await.map_err(Arc::new)?;
        Ok(fields.iter().cloned().zip(opened.into_iter().map(|one| one.map_err(Arc::new))).collect())
    }
}

#[cfg(test)]
mod tests {
    //! Who hung up is read for no more.
    use super::*;
    use std::{sync::Weak, time::Duration};
    use tokio::{sync::Notify, task::yield_now, time::timeout};

    /// Begins and never ends.
    struct Endless {
        begun: Arc<Notify>,
        alive: Arc<()>,
    }

    impl Loader<u8> for Endless {
        type Value = u8;
        type Error = ();

        async fn load(&self, _: &[u8]) -> Result<HashMap<u8, u8>, ()> {
            let _alive = self.alive.clone();
            self.begun.notify_one();
            std::future::pending().await
        }
    }

    /// A batch under way whose asker has gone; it is alive for as long as this can be upgraded.
    async fn abandoned<S, R>(spawner: S) -> Weak<()>
    where
        S: Fn(BoxFuture<'static, ()>) -> R + Send + Sync + 'static,
    {
        let (begun, alive) = (Arc::new(Notify::new()), Arc::new(()));
        let batch = Arc::downgrade(&alive);
        let loader = DataLoader::new(Endless { begun: begun.clone(), alive }, spawner);
        tokio::select! {
            _ = loader.load_one(1_u8) => panic!("it has no end"),
            () = begun.notified() => {}
        }
        batch
    }

    #[tokio::test]
    async fn a_batch_ends_with_the_request_that_asked_for_it() {
        let batch = abandoned(spawner()).await;
        let ended = async {
            while batch.upgrade().is_some() {
                yield_now().await;
            }
        };
        assert!(timeout(Duration::from_mins(1), ended).await.is_ok(), "it is read on for nobody");
    }

    /// The sin: batches of their own.
    #[tokio::test]
    async fn a_batch_that_belongs_to_nobody_is_caught() {
        let batch = abandoned(tokio::spawn).await;
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert!(batch.upgrade().is_some());
    }
}
