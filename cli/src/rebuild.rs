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
    say(projection, anew(projection, &mut admin, &projector).await?, as_json);
    Ok(())
}

/// Every projection of this database; how many rows they have.
pub(crate) async fn every(database: &Database) -> Result<i64> {
    let (mut admin, projector) = connected(database).await?;
    let mut rows = 0;
    for projection in NAMES {
        let rebuilt = anew(projection, &mut admin, &projector).await?;
        rows += rebuilt.tables.iter().map(|(_, rows)| rows).sum::<i64>();
    }
    projector.close().await;
    admin.close().await?;
    Ok(rows)
}

async fn connected(database: &Database) -> Result<(PgConnection, PgPool)> {
    let admin_url = required("database.admin_url", database.admin_url.as_ref())?;
    let admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    let projector_url = required("database.projector_url", database.projector_url.as_ref())?;
    let projector = connect(projector_url, "rhone rebuild", 4).await.context("connecting as the projector")?;
    Ok((admin, projector))
}

async fn anew(projection: &str, admin: &mut PgConnection, projector: &PgPool) -> Result<Rebuilt> {
    let owner = Clock::system().new_id::<Uuid>().to_string();
    let rebuilt = match projection {
        Catalogue::NAME => rebuild::<Catalogue>(admin, projector, &owner).await,
        Deployments::NAME => rebuild::<Deployments>(admin, projector, &owner).await,
        Timeline::NAME => rebuild::<Timeline>(admin, projector, &owner).await,
        other => bail!("there is no projection `{other}`"),
    };
    rebuilt.with_context(|| format!("rebuilding {projection}"))
}

fn say(projection: &str, rebuilt: Rebuilt, as_json: bool) {
    let Rebuilt { events, seconds, tables } = rebuilt;
    if as_json {
        let tables: BTreeMap<String, i64> = tables.into_iter().collect();
        line(json!({ "projection": projection, "events": events, "seconds": seconds, "tables": tables }));
        return;
    }
    line(format_args!("{projection}: {events} events in {seconds:.1} s, the same rows as live"));
    for (table, rows) in tables {
        line(format_args!("  {table}: {rows} rows"));
    }
}
