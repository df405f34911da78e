//! `rhone work`: a worker.

use crate::{
    admin_http,
    config::{Build, Bus, Database, Keys, Probes, Work, required, section},
    data::Data,
    parts::bus,
    shutdown, telemetry, vault_keys, wake,
};
use anyhow::{Context as _, Result};
use rhone_eventstore::{Bell, Clock, boot, postgres::connect, vault::Vault};
use rhone_providers::{
    artifact_store::ArtifactStore,
    probe::{Ground, Reach, authorities},
};
use rhone_workers::LogRetention;
use sqlx::PgPool;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How often the watermark is measured.
const MEASURE: Duration = Duration::from_secs(2);

/// Works until it is asked to end.
pub(crate) async fn run(data: &Data) -> Result<()> {
    let shutdown = shutdown::requested()?;
    let metrics = telemetry::metrics()?;
    let (work, database): (Work, Database) = (section(data, "work")?, section(data, "database")?);
    let builds = section::<Build>(data, "build")?.builds(data);
    let (keys, bus): (Keys, Bus) = (section(data, "keys")?, section(data, "bus")?);
    let connecting = "connecting to the database";
    let worker_url = required("database.worker_url", database.worker_url.as_ref())?;
    let pool = connect(worker_url, "rhone work", 24).await.context(connecting)?;
    let projector_url = required("database.projector_url", database.projector_url.as_ref())?;
    let projector = connect(projector_url, "rhone work", 8).await.context(connecting)?;
    let listener = TcpListener::bind(work.admin).await.with_context(|| format!("listening on {}", work.admin))?;
    let nats = bus::connect(&bus, "rhone work").await?;
    let (bell, clock) = (Bell::default(), Clock::system());
    tokio::spawn(admin_http::serve(listener, pool.clone(), metrics));
    tokio::spawn(measure(pool.clone()));
    let config = rhone_workers::Config {
        pool,
        projector,
        wake: wake::over(nats.as_ref(), &bell),
        bell,
        feed_key: keys.feed()?,
        nats,
        vault: Vault::new(vault_keys::ring(data)?),
        artifacts: ArtifactStore::local(&work.artifacts).context("opening the artifact store")?,
        log_retention: LogRetention {
            age: Duration::from_hours(24 * u64::from(work.log_days)),
            bytes: i64::from(work.log_mib) << 20,
        },
        ground: ground(&work)?,
        builds,
        begun: Instant::now(),
        actor: clock.new_id(),
        clock,
    };
    tracing::info!(actor = %config.actor, admin = %work.admin, "a worker works");
    rhone_workers::run(config, shutdown).await.context("working")
}

fn ground(work: &Work) -> Result<Ground> {
    let reach = match work.probes {
        Probes::Public => Reach::Public,
        Probes::Local => Reach::Local,
    };
    let authorities = match &work.authorities {
        Some(file) => authorities(file).with_context(|| format!("reading work.authorities, {}", file.display()))?,
        None => Vec::new(),
    };
    Ok(Ground { reach, objects: work.objects.clone(), authorities })
}

async fn measure(pool: PgPool) {
    loop {
        if let Err(error) = boot::watermark(&pool).await {
            tracing::debug!(%error, "the watermark was not measured");
        }
        tokio::time::sleep(MEASURE).await;
    }
}
