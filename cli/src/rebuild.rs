//! `rhone rebuild`: a projection from zero, beside the live one.

use crate::{
    config::{Database, required, section},
    data::Data,
    output::line,
};
use anyhow::{Context as _, Result, bail};
use rhone_eventstore::{Clock, postgres::connect};
use rhone_projections::{
    catalogue::Catalogue,
    deployments::Deployments,
    projection::Projection,
    rebuild::{Rebuilt, rebuild},
    timeline::Timeline,
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What can be rebuilt, as the command line takes it.
pub(crate) const NAMES: [&str; 3] = [Catalogue::NAME, Deployments::NAME, Timeline::NAME];

/// `rhone rebuild`.
pub(crate) async fn run(data: &Data, projection: &str, as_json: bool) -> Result<()> {
    let (mut admin, projector) = connected(&section(data, "database")?).await?;
    match projection {
        Catalogue::NAME => one::<Catalogue>(&mut admin, &projector, as_json).await,
        Deployments::NAME => one::<Deployments>(&mut admin, &projector, as_json).await,
        Timeline::NAME => one::<Timeline>(&mut admin, &projector, as_json).await,
        other => bail!("there is no projection `{other}`"),
    }
}

/// Every projection of this database; how many rows they have.
pub(crate) async fn every(database: &Database) -> Result<i64> {
    let (mut admin, projector) = connected(database).await?;
    let rebuilt = [
        anew::<Catalogue>(&mut admin, &projector).await?,
        anew::<Deployments>(&mut admin, &projector).await?,
        anew::<Timeline>(&mut admin, &projector).await?,
    ];
    projector.close().await;
    admin.close().await?;
    Ok(rebuilt.iter().flat_map(|one| &one.tables).map(|(_, rows)| rows).sum())
}

async fn connected(database: &Database) -> Result<(PgConnection, PgPool)> {
    let admin_url = required("database.admin_url", database.admin_url.as_ref())?;
    let admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    let projector_url = required("database.projector_url", database.projector_url.as_ref())?;
    let projector = connect(projector_url, "rhone rebuild", 4).await.context("connecting as the projector")?;
    Ok((admin, projector))
}

async fn anew<P: Projection>(admin: &mut PgConnection, projector: &PgPool) -> Result<Rebuilt> {
    let owner = Clock::system().new_id::<Uuid>().to_string();
    rebuild::<P>(admin, projector, &owner).await.with_context(|| format!("rebuilding {}", P::NAME))
}

async fn one<P: Projection>(admin: &mut PgConnection, projector: &PgPool, as_json: bool) -> Result<()> {
    let rebuilt = anew::<P>(admin, projector).await?;
    if as_json {
        let tables: BTreeMap<String, i64> = rebuilt.tables.into_iter().collect();
        let (events, seconds) = (rebuilt.events, rebuilt.seconds);
        line(json!({ "projection": P::NAME, "events": events, "seconds": seconds, "tables": tables }));
        return Ok(());
    }
    line(format_args!("{}: {} events in {:.1} s, the same rows as live", P::NAME, rebuilt.events, rebuilt.seconds));
    for (table, rows) in rebuilt.tables {
        line(format_args!("  {table}: {rows} rows"));
    }
    Ok(())
}
