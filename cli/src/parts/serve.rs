//! `rhone serve`: the API.

use crate::{
    config::{Bus, Database, Exposure, GitHub, Keys, Serve, required, section},
    data::Data,
    parts::bus,
    shutdown, telemetry, vault_keys, wake,
};
use anyhow::{Context as _, Result, ensure};
use rhone_api::Documents;
use rhone_eventstore::{Bell, Clock, postgres::connect, subjects, vault::Vault};
use rhone_providers::artifact_store::ArtifactStore;
use std::{fs, path::Path};
use tokio::net::TcpListener;

/// The name under which the key of keys is found again.
pub(crate) const KEK: &str = "local-1";

/// Runs the API until it is asked to end.
pub(crate) async fn run(data: &Data) -> Result<()> {
    let shutdown = shutdown::requested()?;
    let metrics = telemetry::metrics()?;
    let (serve, database): (Serve, Database) = (section(data, "serve")?, section(data, "database")?);
    let (keys, bus): (Keys, Bus) = (section(data, "keys")?, section(data, "bus")?);
    let github: GitHub = section(data, "github")?;
    let connecting = "connecting to the database";
    let api_url = required("database.api_url", database.api_url.as_ref())?;
    let api_pool = connect(api_url, "rhone serve", serve.connections).await.context(connecting)?;
    let worker_url = required("database.worker_url", database.worker_url.as_ref())?;
    let worker_pool = connect(worker_url, "rhone serve", serve.connections).await.context(connecting)?;
    let nats = bus::connect(&bus, "rhone serve").await?;
    let bell = Bell::default();
    let config = rhone_api::serve::Config {
        subjects: subjects::Subjects::new(worker_pool.clone(), subjects::Kek::new(KEK, keys.kek()?)),
        vault: Vault::new(vault_keys::ring(data)?),
        clock: Clock::system(),
        wake: wake::over(nats.as_ref(), &bell),
        bell,
        feed_key: keys.feed()?,
        artifacts: ArtifactStore::local(&serve.artifacts).context("opening the artifact store")?,
        exposure: match serve.exposure {
            Exposure::Production => rhone_api::Exposure::Production,
            Exposure::Development => rhone_api::Exposure::Development,
        },
        origins: serve.origins,
        documents: serve.documents.as_deref().map_or_else(|| Ok(Documents::any()), documents)?,
        sign_in: rhone_api::sign_in::Settings {
            public_url: serve.public_url,
            github: github.app()?,
            development_user: serve.development_user,
        },
        rates: serve.rates,
        load: serve.load,
        listener: TcpListener::bind(serve.listen).await.with_context(|| format!("listening on {}", serve.listen))?,
        metrics,
        api_pool,
        worker_pool,
    };
    tracing::info!(address = %serve.listen, "the API serves");
    rhone_api::serve::run(config, shutdown).await.context("serving the API")
}

/// The documents of a folder, which are all that pages may ask.
fn documents(folder: &Path) -> Result<Documents> {
    let reading = || format!("reading the documents of {}", folder.display());
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let file = entry.with_context(reading)?.path();
        if file.extension().is_some_and(|extension| extension == "graphql") {
            texts.push(fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?);
        }
    }
    ensure!(!texts.is_empty(), "serve.documents: {} holds no document (*.graphql)", folder.display());
    Ok(Documents::pages_known_only(texts))
}
