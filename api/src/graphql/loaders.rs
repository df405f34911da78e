//! Rows by id, gathered over one request so that a list of n things costs one statement and not n. Born with the request,
//! because a loader that outlives it would show one tenant's rows to another.

use super::{context::Platform, lists::Lists, streams::Streams, variables::Values};
use crate::fault::Fault;
use async_graphql::dataloader::{DataLoader, Loader};
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
use std::{collections::HashMap, sync::Arc};
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
        Self {
            catalogue: DataLoader::new(CatalogueRows(session.clone()), tokio::spawn),
            deployments: DataLoader::new(DeploymentRows(session.clone()), tokio::spawn),
            route_owners: DataLoader::new(RouteOwnerRows(session.clone()), tokio::spawn),
            lists: DataLoader::new(Lists(session.clone()), tokio::spawn),
            streams: DataLoader::new(Streams(session.clone()), tokio::spawn),
            values: DataLoader::new(Values(session.clone(), platform.vault.clone()), tokio::spawn),
            operations: DataLoader::new(OperationRows(session.clone()), tokio::spawn),
            names: DataLoader::new(Names(session.clone()), tokio::spawn),
            origins: DataLoader::new(Origins(session.clone()), tokio::spawn),
            sealed: DataLoader::new(SealedFields(platform.subjects.clone()), tokio::spawn),
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
