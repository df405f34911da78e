//! Opening a region, a cell or a host: by those who run the platform, and by nobody else. The trap avoided: a slug that two of them
//! have; its claim is part of the same append.

use super::{Cell, Host, Region, claim_slug, name, slug};
use crate::graphql::{
    change::{Bench, Change, Judged, Manner, No, change, decide, payload},
    context::platform_only,
    id,
};
use async_graphql::{Context, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    cell, claim, host,
    ids::{CellId, HostId, PLATFORM, RegionId},
    region,
    text::{Name, Slug},
};
use uuid::Uuid;

#[derive(Clone, Debug, InputObject)]
pub(crate) struct RegionCreateInput {
    /// 3 to 63 of a-z, 0-9 and -; unique on the platform.
    slug: String,
    name: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct CellCreateInput {
    region_id: ID,
    /// Unique in its region.
    slug: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct HostCreateInput {
    cell_id: ID,
    /// Unique in its cell.
    slug: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of regionCreate.
    RegionCreatePayload { region: created Region }
}
payload! {
    /// The answer of cellCreate.
    CellCreatePayload { cell: created Cell }
}
payload! {
    /// The answer of hostCreate.
    HostCreatePayload { host: created Host }
}

#[derive(Debug, Default)]
pub(crate) struct PlaceMutation;

#[Object]
impl PlaceMutation {
    /// Opens a region.
    async fn region_create(
        &self,
        ctx: &Context<'_>,
        input: RegionCreateInput,
    ) -> async_graphql::Result<RegionCreatePayload> {
        platform_only(ctx).await?;
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let create = CreateRegion { slug: slug(&input.slug)?, name: name(&input.name)? };
        Ok(RegionCreatePayload(change(ctx, manner, create).await?))
    }

    /// Opens a cell in a region.
    async fn cell_create(&self, ctx: &Context<'_>, input: CellCreateInput) -> async_graphql::Result<CellCreatePayload> {
        platform_only(ctx).await?;
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let create = CreateCell { region: id::read("regionId", &input.region_id)?, slug: slug(&input.slug)? };
        Ok(CellCreatePayload(change(ctx, manner, create).await?))
    }

    /// Registers a host of a cell.
    async fn host_create(&self, ctx: &Context<'_>, input: HostCreateInput) -> async_graphql::Result<HostCreatePayload> {
        platform_only(ctx).await?;
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let create = CreateHost { cell: id::read("cellId", &input.cell_id)?, slug: slug(&input.slug)? };
        Ok(HostCreatePayload(change(ctx, manner, create).await?))
    }
}

struct CreateRegion {
    slug: Slug,
    name: Name,
}

impl Change for CreateRegion {
    fn name(&self) -> &'static str {
        "regionCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.slug, self.name)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id: RegionId = bench.new_id();
        let mut unit = bench.unit(Writer::Platform, PLATFORM, rhone_domain::ids::CorrelationId(id.0));
        claim_slug(bench, &mut unit, (claim::Kind::RegionSlug, Uuid::nil()), &self.slug, id.0).await?;
        let mut region = bench.fresh::<region::Region>();
        let created = region::Created { id, slug: self.slug.clone(), name: self.name.clone() };
        unit.place(Some(id), None);
        decide(&mut unit, &mut region, region::Command::Create(created))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}

struct CreateCell {
    region: RegionId,
    slug: Slug,
}

impl Change for CreateCell {
    fn name(&self) -> &'static str {
        "cellCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.region, self.slug)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id: CellId = bench.new_id();
        let region = bench.load::<region::Region>(self.region).await?;
        if !region.exists() {
            return Err(id::not_found::<RegionId>("regionId").into());
        }
        let mut unit = bench.unit(Writer::Platform, PLATFORM, rhone_domain::ids::CorrelationId(id.0));
        unit.place(Some(self.region), Some(id));
        claim_slug(bench, &mut unit, (claim::Kind::CellSlug, self.region.0), &self.slug, id.0).await?;
        let mut cell = bench.fresh::<cell::Cell>();
        let created = cell::Created { id, region: self.region, slug: self.slug.clone() };
        decide(&mut unit, &mut cell, cell::Command::Create(created))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}

struct CreateHost {
    cell: CellId,
    slug: Slug,
}

impl Change for CreateHost {
    fn name(&self) -> &'static str {
        "hostCreate"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.cell, self.slug)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id: HostId = bench.new_id();
        let cell = bench.load::<cell::Cell>(self.cell).await?;
        let Some(of) = cell.state.created else { return Err(id::not_found::<CellId>("cellId").into()) };
        let mut unit = bench.unit(Writer::Platform, PLATFORM, rhone_domain::ids::CorrelationId(id.0));
        unit.place(Some(of.region), Some(self.cell));
        claim_slug(bench, &mut unit, (claim::Kind::HostSlug, self.cell.0), &self.slug, id.0).await?;
        let mut host = bench.fresh::<host::Host>();
        let created = host::Created { id, region: of.region, cell: self.cell, slug: self.slug.clone() };
        decide(&mut unit, &mut host, host::Command::Create(created))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}
