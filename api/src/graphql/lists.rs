//! Lists within lists: pages of many parents and rows of many environments, gathered over one request so that each kind of list
//! costs one statement, however many rows ask for it. Born with the request, like the loaders by id.

use async_graphql::dataloader::Loader;
use rhone_domain::{
    allocation::Allocation,
    edge_status::EdgeStatus,
    host::Silence,
    ids::{HostId, RegionId, WorkspaceId},
    numbers::Version,
    operation::Operation,
    workspace::Role,
};
use rhone_eventstore::Position;
use rhone_projections::{
    authority::{
        allocations::{self, Ended},
        invitations, members, operations,
    },
    catalogue,
    deployments::{self, DeploymentRow},
    edges, hosts_seen,
    keyset::Keyset,
    logs::{self, Chunk, ChunksPage},
    session::Session,
    timeline,
    whose::Whose,
};
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    iter,
    sync::Arc,
};
use uuid::Uuid;

pub(crate) struct Lists(pub(crate) Session);

/// Whose page, of which rows, and which page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageOf<F> {
    pub(crate) of: Uuid,
    pub(crate) filter: F,
    pub(crate) keyset: Keyset<Uuid>,
}

/// Which things of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OfKind(pub(crate) &'static str, pub(crate) catalogue::Filter);

/// The things of the catalogue of one kind.
pub(crate) type CataloguePage = PageOf<OfKind>;
/// A place's deployments.
pub(crate) type DeploymentsPage = PageOf<(Whose, deployments::Filter)>;
/// A place's operations.
pub(crate) type OperationsPage = PageOf<(Whose, operations::Filter)>;

/// An environment's allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AllocationsOf(pub(crate) Uuid, pub(crate) Ended);

/// An environment's operations that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunningIn(pub(crate) Uuid);

/// A page of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinesPage(pub(crate) timeline::Filter, pub(crate) Keyset<Position>);

/// The first lines of one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinesOf(pub(crate) Uuid);

/// The most lines that are shown of one cause, and one more, which says that there are more.
pub(crate) const MOST_OF_ONE: usize = 100;

/// The line of an event, and what led to it, the nearest cause first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CausesOf(pub(crate) Uuid);

/// Who belongs to a workspace; those of one role if given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Members(pub(crate) Option<Role>);

/// Everybody who is invited into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Invited;

/// A workspace's members.
pub(crate) type MembersPage = PageOf<Members>;
/// A workspace's invitations.
pub(crate) type InvitationsPage = PageOf<Invited>;

/// What the caller is to each workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnMemberships;

/// A workspace's times of support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SupportOf(pub(crate) WorkspaceId);

/// The edges of a region that reported lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LiveEdges(pub(crate) RegionId);

/// For how long a host's runner was not heard, and those of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SilenceOf(pub(crate) HostId);

/// The newest chunk of a workspace's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NewestChunk(pub(crate) WorkspaceId);

/// Those who ask for the same page, together.
type Groups<'a, F> = HashMap<(&'a F, Keyset<Uuid>), Vec<Uuid>>;

fn groups<F: Eq + Hash>(keys: &[PageOf<F>]) -> Groups<'_, F> {
    let mut groups = Groups::new();
    for key in keys {
        groups.entry((&key.filter, key.keyset)).or_default().push(key.of);
    }
    groups
}

fn gathered<K: Eq + Hash, V>(rows: impl IntoIterator<Item = (K, V)>, into: &mut HashMap<K, Vec<V>>) {
    for (key, row) in rows {
        into.entry(key).or_default().push(row);
    }
}

impl Loader<CataloguePage> for Lists {
    type Value = Vec<catalogue::Entry>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[CataloguePage]) -> Result<HashMap<CataloguePage, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        for ((filter, keyset), parents) in groups(keys) {
            let rows =
                catalogue::pages(&mut transaction, filter.0, &parents, &filter.1, &keyset).await.map_err(Arc::new)?;
            let keyed = |(of, row)| (PageOf { of, filter: filter.clone(), keyset }, row);
            gathered(rows.into_iter().map(keyed), &mut found);
        }
        Ok(found)
    }
}

impl Loader<DeploymentsPage> for Lists {
    type Value = Vec<DeploymentRow>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[DeploymentsPage]) -> Result<HashMap<DeploymentsPage, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        for ((filter, keyset), places) in groups(keys) {
            let (whose, narrowed) = filter;
            let rows = deployments::pages(&mut transaction, (*whose, &places), narrowed, &keyset).await;
            let rows = rows.map_err(Arc::new)?;
            let keyed = |(of, row)| (PageOf { of, filter: filter.clone(), keyset }, row);
            gathered(rows.into_iter().map(keyed), &mut found);
        }
        Ok(found)
    }
}

impl Loader<OperationsPage> for Lists {
    type Value = Vec<(Operation, Version)>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[OperationsPage]) -> Result<HashMap<OperationsPage, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        for ((filter, keyset), places) in groups(keys) {
            let (whose, narrowed) = filter;
            let rows = operations::pages(&mut transaction, (*whose, &places), narrowed, &keyset).await;
            let rows = rows.map_err(Arc::new)?;
            let keyed = |(of, row)| (PageOf { of, filter: filter.clone(), keyset }, row);
            gathered(rows.into_iter().map(keyed), &mut found);
        }
        Ok(found)
    }
}

impl Loader<AllocationsOf> for Lists {
    type Value = Vec<(Allocation, Version)>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[AllocationsOf]) -> Result<HashMap<AllocationsOf, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        for ended in [Ended::Included, Ended::Excluded] {
            let of: Vec<_> = keys.iter().filter(|key| key.1 == ended).map(|key| key.0).collect();
            if !of.is_empty() {
                let rows = allocations::of_environments(&mut transaction, &of, ended).await.map_err(Arc::new)?;
                gathered(rows.into_iter().map(|(of, row)| (AllocationsOf(of, ended), row)), &mut found);
            }
        }
        Ok(found)
    }
}

impl Loader<LinesPage> for Lists {
    type Value = Vec<timeline::Entry>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[LinesPage]) -> Result<HashMap<LinesPage, Self::Value>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let asked: Vec<_> = keys.iter().map(|LinesPage(filter, keyset)| (filter, *keyset)).collect();
        let pages = timeline::pages(&mut transaction, &asked).await.map_err(Arc::new)?;
        Ok(keys.iter().cloned().zip(pages).collect())
    }
}

impl Loader<LinesOf> for Lists {
    type Value = Vec<timeline::Entry>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[LinesOf]) -> Result<HashMap<LinesOf, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        let causes: Vec<_> = keys.iter().map(|key| key.0).collect();
        let most = i64::try_from(MOST_OF_ONE).unwrap_or(i64::MAX - 1) + 1;
        let rows = timeline::by_correlations(&mut transaction, &causes, most).await.map_err(Arc::new)?;
        gathered(rows.into_iter().map(|row| (LinesOf(row.correlation), row)), &mut found);
        Ok(found)
    }
}

impl Loader<RunningIn> for Lists {
    type Value = Vec<Operation>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[RunningIn]) -> Result<HashMap<RunningIn, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = operations::running_in(&mut transaction, &of).await.map_err(Arc::new)?;
        gathered(rows.into_iter().map(|(of, (row, _))| (RunningIn(of), row)), &mut found);
        Ok(found)
    }
}

impl Loader<CausesOf> for Lists {
    type Value = Vec<timeline::Entry>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[CausesOf]) -> Result<HashMap<CausesOf, Self::Value>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let events: Vec<_> = keys.iter().map(|key| key.0).collect();
        let above = timeline::above(&mut transaction, &events).await.map_err(Arc::new)?;
        let above: HashMap<_, _> = above.into_iter().map(|entry| (entry.event, entry)).collect();
        let next = |entry: &&timeline::Entry| entry.causation.and_then(|cause| above.get(&cause));
        let furthest = usize::try_from(timeline::FURTHEST).unwrap_or_default();
        let chain = |key: &CausesOf| iter::successors(above.get(&key.0), next).take(furthest).cloned().collect();
        Ok(keys.iter().map(|key| (*key, chain(key))).collect())
    }
}

impl Loader<MembersPage> for Lists {
    type Value = Vec<members::Member>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[MembersPage]) -> Result<HashMap<MembersPage, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        for ((filter, keyset), workspaces) in groups(keys) {
            let rows = members::pages(&mut transaction, &workspaces, filter.0, &keyset).await.map_err(Arc::new)?;
            gathered(rows.into_iter().map(|(of, row)| (PageOf { of, filter: *filter, keyset }, row)), &mut found);
        }
        Ok(found)
    }
}

impl Loader<InvitationsPage> for Lists {
    type Value = Vec<invitations::Invitation>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[InvitationsPage]) -> Result<HashMap<InvitationsPage, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        for ((filter, keyset), workspaces) in groups(keys) {
            let rows = invitations::pages(&mut transaction, &workspaces, &keyset).await.map_err(Arc::new)?;
            let keyed = |row: invitations::Invitation| (PageOf { of: row.workspace.0, filter: *filter, keyset }, row);
            gathered(rows.into_iter().map(keyed), &mut found);
        }
        Ok(found)
    }
}

impl Loader<SupportOf> for Lists {
    type Value = Vec<members::Access>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[SupportOf]) -> Result<HashMap<SupportOf, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = members::support(&mut transaction, &of).await.map_err(Arc::new)?;
        gathered(rows.into_iter().map(|(of, row)| (SupportOf(of), row)), &mut found);
        Ok(found)
    }
}

impl Loader<ChunksPage> for Lists {
    type Value = Vec<Chunk>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[ChunksPage]) -> Result<HashMap<ChunksPage, Self::Value>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let pages = logs::pages(&mut transaction, keys).await.map_err(Arc::new)?;
        Ok(keys.iter().copied().zip(pages).collect())
    }
}

impl Loader<NewestChunk> for Lists {
    type Value = i64;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[NewestChunk]) -> Result<HashMap<NewestChunk, Self::Value>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = logs::newest_of(&mut transaction, &of).await.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|(of, newest)| (NewestChunk(of), newest)).collect())
    }
}

impl Loader<OwnMemberships> for Lists {
    type Value = Arc<BTreeMap<WorkspaceId, members::Member>>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, _: &[OwnMemberships]) -> Result<HashMap<OwnMemberships, Self::Value>, Self::Error> {
        let own = members::own(&self.0).await.map_err(Arc::new)?;
        Ok(HashMap::from([(OwnMemberships, Arc::new(own))]))
    }
}

impl Loader<SilenceOf> for Lists {
    type Value = Silence;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[SilenceOf]) -> Result<HashMap<SilenceOf, Self::Value>, Self::Error> {
        let mut transaction = self.0.begin().await.map_err(Arc::new)?;
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = hosts_seen::silences(&mut transaction, &of).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(host, silence)| (SilenceOf(host), silence)).collect())
    }
}

impl Loader<LiveEdges> for Lists {
    type Value = Vec<EdgeStatus>;
    type Error = Arc<sqlx::Error>;

    async fn load(&self, keys: &[LiveEdges]) -> Result<HashMap<LiveEdges, Self::Value>, Self::Error> {
        let (mut transaction, mut found) = (self.0.begin().await.map_err(Arc::new)?, HashMap::new());
        let of: Vec<_> = keys.iter().map(|key| key.0).collect();
        let rows = edges::shown(&mut transaction, &of, 15.0).await.map_err(Arc::new)?;
        gathered(rows.into_iter().map(|(of, row)| (LiveEdges(of), row)), &mut found);
        Ok(found)
    }
}
