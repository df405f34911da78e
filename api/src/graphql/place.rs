//! Regions, cells and hosts: where things run. Written by those who run the platform; regions and cells are seen by all,
//! hosts by them alone.

mod affordances;
mod create;

pub(crate) use affordances::{CellAffordances, RegionAffordances};
pub(crate) use create::PlaceMutation;

use super::{
    affordance::Affordance,
    change::{Bench, No, decide},
    connection::{Pages, Rows},
    context::{Ask as _, begin},
    edge::Edge,
    filters::ListOrder,
    host::{HostAffordances, HostState, retirable},
    id,
    lists::{CataloguePage, LiveEdges, OfKind},
    readiness::{self, Readiness},
};
use crate::{fault::Fault, page};
use async_graphql::{Context, ID, Object};
use rhone_domain::{
    cell, claim, host,
    ids::{CellId, HostId, RegionId},
    region,
    text::{Name, Slug},
};
use rhone_projections::catalogue;
use uuid::Uuid;

/// Defines a noun of the catalogue: what it was created as, with its stream's version.
macro_rules! noun {
    ($(#[$doc:meta])* $name:ident($id:ident, $created:ty, $aggregate:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            pub(crate) created: Box<$created>,
            pub(crate) version: i64,
            pub(crate) created_at: chrono::DateTime<chrono::Utc>,
        }

        impl $name {
            /// Its category.
            pub(crate) const KIND: &'static str = <$aggregate as rhone_domain::aggregate::Aggregate>::CATEGORY;

            pub(crate) fn of(entry: &rhone_projections::catalogue::Entry) -> Result<Self, $crate::fault::Fault> {
                let created = Box::new(entry.created::<$created>().map_err($crate::fault::Fault::internal)?);
                Ok(Self { created, version: entry.version, created_at: entry.created_at })
            }

            /// The one with this id, if the caller may see it; none if the read models are too late with `position`.
            pub(crate) async fn find(
                ctx: &async_graphql::Context<'_>,
                id: $id,
                position: Option<rhone_eventstore::Position>,
            ) -> Result<Option<Self>, $crate::fault::Fault> {
                use $crate::graphql::context::Ask as _;
                let key = rhone_projections::projection::key::<rhone_projections::catalogue::Catalogue>();
                if !$crate::graphql::context::wait_for(ctx, key, position).await? {
                    return Ok(None);
                }
                let row = ctx.loaders().catalogue.load_one($crate::graphql::loaders::CatalogueKey(Self::KIND, id.0)).await;
                row.map_err($crate::fault::Fault::internal)?.as_ref().map(Self::of).transpose()
            }

            /// The one that was just created, from the log itself: nobody waits for the read models to take it in.
            pub(crate) async fn created(
                ctx: &async_graphql::Context<'_>,
                id: $id,
            ) -> Result<Option<Self>, $crate::fault::Fault> {
                use $crate::graphql::context::Ask as _;
                let entry = rhone_projections::catalogue::in_log(ctx.session(), Self::KIND, id.0).await;
                entry.map_err($crate::fault::Fault::internal)?.as_ref().map(Self::of).transpose()
            }
        }
    };
}
pub(crate) use noun;

noun! {
    /// A geographic boundary of placement and residency.
    Region(RegionId, region::Created, region::Region)
}
noun! {
    /// An isolation unit of a region.
    Cell(CellId, cell::Created, cell::Cell)
}
noun! {
    /// A machine that runs allocations.
    Host(HostId, host::Created, host::Host)
}

/// The things of one kind that belong to nothing, a page of them.
pub(crate) async fn roots<T: async_graphql::OutputType>(
    ctx: &Context<'_>,
    filter: OfKind,
    (order, pages): (ListOrder, Pages),
    of: impl Fn(&catalogue::Entry) -> Result<T, Fault>,
) -> Result<Rows<T>, Fault> {
    let wanted = pages.ordered::<Uuid>(order)?;
    let mut transaction = begin(ctx).await?;
    let rows = catalogue::page(&mut transaction, filter.0, &filter.1, &wanted.keyset).await.map_err(Fault::internal)?;
    drop(transaction);
    let rows = rows.iter().map(|row| Ok((row.id.to_string(), of(row)?))).collect::<Result<Vec<_>, Fault>>()?;
    Ok(wanted.connection(rows))
}

/// The things of one kind that belong to `parent`, a page of them.
pub(crate) async fn page_of<T: async_graphql::OutputType>(
    ctx: &Context<'_>,
    kind: &'static str,
    parent: impl Into<Uuid>,
    pages: Pages,
    of: impl Fn(&catalogue::Entry) -> Result<T, Fault>,
) -> Result<Rows<T>, Fault> {
    some_of(ctx, OfKind(kind, catalogue::Filter::default()), parent, (ListOrder::OldestFirst, pages), of).await
}

/// The same, of those that a filter lets through.
pub(crate) async fn some_of<T: async_graphql::OutputType>(
    ctx: &Context<'_>,
    filter: OfKind,
    parent: impl Into<Uuid>,
    (order, pages): (ListOrder, Pages),
    of: impl Fn(&catalogue::Entry) -> Result<T, Fault>,
) -> Result<Rows<T>, Fault> {
    let wanted = pages.ordered::<Uuid>(order)?;
    let key = CataloguePage { of: parent.into(), filter, keyset: wanted.keyset };
    let rows = ctx.loaders().lists.load_one(key).await.map_err(Fault::internal)?.unwrap_or_default();
    let rows = rows.iter().map(|row| Ok((row.id.to_string(), of(row)?))).collect::<Result<Vec<_>, Fault>>()?;
    Ok(wanted.connection(rows))
}

#[Object]
impl Region {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Unique on the platform.
    async fn slug(&self) -> &str {
        self.created.slug.as_str()
    }

    async fn name(&self) -> &str {
        self.created.name.as_str()
    }

    async fn created_at(&self) -> chrono::DateTime<chrono::Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }

    /// Its cells.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn cells(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Cell>> {
        let pages = Pages { first, after, last, before };
        Ok(page_of(ctx, Cell::KIND, self.created.id, pages, Cell::of).await?)
    }

    /// What the caller, who runs the platform, may do with it now.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<RegionAffordances> {
        Ok(RegionAffordances::of(ctx).await?)
    }

    /// The edges that reported within 15 seconds.
    #[graphql(complexity = "100 + child_complexity")]
    async fn live_edges(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Edge>> {
        let live = ctx.loaders().lists.load_one(LiveEdges(self.created.id)).await.map_err(Fault::internal)?;
        Ok(live.into_iter().flatten().map(Edge).collect())
    }
}

#[Object]
impl Cell {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Unique in its region.
    async fn slug(&self) -> &str {
        self.created.slug.as_str()
    }

    async fn region(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Region>> {
        Ok(Region::find(ctx, self.created.region, None).await?)
    }

    async fn created_at(&self) -> chrono::DateTime<chrono::Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }

    /// What the caller, who runs the platform, may do with it now.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<CellAffordances> {
        Ok(CellAffordances::of(ctx).await?)
    }

    /// Its hosts, for those who run the platform.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn hosts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Rows<Host>> {
        let pages = Pages { first, after, last, before };
        Ok(page_of(ctx, Host::KIND, self.created.id, pages, Host::of).await?)
    }
}

#[Object]
impl Host {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Unique in its cell.
    async fn slug(&self) -> &str {
        self.created.slug.as_str()
    }

    async fn cell(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Cell>> {
        Ok(Cell::find(ctx, self.created.cell, None).await?)
    }

    /// Whether it takes allocations.
    #[graphql(complexity = "20")]
    async fn state(&self, ctx: &Context<'_>) -> async_graphql::Result<HostState> {
        Ok(now(ctx, self.created.id).await?.state.unwrap_or(host::State::Active).into())
    }

    /// Whether the caller may retire it now: it never comes back then.
    #[graphql(complexity = "50 + child_complexity")]
    async fn retirable(&self, ctx: &Context<'_>) -> async_graphql::Result<Affordance> {
        let id = self.created.id;
        Ok(retirable(ctx, id, &now(ctx, id).await?).await?)
    }

    /// What `hostDrain` with this time would come to now, gate by gate; 3600 seconds unless said otherwise.
    #[graphql(complexity = "100 + child_complexity")]
    async fn drain_readiness(
        &self,
        ctx: &Context<'_>,
        timeout_seconds: Option<i64>,
    ) -> async_graphql::Result<Readiness> {
        let id = self.created.id;
        Ok(readiness::of_drain(ctx, id, &now(ctx, id).await?, timeout_seconds).await?)
    }

    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<HostAffordances> {
        Ok(HostAffordances::of(ctx, &now(ctx, self.created.id).await?).await?)
    }

    /// How many allocations it may hold.
    #[graphql(complexity = "20")]
    async fn capacity(&self, ctx: &Context<'_>) -> async_graphql::Result<u32> {
        Ok(now(ctx, self.created.id).await?.capacity())
    }

    /// The drain that holds its cordon, if one does.
    #[graphql(complexity = "20")]
    async fn held_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<ID>> {
        Ok(now(ctx, self.created.id).await?.held_by.map(id::show))
    }

    async fn created_at(&self) -> chrono::DateTime<chrono::Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }
}

/// A host as its own stream says; it is short, and no read model is waited for.
async fn now(ctx: &Context<'_>, id: HostId) -> Result<host::Host, Fault> {
    ctx.loaders().folded(id).await
}

/// A slug of the input.
pub(crate) fn slug(text: &str) -> Result<Slug, Fault> {
    Slug::parse("slug", text).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
}

/// A name of the input.
pub(crate) fn name(text: &str) -> Result<Name, Fault> {
    Name::parse("name", text).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
}

/// Claims a slug for what is being created; the claim and what it names are one append.
pub(crate) async fn claim_slug(
    bench: &Bench<'_>,
    unit: &mut rhone_eventstore::Unit,
    (kind, scope): (claim::Kind, Uuid),
    slug: &Slug,
    holder: Uuid,
) -> Result<(), No> {
    let mut claim = bench.claim(kind, scope, slug.as_str()).await?;
    let value = slug.to_string();
    decide(unit, &mut claim, claim::Command::Claim { kind, value, holder }).map_err(|no| no.about("slug"))
}
